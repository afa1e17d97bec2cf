"""Can see against does use: influence against distance, of the model and of random weights. A plotly figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.shared.decades import NOTICED, decade_axis
from app.theme import THEMES, figure_axis, figure_style, mix

LOWEST = 1e-16
"""Of the deep axis."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """Relative change of the state against distance: `[rows, distance]`, index = distance.

    Attributes:
        mean: over the replaced tokens. low, high: 10 % and 90 % quantiles.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def profile_figure(
    model: Curves,
    untrained: Curves,
    marks: Sequence[int],
    reach: int | None,
    theme: str = "light",
    texts: Mapping[str, np.ndarray] = {},
    lowest: float = NOTICED,
) -> go.Figure:
    """Mean relative change after every layer, the spread after the last one, random weights beside it.

    Args:
        untrained: the same for random weights. marks: W, 2W, 3W. reach: exact; `None` = unbounded.
        texts: by name, the mean after the last layer of each text, index = distance.
        lowest: of the axis; an exact 0 is not drawn on any.
    """
    colours = THEMES[theme]
    figure = go.Figure()
    distance = list(range(1, model.mean.shape[1]))
    last = len(model.mean) - 1
    band = [*_drawn(model.high[last]), *_drawn(model.low[last])[::-1]]
    figure.add_scatter(
        x=[*distance, *distance[::-1]],
        y=[LOWEST if value is None else value for value in band],
        fill="toself",
        fillcolor=mix(colours["card"], colours["influence"], 0.22),
        line={"width": 0},
        hoverinfo="skip",
        name=f"after layer {last}: 10 % to 90 % of the words",
    )
    for row in range(1, last + 1):
        figure.add_scatter(
            x=distance,
            y=_drawn(model.mean[row]),
            mode="lines",
            legendgroup="layers",
            showlegend=row in (1, last),
            name=f"after layer {row}" + (", mean" if row == last else " (and those between)"),
            line={
                "color": mix(colours["card"], colours["influence"], 0.35 + 0.65 * row / last),
                "width": 3.5 if row == last else 1.5,
            },
            hovertemplate="%{x} tokens on: %{y:.2g}" + f"<extra>after layer {row}</extra>",
        )
    for number, (name, values) in enumerate(texts.items()):
        figure.add_scatter(
            x=distance,
            y=_drawn(values),
            mode="lines",
            legendgroup="texts",
            showlegend=number == 0,
            name=f"each text, after layer {last}",
            line={"color": colours["ink"], "width": 1, "dash": "dot"},
            hovertemplate="%{x} tokens on: %{y:.2g}" + f"<extra>{name}</extra>",
        )
    figure.add_scatter(
        x=distance,
        y=_drawn(untrained.mean[last]),
        mode="lines",
        name=f"random weights, after layer {last}, mean",
        line={"color": colours["soft"], "width": 2.5, "dash": "dash"},
        hovertemplate="%{x} tokens on: %{y:.2g}<extra>random weights</extra>",
    )
    lines = [(mark, f"{k}W" if k > 1 else "W", colours["soft"], "dot", 1.5) for k, mark in enumerate(marks, 1)]
    if reach is not None:
        lines.append((reach, f"can see {reach}", colours["ink"], "solid", 3))
    for place, label, colour, dash, width in lines:
        figure.add_vline(x=place, line={"color": colour, "dash": dash, "width": width})
        figure.add_annotation(
            x=place,
            y=1,
            yref="paper",
            yanchor="bottom",
            text=label,
            showarrow=False,
            font={"color": colour, "size": 14},
        )
    axis = figure_axis(theme)
    drawn = (model.high[last], *model.mean[1:], untrained.mean[last], *texts.values())
    highest = max(float(values[1:].max()) for values in drawn)
    figure.update_layout(
        meta={"provenance": "model"},
        height=470,
        margin={"l": 70, "r": 10, "t": 100, "b": 10},
        xaxis={**axis, "title": {"text": "tokens after the replaced one", "standoff": 12}, "automargin": True},
        yaxis={**axis, **decade_axis(lowest, highest), "title": {"text": "relative change", "standoff": 8}},
        legend={"orientation": "h", "y": 1.09, "x": 0, "yanchor": "bottom"},
        **figure_style(theme),
    )
    return figure


def _drawn(values: np.ndarray) -> list[float | None]:
    """From distance 1 on; a gap for an exact 0."""
    return [float(value) if value > 0 else None for value in values[1:]]
