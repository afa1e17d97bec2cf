"""Inside a block: what one token becomes on its way through one layer, every number of it."""

from collections.abc import Callable, Mapping

import streamlit as st

from app.inside_a_block.picture import token_picture
from app.inside_a_block.sending import box_address, busy, look_at, open_box, token_payload
from app.inside_a_block.state import InsideState
from app.residual import sending
from app.residual.asking import ask, held
from app.residual.picture import residual_picture
from app.session import state
from app.session.actions import settle
from app.session.address import arrive
from app.session.desk import Desk
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice
from app.shared.live import live_picture

SOURCE = (
    "Mistral 7B (arXiv 2310.06825), section 2; RMSNorm: Zhang & Sennrich 2019 (arXiv 1910.07467); RoPE: Su et al. 2021 "
    "(arXiv 2104.09864); which pairs carry meaning: Barbero et al. 2024 (arXiv 2410.06205); grouped queries: Ainslie "
    "et al. 2023 (arXiv 2305.13245); SwiGLU: Shazeer 2020 (arXiv 2002.05202). Code: mistral_core/block.py, norm.py, "
    "attention.py, rope.py, feed_forward.py; the sums beside the numbers: mistral_core/analysis/worked.py and "
    "score_split.py. The residual stream: Elhage et al. 2021 (transformer-circuits.pub/2021/framework); logit lens: "
    "nostalgebraist 2020, Belrose et al. 2023 (arXiv 2303.08112); direct logit attribution: Wang et al. 2022 (arXiv "
    "2211.00593); promoted words: Tufanov et al. 2024 (arXiv 2404.07004); patching: Meng et al. 2022 (arXiv "
    "2202.05262). Code: mistral_core/analysis/stream.py, logit_lens.py, attribution.py, patched_cell.py."
)


def one_token(desk: Desk) -> None:
    """One token in one layer."""
    st.caption(
        "Numbers flow from left to right: attention fetches from other words, the feed-forward part works on this "
        "word alone, and both are added to the stream. Click a number: what was it made of?"
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
        more_address=box_address,
    )
    compare(desk)


def residual_stream(desk: Desk) -> None:
    """All tokens, all layers: what is said on the way, who adds what, and a cell of another text by hand."""
    st.caption(
        "All words of the text, all layers. Every layer adds to a list of numbers, the residual stream; reading it "
        "before the end shows what the model would say by then. Point at a cell; step with the arrow keys."
    )
    notice(desk)
    live_picture(
        desk,
        residual_picture,
        sending.residual_payload,
        key=state.RESIDUAL_PICTURE,
        every=1.0,
        busy=sending.busy,
        polling=sending.busy(desk),
        acts={"at": settle, "ask": ask, "held": held},
        more_address=lambda desk: {"view": "stream"},
    )


# By name in the address, what it is called and what draws it; the first one is shown where none is asked for.
VIEWS: Mapping[str, tuple[str, Callable[[Desk], None]]] = {
    "token": ("One token", one_token),
    "stream": ("The residual stream", residual_stream),
}

desk = state.desk()
page = desk.page_state(InsideState)
query = st.query_params.to_dict()
if arrive(desk, query):
    open_box(desk, query)
    if query.get("view") in VIEWS:
        page.view = query["view"]

with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    st.title("Inside a block: what happens to one token?", width="content")
    page.view = st.segmented_control(
        "What to look at",
        list(VIEWS),
        default=page.view or next(iter(VIEWS)),
        format_func=lambda view: VIEWS[view][0],
        required=True,
        key=state.field(state.INSIDE_VIEW, desk.filled),
        label_visibility="collapsed",
    )
VIEWS[page.view][1](desk)
closing("inside_a_block", SOURCE)
