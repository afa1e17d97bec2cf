"""Chunks, allocations and batches: the same predictions however keys are stored, if nothing is lost on the way."""

from __future__ import annotations

import math
from statistics import median

import streamlit as st

from app.navigation import page
from app.session import state
from app.session.desk import Desk
from app.shared.work_panel import work_panel
from app.theme import size
from app.window.experiments import DECODED, PROMPT, beside_others, in_chunks, kept_in
from app.window.state import WindowState
from mistral_core.config import MistralConfig
from mistral_core.experiments.words import number
from mistral_core.trace.trace import Trace


def widest_ring(config: MistralConfig) -> int:
    """W of the widest ring; 0 = no layer has one."""
    return max((window for window in config.windows if window is not None), default=0)


def chunks(desk: Desk, trace: Trace, run: str) -> None:
    """Chunks of every size, in the right order and in the wrong one."""
    window = widest_ring(trace.config)
    st.write(
        "A prompt is read in chunks. Each meets the ring as it was and itself, and is then stored: exact for every "
        "size. Stored first, it overwrites keys that its own first tokens still need; slots beyond W put that off."
    )
    if not window:
        st.caption("No layer of this model has a window, so nothing is ever overwritten. Choose a model that has one.")
        return
    left, right = st.columns(2)
    size_asked = int(
        left.slider("tokens in a chunk", 1, 3 * window, window, key=state.window_field(run, "chunk"))  # > W too
    )
    slack = int(right.slider("slots beyond W", 0, 2 * window, 0, key=state.window_field(run, "slack")))
    fits = slack + 1
    st.markdown(
        f"Written first, a ring of W + {slack} = **{window + slack}** slots serves chunks of up to **{fits}** "
        f"token{'' if fits == 1 else 's'} exactly (slack + 1): the first token of a larger one would look for keys "
        f"that the chunk has overwritten."
    )
    sizes = tuple(sorted({1, fits, fits + 1, window, window + 1, 2 * window, size_asked}))
    result = work_panel(
        desk.page_state(WindowState).results,
        f"chunks {run} {trace.model_hash} {sizes} {slack}",
        lambda report: in_chunks(trace, sizes, slack, report),
        key=state.WINDOW_WORK,
        label="Compare with one dense pass",
        icon=":material/view_week:",
    )
    if result is not None:
        st.table(
            [
                {
                    "tokens in a chunk": f"{'▸ ' if one.size == size_asked else ''}{one.size}"
                    + (" (more than W)" if one.size > window else ""),
                    "read first, then written": _difference(one.right),
                    "written first": _difference(one.wrong),
                }
                for one in result
            ],
            hide_index=True,
        )
        st.caption(
            f"model: largest absolute difference of the logits to one dense pass over the first {DECODED} tokens, in "
            "the precision of the model: some 1e-5 is rounding. The mistake is made from outside: keys are hidden that "
            "the chunk would have overwritten. Seen in pytorch/executorch (pull request 20346)."
        )
    st.page_link(page("ring"), label="Ring draws the same chunk by chunk: the keys before it, itself, and what is lost")


def three_allocations(desk: Desk, trace: Trace, run: str) -> None:
    """All keys, a ring, a ring with slack: bytes and time."""
    window = widest_ring(trace.config)
    st.write(
        "The mask says what may be seen, whatever is stored. So all keys may be kept and most of them masked, or W of "
        "them in a ring, or a few more: the predictions are the same."
    )
    if not window:
        st.caption("No layer of this model has a window, so it keeps all keys in any case.")
        return
    slack = int(st.slider("slots beyond W", 1, 4 * window, window, key=state.window_field(run, "slots")))
    result = work_panel(
        desk.page_state(WindowState).results,
        f"allocations {run} {trace.model_hash} {slack}",
        lambda report: kept_in(trace, slack, report),
        key=state.WINDOW_WORK,
        label="Read it token by token with each",
        icon=":material/memory:",
    )
    if result is not None:
        tokens = min(DECODED, len(trace))
        st.table(
            [
                {
                    "kept": one.name,
                    "slots a layer": f"{one.slots:,}",
                    "bytes, taken before the first token": size(one.nbytes),
                    "ms a token (median)": f"{1000 * median(one.seconds) / tokens:.1f}",
                    "logits differ from the ring's by": _difference(one.difference),
                }
                for one in result
            ],
            hide_index=True,
        )
        st.caption(
            f"model: measured now on the first {tokens} tokens, three readings each, in turns; bytes of keys, values "
            "and positions of all layers. The longer the text, the more slots all keys need; a ring never grows."
        )


def padding(desk: Desk, trace: Trace, run: str) -> None:
    """The same prompt alone, padded on either side, and beside others."""
    st.write(
        "Texts are read together in batches, and the shorter ones are padded. Does a prompt still say what it says "
        "alone? A padded place has position −1: nobody may look at it, no slot keeps it, and no position counts it."
    )
    result = work_panel(
        desk.page_state(WindowState).results,
        f"padding {run} {trace.model_hash} {len(trace)}",
        lambda report: beside_others(trace, report),
        key=state.WINDOW_WORK,
        label="Read it in company",
        icon=":material/groups:",
    )
    if result is not None:
        st.table(
            [
                {
                    "read": one.what,
                    "batch": f"{one.rows} × {one.width}",
                    "one pass: logits differ by": _difference(one.dense),
                    "through the rings": _difference(one.cached),
                    "same likeliest tokens": "yes" if one.first else "no",
                }
                for one in result
            ],
            hide_index=True,
        )
        st.caption(
            f"model: largest absolute difference to the logits of the same {PROMPT} tokens read alone; what is not 0 "
            "is rounding, since products of another shape are summed in another order."
        )


def _difference(value: float) -> str:
    if math.isnan(value):
        return "a token finds no key"
    return "exactly 0" if value == 0 else f"{value:.2g}" if value >= 0.01 else number(value)
