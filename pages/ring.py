"""Ring: what the rings of all layers hold at every step, and what is gone."""

import streamlit as st

from app.ring.asked_slot import ask_slot
from app.ring.bytes_table import bytes_table
from app.ring.forgotten import ask_about, cancel, measure
from app.ring.picture import ring_picture
from app.ring.sending import busy, ring_payload
from app.ring.state import RingState
from app.session import state
from app.session.actions import settle, write_recorded
from app.session.address import arrive
from app.session.progress import trace_of, without_window
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), section 2, “Rolling Buffer Cache” (figure 2) and “Pre-fill and Chunking” "
    "(figure 3). Code: mistral_core/kv_cache.py (slots, write order), mistral_core/analysis/accounting.py (bytes), "
    "mistral_core/analysis/push_back.py and influence.py (is it forgotten?)."
)

desk = state.desk()
if arrive(desk, query := st.query_params.to_dict()):
    ask_about(desk, query)

st.title("Ring: what is kept?")
st.caption(
    "This model was trained without a window: each layer keeps a key and a value of every token (a word or a piece of "
    "one), and nothing is overwritten. Watch what is written and read, and how it grows."
    if without_window(desk)
    else "Each layer keeps a key and a value of the last W tokens (pieces of words) only, its window, in slots used "
    "round and round. Watch what is written, read and overwritten."
)
notice(desk)

pictures(
    desk,
    ring_picture,
    ring_payload,
    key=state.RING_PICTURE,
    every=0.1,
    busy=busy,
    delivery=lambda one: one.page_state(RingState).delivery,
    acts={"at": settle, "measure": measure, "cancel": cancel, "slot": ask_slot, "live": write_recorded},
)
compare(desk)
trace = trace_of(desk.record)
if trace is not None:
    with st.expander("What the ring saves: bytes with it, without the window, without grouped queries"):
        bytes_table(trace.config, trace.model_name)
closing("ring", SOURCE)
