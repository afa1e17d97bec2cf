"""The desk: a text is written token by token, with its ring, its reach and its choices beside it."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import desk as actions
from app import state
from app.components.player import player
from app.widgets import closing, controls, file_popover, prompt_area

desk = state.desk()
actions.open_address(desk, st.query_params.to_dict())
if desk.record is None:
    actions.open_recording(desk)

st.title("Next word: what comes next, and why?")
st.caption(
    "A language model writes one token at a time: each step reads one token and gives every possible next one a "
    "probability. Step through the text and see what the model could see."
)
polling = actions.active(desk)  # asked before the buttons are drawn: what ends in between makes `live` draw them anew
left, right = st.columns([0.58, 0.42], gap="medium")
with left:
    prompt_area(desk)
with right:
    controls(desk)
if desk.notice:
    st.warning(desk.notice)
    desk.notice = ""

player.load()


def heard(name: str, act: Callable[[state.Desk, Mapping[str, Any]], None]) -> Callable[[], None]:
    """Passes what the player says to the desk."""

    def callback() -> None:
        event = state.component_state(state.PLAYER).get(name)
        if event:
            act(desk, event)

    return callback


@st.fragment(run_every=0.08 if polling else None)
def live() -> None:
    """Shows the run, looks again while it grows, and stops looking when it has ended."""
    status = st.empty()
    data = actions.payload(desk)
    if data.waiting:
        status.caption(data.waiting)
    player.show(
        data.packed, key=state.PLAYER,
        ack=heard("ack", actions.acknowledge), need=heard("need", actions.send_again),
        at=heard("at", actions.settle), sampling=heard("sampling", actions.set_sampling),
        branch=heard("branch", actions.branch), open=heard("open", actions.show),
    )  # fmt: skip
    actions.keep_address(desk, st.query_params)
    if actions.active(desk) != polling or desk.notice:
        st.rerun()


live()
file_popover(desk)
closing("next_word")
