"""Shared heads: which query heads read which stored keys and values, what one of those is good for, what it saves."""

import streamlit as st

from app.session import state
from app.session.actions import settle
from app.session.address import arrive
from app.session.progress import trace_of
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice
from app.shared_heads.asking import ask_layer, opening, stop, take, taking_address
from app.shared_heads.picture import shared_heads_picture
from app.shared_heads.saved_panel import cost, saved
from app.shared_heads.sending import busy, shared_heads_payload
from app.shared_heads.state import SharedHeadsState

SOURCE = (
    "Multi-query attention: Shazeer 2019 (arXiv 1911.02150); grouped-query attention: Ainslie et al. 2023 "
    "(arXiv 2305.13245); Mistral 7B (arXiv 2310.06825), table 1. Published shapes: config.json of Mistral 7B and "
    "Llama 2 (arXiv 2307.09288). Code: mistral_core/attention.py (attend), mistral_core/analysis/kv_head.py (a "
    "key/value head is taken away), mistral_core/analysis/sharing_bytes.py (bytes)."
)

desk = state.desk()
query = st.query_params.to_dict()
if arrive(desk, query):
    opening(desk, query)

st.title("Shared heads: why fewer keys?")
st.caption(
    "To look back, each head asks a question of its own: its query. Several heads may put theirs to the same stored "
    "keys and values; then a layer keeps and reads fewer numbers."
)
notice(desk)
pictures(
    desk,
    shared_heads_picture,
    shared_heads_payload,
    key=state.SHARED_HEADS_PICTURE,
    every=0.15,
    busy=busy,
    delivery=lambda one: one.page_state(SharedHeadsState).delivery,
    acts={"at": settle, "layer": ask_layer, "take": take, "stop": stop},
    more_address=taking_address,
)
compare(desk)
trace = trace_of(desk.record)
if trace is not None:
    saved(trace.model_name, trace.config)
cost()
closing("shared_heads", SOURCE)
