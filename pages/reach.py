"""Reach: one word is changed, and the state grid shows how far that is felt, in theory and measured."""

import streamlit as st

from app import desk as actions
from app import reach_panel as panel
from app import state
from app.components.state_grid import state_grid
from app.profile_panel import can_see_does_use
from app.push_back_panel import push_it_back
from app.theory_panel import another_shape
from app.widgets import closing, notice, picture

desk = state.desk()
query = st.query_params.to_dict()
if actions.arrive(desk, query):
    panel.opening(desk, query)

st.title("Reach: how far does a change travel?")
st.caption(
    "Each layer of this model looks back over one short window only, yet what it finds is passed on, layer by layer. "
    "How far does one word reach: where can it be felt, and where is it?"
)
notice(desk)
state_grid.load()
polling = actions.active(desk) or panel.measuring(desk)


@st.fragment(run_every=1.0 if polling else None)
def live() -> None:
    """Shows the reading, and follows the text while it is being written."""
    picture(desk, state_grid, panel.payload, key=state.REACH, ask=panel.ask, act=panel.act)
    actions.keep_address(desk, st.query_params, **panel.question(desk))
    if (actions.active(desk) or panel.measuring(desk)) != polling or desk.notice:
        st.rerun()


live()
push_it_back(desk)
can_see_does_use(desk)
another_shape(desk)
closing("reach")
