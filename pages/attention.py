"""Attention: every head's weights over the whole run, one head large, and what they do not say."""

from typing import Any

import streamlit as st

from app.attention.finding import REACH, cancel, find
from app.attention.picture import attention_picture
from app.attention.scores import read_scores
from app.attention.sending import attention_payload, busy
from app.attention.state import AttentionState
from app.navigation import go_to
from app.session import state
from app.session.actions import settle
from app.session.address import address, arrive
from app.session.progress import without_window
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), section 2, “Sliding Window Attention”; rollout: Abnar & Zuidema 2020 "
    "(arXiv 2005.00928); sinks: Xiao et al. 2023 (arXiv 2309.17453); induction: Olsson et al. 2022 (arXiv 2209.11895); "
    "attention is not explanation: Jain & Wallace 2019 (arXiv 1902.10186), Serrano & Smith 2019 (arXiv 1906.03731). "
    "Code: mistral_core/attention.py, mistral_core/analysis/heads.py, flow.py, disagreement.py."
)

desk = state.desk()
arrive(desk, st.query_params.to_dict())

seen = (
    "every word before it (this model was trained without a window)"
    if without_window(desk)
    else ("the few words in its window")
)
st.title("Attention: who looks at whom?")
st.caption(
    f"To make the next word, every layer lets each word look back at {seen}. Each head spreads one unit of weight over "
    "them: the bluer, the more it fetches from there. Point at a word, or at a cell."
)
notice(desk)


def follow(result: Any) -> None:
    """Opens the page that follows a change, when the picture asks for it."""
    if result.reach:
        go_to(REACH, **address(desk))


pictures(
    desk,
    attention_picture,
    attention_payload,
    key=state.ATTENTION_PICTURE,
    every=0.15,
    busy=busy,
    delivery=lambda one: one.page_state(AttentionState).delivery,
    acts={"at": settle, "find": find, "cancel": cancel, "scores": read_scores},
    after=follow,
)
compare(desk)
closing("attention", SOURCE)
