"""Attention: every head's weights over the whole run, one head large, and what they do not say."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import attention_panel as panel
from app import desk as actions
from app import state
from app.components.atlas import atlas
from app.navigation import go_to
from app.widgets import closing

desk = state.desk()
actions.open_address(desk, st.query_params.to_dict())
if desk.record is None:
    actions.open_recording(desk)

st.title("Attention: who looks at whom?")
st.caption(
    "To make the next word, every layer lets each word look back at the few words in its window. Each head spreads one "
    "unit of weight over them: the bluer, the more it fetches from there. Point at a word, or at a cell."
)
if desk.notice:
    st.warning(desk.notice)
    desk.notice = ""

atlas.load()
polling = actions.active(desk) or panel.searching(desk)


def heard(name: str, act: Callable[[state.Desk, Mapping[str, Any]], None]) -> Callable[[], None]:
    """Passes what the picture says to the desk."""

    def callback() -> None:
        event = state.component_state(state.ATLAS).get(name)
        if event:
            act(desk, event)

    return callback


@st.fragment(run_every=0.15 if polling else None)
def live() -> None:
    """Shows the run, looks again while it grows or is measured, and stops looking when that has ended."""
    status = st.empty()
    data = panel.payload(desk)
    if data.waiting:
        status.caption(data.waiting)
    shown = atlas.show(
        data.packed, key=state.ATLAS,
        ack=heard("ack", panel.acknowledge), need=heard("need", panel.send_again), at=heard("at", actions.settle),
        find=heard("find", panel.find), cancel=heard("cancel", panel.cancel), scores=heard("scores", panel.read_scores),
    )  # fmt: skip
    if shown.reach:
        go_to(panel.REACH, **actions.address(desk))
    actions.keep_address(desk, st.query_params)
    if (actions.active(desk) or panel.searching(desk)) != polling or desk.notice:
        st.rerun()


live()
closing("attention")
