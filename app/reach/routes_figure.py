"""Routes through the state grid: a plotly figure. Shade = flow to the prediction, lines = edges over the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from app.theme import THEMES, figure_axis, figure_style, mix

if TYPE_CHECKING:
    from mistral_core.analysis.routes import RouteEdge

COLUMNS = 48
"""Positions that are drawn, up to the prediction."""
WORDS = 24
"""So many columns have room for words."""


def routes_figure(
    flow: np.ndarray,
    first: int,
    labels: Sequence[str],
    edges: Sequence[RouteEdge],
    route: Sequence[RouteEdge],
    theme: str = "light",
) -> go.Figure:
    """The last columns of the grid before the prediction.

    Args:
        flow: `[rows, pos]`, share of every cell in the prediction; rows sum to 1.
        first: position of column 0. labels: of all positions of the text.
        edges: over the threshold. route: those of them on the way from the chosen token.
    """
    colours = THEMES[theme]
    rows, length = flow.shape
    start = max(0, length - COLUMNS)
    positions = [first + column for column in range(start, length)]
    figure = go.Figure()
    figure.add_heatmap(
        x=positions,
        y=list(range(rows)),
        z=np.sqrt(flow[:, start:]),
        customdata=flow[:, start:],
        colorscale=[[0, colours["card"]], [1, mix(colours["card"], colours["ink"], 0.75)]],
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=1,
        ygap=6,
        hovertemplate="row %{y}, position %{x}: %{customdata:.2%} of the flow<extra></extra>",
    )
    chosen = set(route)
    for name, colour, width, group in (
        ("edges over the threshold", colours["graphic"], 1.2, [one for one in edges if one not in chosen]),
        ("route from the chosen token", colours["query"], 3.5, list(route)),
    ):
        xs, ys = _path(group, positions[0])
        figure.add_scatter(
            x=xs, y=ys, mode="lines", name=name, line={"color": colour, "width": width}, hoverinfo="skip"
        )
    wordy = len(positions) <= WORDS
    axis = figure_axis(theme)
    figure.update_layout(
        meta={"provenance": "derived", "formula": "proximity of each term to the sum (arXiv 2403.00824)"},
        xaxis={
            **axis,
            "showgrid": False,
            "title": {"text": "position in the text, up to the prediction", "standoff": 8},
            **({"tickvals": positions, "ticktext": [labels[p] for p in positions], "tickangle": -60} if wordy else {}),
        },
        yaxis={
            **axis,
            "showgrid": False,
            "tickvals": list(range(rows)),
            "ticktext": ["tokens", *(f"after L{row}" for row in range(1, rows))],
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=max(300, min(34 * rows + 120, 640)),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure


def _path(edges: Sequence[RouteEdge], leftmost: int) -> tuple[list[float | None], list[float | None]]:
    """Pieces of line with gaps between them; what begins before the picture is left out."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for edge in edges:
        if edge.source >= leftmost:
            xs += [edge.source, edge.target, None]
            ys += [edge.layer, edge.layer + 1, None]
    return xs, ys
