"""Window: which keys a token may see, why not the others, and what the mask does to the predictions."""

import streamlit as st

from app.session import state
from app.session.actions import settle
from app.session.address import arrive
from app.session.progress import without_window
from app.shared.frame import closing, notice
from app.shared.live import live_picture
from app.window.experiments_panel import experiments
from app.window.picture import window_picture
from app.window.sending import ask, busy, choice_address, opening, window_payload

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), section 2 and figure 1; first tokens that are kept: Xiao et al. 2023 "
    "(arXiv 2309.17453). Code: mistral_core/mask.py (who may see whom), mistral_core/kv_cache.py (what is kept), "
    "mistral_core/analysis/countable.py, mask_reading.py, four_ways.py, imposed_window.py, chunked.py, allocations.py, "
    "padding.py and published_windows.py."
)

desk = state.desk()
query = st.query_params.to_dict()
if arrive(desk, query):
    opening(desk, query)

st.title("Window: what may a token see?")
st.caption(
    "This model was trained without a window: each token may look at all before it. Move W to see what a window would "
    "hide, and what that does to the predictions."
    if without_window(desk)
    else "A token asks, and keys of earlier tokens answer. The mask lets W of them through in each layer, the token "
    "itself included; older ones are there only in what was passed on."
)
notice(desk)
live_picture(
    desk,
    window_picture,
    window_payload,
    key=state.WINDOW_PICTURE,
    every=0.5,
    busy=busy,
    polling=busy(desk),
    acts={"ask": ask, "at": settle},
    more_address=choice_address,
)
experiments(desk)
closing("window", SOURCE)
