"""The cache theatre: what the rings of all layers hold at every step, and what is gone."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import desk as actions
from app import ring_panel, state
from app.components.theatre import theatre
from app.widgets import closing

desk = state.desk()
actions.open_address(desk, st.query_params.to_dict())
if desk.record is None:
    actions.open_recording(desk)

st.title("Ring: what is kept?")
st.caption(
    "Of every word it reads, each layer keeps a key and a value, but only for the last W words: the slots are used "
    "round and round. Step through the text and watch what is written, what is read and what is overwritten."
)
if desk.notice:
    st.warning(desk.notice)
    desk.notice = ""

theatre.load()
polling = actions.active(desk) or ring_panel.measuring(desk)
shown = desk.current


def heard(name: str, act: Callable[[state.Desk, Mapping[str, Any]], None]) -> Callable[[], None]:
    """Passes what the theatre says to the desk."""

    def callback() -> None:
        event = state.component_state(state.THEATRE).get(name)
        if event:
            act(desk, event)

    return callback


@st.fragment(run_every=0.1 if polling else None)
def live() -> None:
    """Shows the run, looks again while it grows or something is measured, and stops looking after that."""
    status = st.empty()
    packed, waiting = ring_panel.payload(desk)
    if waiting:
        status.caption(waiting)
    theatre.show(
        packed, key=state.THEATRE,
        ack=heard("ack", ring_panel.acknowledge), need=heard("need", ring_panel.send_again),
        at=heard("at", actions.settle), measure=heard("measure", ring_panel.measure),
        cancel=heard("cancel", ring_panel.cancel), slot=heard("slot", ring_panel.ask_slot),
        live=heard("live", ring_panel.write_live),
    )  # fmt: skip
    actions.keep_address(desk, st.query_params)
    if (actions.active(desk) or ring_panel.measuring(desk)) != polling or desk.notice or desk.current != shown:
        st.rerun()


live()
trace = actions.trace_of(desk.record)
if trace is not None:
    with st.expander("What the ring saves: bytes with it, without the window, without grouped queries"):
        ring_panel.bytes_table(trace.config, trace.model_name)
closing("ring")
