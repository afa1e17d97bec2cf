"""The staircase of theory for any window and depth: a plotly figure from the formula alone."""

from __future__ import annotations

import plotly.graph_objects as go

from app.theme import THEMES, figure_axis, figure_style
from mistral_core.analysis.reach import forward_edge
from mistral_core.config import MistralConfig


def staircase_figure(config: MistralConfig, other: MistralConfig, theme: str = "light") -> go.Figure:
    """How far a change can be felt after each layer, of one shape and, dashed, of another.

    Args:
        config: what the visitor set. other: the model of the page.

    Raises:
        ValueError: one of them has no window, so that there is no edge to draw.
    """
    colours = THEMES[theme]
    figure = go.Figure()
    shapes = (("the model of this page", other, "soft", "dash", 2), ("as set here", config, "ink", "solid", 4))
    for name, shape, role, dash, width in shapes:
        edges = [forward_edge(shape, row) for row in range(shape.n_layers + 1)]
        if None in edges:
            raise ValueError("a layer without a window sees everything; choose a model in which all layers have one")
        figure.add_scatter(
            x=edges,
            y=list(range(len(edges))),
            mode="lines",
            name=name,
            line={"color": colours[role], "dash": dash, "width": width, "shape": "vh"},
            hovertemplate="after layer %{y}: %{x:,} tokens on<extra>%{fullData.name}</extra>",
        )
    axis = figure_axis(theme)
    figure.update_layout(
        meta={"provenance": "theory", "formula": "sum over layers of W - 1"},
        height=300,
        margin={"l": 60, "r": 20, "t": 10, "b": 10},
        xaxis={**axis, "title": "tokens on", "rangemode": "tozero"},
        yaxis={**axis, "title": "after layer", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        **figure_style(theme),
    )
    return figure
