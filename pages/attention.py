"""Attention: every head's weights over the whole run, one head large, and what they do not say."""

import streamlit as st

from app.attention import panel
from app.attention.picture import attention_picture
from app.navigation import go_to
from app.session import actions, state
from app.shared.frame import closing, notice, picture

desk = state.desk()
actions.arrive(desk, st.query_params.to_dict())

st.title("Attention: who looks at whom?")
st.caption(
    "To make the next word, every layer lets each word look back at the few words in its window. Each head spreads one "
    "unit of weight over them: the bluer, the more it fetches from there. Point at a word, or at a cell."
)
notice(desk)

polling = actions.active(desk) or panel.searching(desk)


@st.fragment(run_every=0.15 if polling else None)
def live() -> None:
    """Shows the run, looks again while it grows or is measured, and stops looking when that has ended."""
    shown = picture(
        desk,
        attention_picture,
        panel.payload,
        key=state.ATLAS,
        ack=panel.acknowledge,
        need=panel.send_again,
        at=actions.settle,
        find=panel.find,
        cancel=panel.cancel,
        scores=panel.read_scores,
    )
    if shown.reach:
        go_to(panel.REACH, **actions.address(desk))
    actions.keep_address(desk, st.query_params)
    if (actions.active(desk) or panel.searching(desk)) != polling or desk.notice:
        st.rerun()


live()
closing("attention")
