"""Allocations and batches: the same predictions however keys are stored, and whoever else is read with them."""

from __future__ import annotations

from statistics import median

import streamlit as st

from app.session import state
from app.session.desk import Desk
from app.shared.work_panel import work_panel
from app.theme import size
from app.window.chunks_panel import difference, widest_ring
from app.window.experiments import DECODED, PROMPT, beside_others, kept_in
from app.window.state import WindowState
from mistral_core.trace.trace import Trace


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
                    "logits differ from the ring's by": difference(one.difference),
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
                    "one pass: logits differ by": difference(one.dense),
                    "through the rings": difference(one.cached),
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
