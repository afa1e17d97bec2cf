"""A prompt in chunks: the blocks of its mask, the order of reading and writing, and what the wrong order costs."""

from __future__ import annotations

import math

import streamlit as st

from app.navigation import page
from app.session import state
from app.session.desk import Desk
from app.shared.chart import chart
from app.shared.work_panel import work_panel
from app.window.chunk_figure import chunk_figure
from app.window.experiments import DECODED, in_chunks
from app.window.state import WindowState
from mistral_core.config import MistralConfig
from mistral_core.experiments.words import number
from mistral_core.trace.trace import Trace

MOST_CELLS = 20_000
"""Pairs of a query and a key that are drawn."""


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
    _blocks(trace, run, size_asked, window, slack)
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
                    "read first, then written": difference(one.right),
                    "written first": difference(one.wrong),
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


def _blocks(trace: Trace, run: str, size: int, window: int, slack: int) -> None:
    """One chunk and what its tokens see: the three blocks of the paper's figure 3."""
    from mistral_core.analysis.chunked import LOST, chunk_pairs

    count = math.ceil(len(trace) / size)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = min(3, count)
    if count > 1:
        chosen = int(left.slider("chunk", 1, count, chosen, key=state.window_field(run, f"which of {size}")))
    first = right.toggle("written first", key=state.window_field(run, "written first"))
    start = (chosen - 1) * size
    stop = min(start + size, len(trace))
    keys, pairs = chunk_pairs(start, stop, window, sinks=trace.config.sinks, lost_from=slack if first else None)
    if pairs.numel() > MOST_CELLS:
        st.caption(f"A chunk of {size:,} tokens is too large to be drawn here; choose a smaller one.")
        return
    lost = int((pairs == LOST).any(0).sum())
    st.markdown(
        f"Chunk {chosen} of {count}: positions {start} to {stop - 1}. "
        + (
            f"Stored before it is read, it has overwritten **{lost}** key{'' if lost == 1 else 's'} that its own "
            f"tokens may still see."
            if first
            else "It reads the ring as the chunk before has left it, and itself; then its last W keys are stored."
        )
    )
    chart(
        lambda theme: chunk_figure(keys, pairs.tolist(), start, trace.token_labels, window, theme),
        key=state.window_field(run, "blocks"),
        alt=f"Which keys each token of chunk {chosen} sees: before the ring none, in the ring some, of the chunk "
        f"itself those up to its own{f'; {lost} are lost' if first else ''}",
    )


def difference(value: float) -> str:
    """Of logits, in words; NaN = a query found no key."""
    if math.isnan(value):
        return "a token finds no key"
    return "exactly 0" if value == 0 else f"{value:.2g}" if value >= 0.01 else number(value)
