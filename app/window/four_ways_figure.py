"""Four ways to read a text: loss along it, and how far the keys of a ring are from those of a cut text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.theme import OKABE_ITO, THEMES, figure_axis, figure_style, mix

DASHES = ("solid", "solid", "dash", "dot")
WIDTHS = (7, 2.5, 7, 2.5)
"""Where ways agree their lines lie on each other: a thin one on a wide one shows both."""
SMOOTH = 16
"""Predictions that a point of the loss is the mean of."""


def loss_figure(losses: Mapping[str, np.ndarray], window: int, theme: str = "light") -> go.Figure:
    """Loss by position, a line for each way, each point the mean of the last `SMOOTH` predictions.

    Args:
        losses: nats, by the name of a way.
    """
    colours = THEMES[theme]
    inks = (colours["soft"], colours["query"], OKABE_ITO[0], OKABE_ITO[2])
    figure = go.Figure()
    for (name, values), ink, dash, width in zip(losses.items(), inks, DASHES, WIDTHS, strict=False):
        mean = np.convolve(values, np.full(SMOOTH, 1 / SMOOTH), "valid") if len(values) >= SMOOTH else values
        first = len(values) - len(mean) + 1
        figure.add_scatter(
            x=list(range(first, first + len(mean))),
            y=mean.tolist(),
            name=name,
            mode="lines",
            line={"color": ink, "dash": dash, "width": width},
            opacity=0.55 if width > 5 else 1,
            hovertemplate="up to position %{x}: %{y:.2f} nats<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(x=window, line={"color": colours["soft"], "dash": "dot"}, annotation_text="W")
    figure.update_layout(
        meta={"provenance": "model"},
        xaxis={"title": "position of the predicted token", **figure_axis(theme)},
        yaxis={"title": {"text": f"loss, nats (mean of {SMOOTH})", "standoff": 8}, **figure_axis(theme)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=320,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure


def keys_figure(differences: np.ndarray, labels: Sequence[str], theme: str = "light") -> go.Figure:
    """Relative difference of each key, a row for each layer, a column for each token in sight, the newest on the right.

    Args:
        differences: `[layer, age]`, age 0 = the newest; NaN = before the text.
        labels: of the tokens by age.
    """
    colours = THEMES[theme]
    table = differences[:, ::-1]
    words = [f"{label.strip() or '·'} ({age} back)" for age, label in enumerate(labels)][::-1]
    numbers = [["" if np.isnan(value) else "=" if value == 0 else f"{value:.0%}" for value in row] for row in table]
    scale = [[step / 4, mix(colours["card"], colours["influence"], step / 8)] for step in range(5)]
    figure = go.Figure(
        go.Heatmap(
            z=table,
            x=words,
            y=[f"layer {layer + 1}" for layer in range(len(table))],
            text=numbers if table.shape[1] <= 32 else None,
            texttemplate="%{text}" if table.shape[1] <= 32 else None,
            colorscale=scale,
            colorbar={"title": "|Δk| / |k|", "tickformat": ".0%", "thickness": 12},
            hovertemplate="%{y}, %{x}: %{z:.3%}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(
        meta={"provenance": "model"},
        xaxis={"tickangle": -60, **figure_axis(theme)},
        yaxis={**figure_axis(theme)},
        height=max(300, 100 + 26 * len(table)),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure
