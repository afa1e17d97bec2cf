"""Test the paper: five annotated claims of "Mistral 7B", each with an experiment, and the verdict that follows."""

import streamlit as st

from app.session import state
from app.session.address import arrive
from app.shared.frame import closing, part
from app.shared.larger import larger_switch
from app.test_the_paper.board import board, claims, records
from app.test_the_paper.own_text_panel import COMPRESSED, own_text
from app.test_the_paper.section import live, recorded, stated
from app.test_the_paper.state import PaperState

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), and the annotated reading of it that this program starts from. Code: "
    "mistral_core/experiments/ (thresholds, measurements, and the verdict that is computed from them). "
    "On the command line: `python -m mistral_core experiment all`."
)

desk = state.desk()
arrive(desk, st.query_params.to_dict())
page = desk.page_state(PaperState)
page.open_from(st.query_params.get("claim"))
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title("Test the paper: is the paper right?", width="content")
    larger_switch()
st.caption(
    "Five claims of “Mistral 7B”, each with a critical remark and an experiment on models that run here. What would "
    "have to be seen was written down before it was measured; the verdict is computed from the numbers, and other "
    "numbers would give another one."
)
stored, notices = records()
for sentence in notices:
    st.warning(sentence)
with part("board"):
    board(page, stored)
known = claims()
claim = known[page.claim]
st.query_params["claim"] = page.named()
with part("claim"):
    stated(list(known).index(page.claim) + 1, claim, stored[page.claim])
    recorded(claim, stored[page.claim])
with part("live"):
    live(desk, claim, stored[page.claim])
if page.claim == COMPRESSED:
    with part("own"):
        own_text(desk)
closing("test_the_paper", SOURCE)
