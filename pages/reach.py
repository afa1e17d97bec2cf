"""Reach: one word is changed, and the state grid shows how far that is felt, in theory and measured."""

import streamlit as st

from app import desk as actions
from app import reach_panel, state
from app.components.state_grid import state_grid
from app.profile_panel import can_see_does_use
from app.push_back_panel import push_it_back
from app.theory_panel import another_shape
from app.widgets import closing

desk = state.desk()
query = st.query_params.to_dict()
came_by_link = query != desk.opened
actions.open_address(desk, query)
if desk.record is None:
    actions.open_recording(desk)
if came_by_link:
    reach_panel.opening(desk, query)

st.title("Reach: how far does a change travel?")
st.caption(
    "Each layer of this model looks back over one short window only, yet what it finds is passed on, layer by layer. "
    "How far does one word reach: where can it be felt, and where is it?"
)
if desk.notice:
    st.warning(desk.notice)
    desk.notice = ""
state_grid.load()
polling = actions.active(desk) or reach_panel.measuring(desk)


def asked() -> None:
    """Passes what the picture asks to the desk."""
    event = state.component_state(state.REACH).get("ask")
    if event:
        reach_panel.ask(desk, event)


def pressed() -> None:
    """Passes a button of the picture to the desk."""
    event = state.component_state(state.REACH).get("act")
    if event:
        reach_panel.act(desk, event)


@st.fragment(run_every=1.0 if polling else None)
def live() -> None:
    """Shows the reading, and follows the text while it is being written."""
    status = st.empty()
    packed, waiting = reach_panel.payload(desk)
    if waiting:
        status.caption(waiting)
    state_grid.show(packed, key=state.REACH, ask=asked, act=pressed)
    reach_panel.keep_address(desk, st.query_params)
    if (actions.active(desk) or reach_panel.measuring(desk)) != polling or desk.notice:
        st.rerun()


live()
push_it_back(desk)
can_see_does_use(desk)
another_shape(desk)
closing("reach")
