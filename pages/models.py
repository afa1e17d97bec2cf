"""Which model is this: choose one, read its ledger, and check that it is what it says."""

import streamlit as st

from app import compute
from app.models.checks import trust
from app.models.choice import card, choose, facts
from app.models.family import family
from app.models.ledger import ledger_table
from app.models.published import any_configuration
from app.session import state
from app.session.address import arrive
from app.shared.frame import closing, part
from app.shared.larger import larger_switch
from mistral_core.checkpoint import registry

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), table 1. Code: mistral_core/config.py, "
    "mistral_core/analysis/accounting.py (every number of the ledger), mistral_core/verification/ (the checks)."
)

desk = state.desk()
arrive(desk, st.query_params.to_dict())
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title("Models: which model is this?", width="content")
    larger_switch()
st.caption(
    "New texts are written by the model chosen here. What is open on the other pages stays, and says which model wrote "
    "it. The numbers come from the model's configuration file, and the checks below run the model itself."
)
name = choose(desk)
config = compute.config(name)
facts(name, config)
with part("ledger"):
    ledger_table(name, config)
with part("published"):
    any_configuration(desk)
with part("trust"):
    trust(desk, registry.parts_of(name).model)
family()
card(name)
closing("models", SOURCE)
