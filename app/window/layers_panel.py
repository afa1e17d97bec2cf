"""Windows by layer as a lab: local and global layers by turns, and the patterns of published models."""

from __future__ import annotations

import streamlit as st

from app.session import state
from app.shared.chart import chart
from app.window.layers_figure import layers_figure
from mistral_core.analysis.published_windows import PUBLISHED, alternating, reach_by_layer
from mistral_core.config import Window
from mistral_core.trace.trace import Trace

OWN, LAB = "the model of this text", "your own"
TEXT = 131_072
"""Tokens of the text in which a layer without a window sees everything."""


def by_layer(trace: Trace) -> None:
    """The panel: a pattern, its windows and its reach."""
    st.write(
        "Layers need not have the same window. One that sees everything makes everything reachable, for itself and all "
        "above it; the others stay cheap. Where should it stand?"
    )
    names = [OWN, *(one.name for one in PUBLISHED), LAB]
    name = st.selectbox("windows of", names, index=1, key=state.window_field("", "pattern"), width=320)
    published = next((one for one in PUBLISHED if one.name == name), None)
    windows: tuple[Window, ...] = trace.config.windows if published is None else published.windows
    if name == LAB:
        windows = _lab()
    reach = reach_by_layer(windows)
    chart(
        lambda theme: layers_figure(windows, reach, TEXT, theme),
        key=state.WINDOW_FIGURE,
        alt=f"Windows of {len(windows)} layers and their reach",
    )
    first = next((layer for layer, back in enumerate(reach, 1) if back is None), None)
    local = [window for window in windows if window is not None]
    slots = sum(TEXT if window is None else min(window, TEXT) for window in windows)
    share = slots / (TEXT * len(windows))
    st.markdown(
        (
            f"After layer {first} everything can be reached. "
            if first is not None
            else f"After all {len(windows)} layers a state can depend on **{reach[-1]:,}** tokens before it. "
        )
        + f"{len(windows) - len(local)} of {len(windows)} layers see everything; of a text of {TEXT:,} tokens the "
        f"rings keep **{share:.1%}** of the keys that layers without windows would."
    )
    source = f"published: {published.source}. " if published is not None else ""
    st.caption(
        f"{source}theory: each layer adds W − 1, since W counts the token itself; what can be reached need not be "
        "used (see Reach)."
    )


def _lab() -> tuple[Window, ...]:
    first, second, third = st.columns(3)
    n_layers = int(first.number_input("layers", 1, 64, 12, key=state.window_field("", "lab layers")))
    window = int(second.number_input("W of a local layer", 1, 65_536, 512, key=state.window_field("", "lab window")))
    local = int(
        third.number_input(
            "local layers before each global one (all = no global)", 0, 64, 5, key=state.window_field("", "lab local")
        )
    )
    return alternating(n_layers, local, window)
