"""Inside a block: what one token becomes on its way through one layer, every number of it."""

import streamlit as st

from app.inside_a_block.picture import token_picture
from app.inside_a_block.sending import busy, look_at, token_payload
from app.inside_a_block.state import InsideState
from app.session import state
from app.session.actions import settle
from app.session.address import arrive
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), section 2; RMSNorm: Zhang & Sennrich 2019 (arXiv 1910.07467); RoPE: Su et al. 2021 "
    "(arXiv 2104.09864); which pairs carry meaning: Barbero et al. 2024 (arXiv 2410.06205); grouped queries: Ainslie "
    "et al. 2023 (arXiv 2305.13245); SwiGLU: Shazeer 2020 (arXiv 2002.05202). Code: mistral_core/block.py, norm.py, "
    "attention.py, rope.py, feed_forward.py; the sums beside the numbers: mistral_core/analysis/worked.py and "
    "score_split.py."
)

desk = state.desk()
arrive(desk, st.query_params.to_dict())

st.title("Inside a block: what happens to one token?")
st.caption(
    "One word of the text, one layer of the model. The numbers flow from left to right: attention fetches from other "
    "words (upper row), the feed-forward part works on this word alone (lower row), and both are added to what was "
    "there. Point at a number, and click it to see what it was made of."
)
notice(desk)

pictures(
    desk,
    token_picture,
    token_payload,
    key=state.INSIDE_PICTURE,
    every=0.15,
    busy=busy,
    delivery=lambda one: one.page_state(InsideState).delivery,
    acts={"at": settle, "look": look_at},
)
compare(desk)
closing("inside_a_block", SOURCE)
