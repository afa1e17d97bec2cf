"""Four ways to read the shown text with little memory, and why a ring's keys are not those of a cut text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import compute
from app.session import state
from app.session.desk import Desk
from app.shared.chart import chart
from app.shared.work_panel import work_panel
from app.theme import percent, size
from app.window.experiments import ids_of, in_four_ways
from app.window.four_ways_figure import keys_figure, loss_figure
from app.window.state import WindowState
from mistral_core.experiments.words import number
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.four_ways import FourWays

NAMES = {
    "full": "full attention",
    "window": "sliding window",
    "cut": "cut the text",
    "renumbered": "cut it, count anew",
}
MOST_WINDOW = 64


def four_ways(desk: Desk, trace: Trace, run: str) -> None:
    """The panel, for the text that is shown."""
    st.write(
        "Little memory, long text: what can be done? Look at everything; look through a window and pass on what was "
        "seen; or throw the old text away and read the last W tokens anew, with their own positions or counted from 0."
    )
    own = [window for window in trace.config.windows if window is not None]
    window = int(
        st.number_input(
            "W, tokens",
            2,
            MOST_WINDOW,
            min(MOST_WINDOW, max(own, default=32)),
            key=state.window_field(run, "four"),
            width=160,
        )
    )
    result = work_panel(
        desk.page_state(WindowState).results,
        f"four {run} {trace.model_hash} {len(trace)} {window}",
        lambda report: in_four_ways(trace, window, report),
        key=state.WINDOW_WORK,
        label="Read it in all four ways",
        icon=":material/view_column:",
    )
    if result is not None:
        _table(result)
        chart(
            lambda theme: loss_figure({NAMES[way]: one.losses for way, one in result.ways.items()}, window, theme),
            key=state.WINDOW_FIGURE,
            alt="Loss along the text in each of the four ways",
        )
        st.caption("Wide lines lie below thin ones: where only one pair is seen, both ways lose the same.")
        _one_position(desk, trace, run, result)


def _table(result: FourWays) -> None:
    rows = [
        {
            "way": NAMES[way],
            "scores computed (a head)": f"{one.scores:,}",
            "keys and values kept": size(one.kv_bytes) if one.kv_bytes else "none: computed anew",
            "loss, nats": f"{one.losses.mean():.3f}",
            f"loss where W hides something (position {result.window} and later)": (
                f"{one.losses[result.window :].mean():.3f}"
            ),
            "KL to full attention, nats": f"{one.kl.mean():.3f}",
        }
        for way, one in result.ways.items()
    ]
    st.table(rows, hide_index=True)
    st.markdown(
        f"Counting the positions anew changes no logit by more than **{number(result.renumbered)}**: RoPE turns "
        "queries and keys, and a score feels only how far apart they are. Cutting costs no memory between tokens, "
        "and pays in scores: every token is read W times."
    )
    st.caption(
        "model: losses, distributions and KL, measured now on this text; derived: scores, by counting pairs in sight, "
        "and bytes, 2 × layers × key/value heads × head width × tokens kept × bytes a number (4 in float32). A text "
        "that this model wrote favours its own window, and a model that was trained with a window has never looked "
        "farther: for it, full attention is no ideal."
    )


def _one_position(desk: Desk, trace: Trace, run: str, result: FourWays) -> None:
    ids = ids_of(trace)
    st.markdown("**Why do cached and recomputed windows differ, though the tokens in sight are the same?**")
    place = desk.at.get(run)
    first = min(len(ids) - 1, place["t"] if place is not None else 3 * result.window)
    position = int(
        st.number_input("at position", 0, len(ids) - 1, first, key=state.window_field(run, "four position"), width=160)
    )
    tokenizer = compute.tokenizer(trace.model_name)
    columns = {
        NAMES[way]: [
            f"{tokenizer.label(int(token)).strip() or '·'} {percent(float(share))}"
            for token, share in zip(one.likeliest[position], one.probabilities[position], strict=True)
        ]
        for way, one in result.ways.items()
    }
    keys = result.keys[position]
    held = ~np.isnan(keys)
    deeper = keys[1:][held[1:]]
    apart = float(deeper.max()) if deeper.size else 0.0
    st.markdown(
        f"**Cached** (the sliding window): a key is kept from when its token was read, and was made from a state that "
        f"had looked at tokens **before the cut**. **Recomputed** (cut the text): the same token is read again and "
        f"sees only what was not cut away. Layer 1 makes its keys of the "
        f"token alone: they differ by **{_relative(float(np.nanmax(keys[0])))}**. From layer 2 on they differ by up to "
        f"**{_relative(apart)}** at this position."
    )
    ages = int(held[0].sum())
    labels = [trace.token_labels[position - age] for age in range(ages)]
    chart(
        lambda theme: keys_figure(keys[:, :ages], labels, theme),
        key=state.WINDOW_OTHER_FIGURE,
        alt=f"Difference of the keys of {ages} tokens in every layer; the largest is {_relative(apart)}",
    )
    st.caption(
        "model: |cached key − recomputed key| / |cached key|, all heads of a layer together; = is equal "
        "bit for bit. By theory a key of layer l, a tokens old, is equal where a ≤ (2 − l)(W − 1): all of layer 1, and "
        "the newest of layer 2."
    )
    st.markdown(f"The likeliest next tokens after “{trace.token_labels[position].strip() or '·'}” ({position}):")
    st.table(columns)


def _relative(share: float) -> str:
    return "exactly 0" if share == 0 else f"{share:.1%}" if share >= 0.001 else number(share)
