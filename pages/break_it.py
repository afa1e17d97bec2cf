"""Break it: a part of the network is knocked out, or a historical mistake is made, beside the run as it is."""

import streamlit as st

from app.break_it.asking import act, ask, opening, question_address
from app.break_it.inside import look_inside
from app.break_it.picture import break_picture
from app.break_it.sending import break_payload, busy
from app.museum.asking import (
    MISTAKES,
    SILENCE,
    TABS,
    act_on_mistake,
    ask_mistake,
    mistake_address,
    open_mistake,
    open_tab,
)
from app.museum.picture import museum_picture
from app.museum.sending import museum_busy, museum_payload
from app.session import state
from app.session.address import arrive
from app.shared.frame import closing, notice
from app.shared.live import live_picture

SOURCE = (
    "Knocking out heads: Michel et al. 2019 (arXiv 1905.10650); parts that stand in for each other: Wang et al. 2022 "
    "(arXiv 2211.00593), McGrath et al. 2023 (arXiv 2307.15771); attention that is cut: Geva et al. 2023 "
    "(arXiv 2304.14767); states of another text: Meng et al. 2022 (arXiv 2202.05262); directions: Turner et al. 2023 "
    "(arXiv 2308.10248). Code: mistral_core/analysis/interventions.py, intervening.py, other_word.py, "
    "knock_out_map.py. Historical mistakes: the public threads that stand beside each; code: mistral_core/museum/."
)
WORDS = {
    SILENCE: "Silence a head, cut off all that is far away, put in a state of another text, and read the same "
    "text again. Which part does this next word need? Point at a cell; choose another word in the text.",
    MISTAKES: "Mistakes that real programs have made, each on a copy of this model: what it then reads, from "
    "which word on it errs, what it writes, and which check would have found it.",
}

desk = state.desk()
query = st.query_params.to_dict()
if arrive(desk, query):
    opening(desk, query)
    open_mistake(desk, query)

st.title("Break it: what if it were wrong?")
st.caption(WORDS[open_tab(desk)])
tab = st.segmented_control(
    "What is broken",
    TABS,
    default=open_tab(desk),
    key=state.field(state.BREAK_TAB, desk.filled),
    label_visibility="collapsed",
    required=True,
)
if tab == MISTAKES:
    notice(desk)
    live_picture(
        desk,
        museum_picture,
        museum_payload,
        key=state.MUSEUM_PICTURE,
        every=1.0,
        busy=museum_busy,
        polling=museum_busy(desk),
        acts={"ask": ask_mistake, "act": act_on_mistake},
        more_address=mistake_address,
    )
else:
    notice(desk)
    live_picture(
        desk,
        break_picture,
        break_payload,
        key=state.BREAK_PICTURE,
        every=1.0,
        busy=busy,
        polling=busy(desk),
        acts={"ask": ask, "act": act},
        more_address=question_address,
    )
    look_inside(desk)
closing("break_it", SOURCE)
