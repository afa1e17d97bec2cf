"""Reach: one word is changed, and the state grid shows how far that is felt, in theory and measured."""

import streamlit as st

from app.reach import panel
from app.reach.picture import reach_picture
from app.reach.profile import can_see_does_use
from app.reach.push_back import push_it_back
from app.reach.theory import another_shape
from app.session import actions, state
from app.shared.frame import closing, notice, picture

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
polling = actions.active(desk) or panel.measuring(desk)


@st.fragment(run_every=1.0 if polling else None)
def live() -> None:
    """Shows the reading, and follows the text while it is being written."""
    picture(desk, reach_picture, panel.payload, key=state.REACH, ask=panel.ask, act=panel.act)
    actions.keep_address(desk, st.query_params, **panel.question(desk))
    if (actions.active(desk) or panel.measuring(desk)) != polling or desk.notice:
        st.rerun()


live()
push_it_back(desk)
can_see_does_use(desk)
another_shape(desk)
closing("reach")
