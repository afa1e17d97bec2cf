"""Which model is this: choose one, read its ledger, and check that it is what it says."""

import streamlit as st

from app import compute
from app.models import panel as models_panel
from app.session import state
from app.shared.frame import closing

desk = state.desk()
st.title("Models: which model is this?")
st.caption(
    "Everything on the other pages is computed by the model chosen here. Its numbers come from its configuration file, "
    "and the checks below run the model itself."
)
name = models_panel.choose(desk)
config = compute.config(name)
models_panel.facts(name, config)
models_panel.ledger(name, config)
models_panel.trust(desk, name)
models_panel.family()
models_panel.card(name)
closing("models")
