"""The desk: a text is written token by token, with its ring, its reach and its choices beside it."""

import streamlit as st

from app.next_word.controls import controls, prompt_area
from app.next_word.file_popover import file_popover
from app.next_word.picture import next_word_picture
from app.next_word.reencoding_panel import reencoding
from app.next_word.sending import branch, busy, choose, next_word_payload, set_sampling
from app.next_word.state import NextWordState
from app.session import state
from app.session.actions import settle
from app.session.address import arrive
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), section 2. Code: mistral_core/generation.py (the step), "
    "mistral_core/sampling.py (the stages), mistral_core/unsaid.py (the words of the last one), "
    "mistral_core/kv_cache.py (the ring), mistral_core/mask.py (the window), mistral_core/analysis/reencoding.py (the "
    "tokens that encoding the text would give)."
)

desk = state.desk()
arrive(desk, st.query_params.to_dict())

st.title("Next word: what comes next, and why?")
st.caption(
    "A language model writes one token at a time: each step reads one token and gives every possible next one a "
    "probability. Step through the text and see what the model could see."
)
polling = busy(desk)  # asked before the buttons are drawn: what ends in between makes the picture draw them anew
left, right = st.columns([0.58, 0.42], gap="medium")
with left:
    prompt_area(desk)
with right:
    controls(desk)
notice(desk)

pictures(
    desk,
    next_word_picture,
    next_word_payload,
    key=state.NEXT_WORD_PICTURE,
    every=0.08,
    busy=busy,
    polling=polling,
    delivery=lambda one: one.page_state(NextWordState).delivery,
    acts={"at": settle, "sampling": set_sampling, "branch": branch, "open": choose},
)
compare(desk)
reencoding(desk)
file_popover(desk)
closing("next_word", SOURCE)
