"""Windows by layer, and how far back each layer's state can depend on: a plotly figure of a formula."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.theme import THEMES, figure_axis, figure_style


def layers_figure(
    windows: Sequence[int | None], reach: Sequence[int | None], length: int, theme: str = "light"
) -> go.Figure:
    """Bars of the windows and the reach as steps; a layer without a window has the whole text.

    Args:
        length: tokens of the text, where all of it is in sight.
    """
    colours = THEMES[theme]
    layers = list(range(1, len(windows) + 1))
    figure = go.Figure()
    figure.add_bar(
        x=layers,
        y=[length if window is None else min(window, length) for window in windows],
        name="keys in sight of a layer",
        marker={
            "color": [colours["surprise"] if window is None else colours["attention"] for window in windows],
            "pattern": {"shape": ["/" if window is None else "" for window in windows], "fgcolor": colours["card"]},
        },
        customdata=["the whole text" if window is None else f"W = {window:,}" for window in windows],
        hovertemplate="layer %{x}: %{customdata}<extra></extra>",
    )
    figure.add_scatter(
        x=layers,
        y=[max(1, length if back is None else min(back, length)) for back in reach],
        name="reach, tokens back, after so many layers",
        mode="lines+markers",
        line={"color": colours["query"], "width": 3, "shape": "hvh"},
        customdata=["the whole text" if back is None else f"{back:,} back" for back in reach],
        hovertemplate="after layer %{x}: %{customdata}<extra></extra>",
    )
    figure.update_layout(
        meta={"provenance": "theory", "formula": "sum of (W - 1) over the layers; all once a layer has no window"},
        xaxis={"title": "layer", **figure_axis(theme)},
        yaxis={"title": {"text": "tokens", "standoff": 8}, "type": "log", "dtick": 1, **figure_axis(theme)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=340,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure
