"""The desk: a text is written token by token, with its ring, its reach and its choices beside it."""

import streamlit as st

from app.next_word import panel
from app.next_word.picture import next_word_picture
from app.session import actions, state
from app.shared.frame import closing, controls, file_popover, notice, picture, prompt_area

desk = state.desk()
actions.arrive(desk, st.query_params.to_dict())

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
notice(desk)


@st.fragment(run_every=0.08 if polling else None)
def live() -> None:
    """Shows the run, looks again while it grows, and stops looking when it has ended."""
    picture(
        desk,
        next_word_picture,
        panel.payload,
        key=state.PLAYER,
        ack=panel.acknowledge,
        need=panel.send_again,
        at=actions.settle,
        sampling=actions.set_sampling,
        branch=actions.branch,
        open=actions.show,
    )
    actions.keep_address(desk, st.query_params)
    if actions.active(desk) != polling or desk.notice:
        st.rerun()


live()
file_popover(desk)
closing("next_word")
