"""Ring: what the rings of all layers hold at every step, and what is gone."""

import streamlit as st

from app.ring import panel
from app.ring.picture import ring_picture
from app.session import actions, state
from app.shared.frame import closing, notice, picture

desk = state.desk()
actions.arrive(desk, st.query_params.to_dict())

st.title("Ring: what is kept?")
st.caption(
    "Of every word it reads, each layer keeps a key and a value, but only for the last W words: the slots are used "
    "round and round. Step through the text and watch what is written, what is read and what is overwritten."
)
notice(desk)

polling = actions.active(desk) or panel.measuring(desk)
shown = desk.current


@st.fragment(run_every=0.1 if polling else None)
def live() -> None:
    """Shows the run, looks again while it grows or something is measured, and stops looking after that."""
    picture(
        desk,
        ring_picture,
        panel.payload,
        key=state.THEATRE,
        ack=panel.acknowledge,
        need=panel.send_again,
        at=actions.settle,
        measure=panel.measure,
        cancel=panel.cancel,
        slot=panel.ask_slot,
        live=panel.write_live,
    )
    actions.keep_address(desk, st.query_params)
    if (actions.active(desk) or panel.measuring(desk)) != polling or desk.notice or desk.current != shown:
        st.rerun()


live()
trace = actions.trace_of(desk.record)
if trace is not None:
    with st.expander("What the ring saves: bytes with it, without the window, without grouped queries"):
        panel.bytes_table(trace.config, trace.model_name)
closing("ring")
