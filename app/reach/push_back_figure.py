"""Push it back: what is left of a swapped word against its distance. A plotly figure of measured numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.shared.decades import GONE, NOTICED, decade_axis
from app.theme import OKABE_ITO, THEMES, figure_style, percent

LOWEST = 1e-30
"""Of the deep axis of the KL; an exact 0 stands on it as an open mark."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One text: distance of the word in tokens, KL in nats, probabilities of the two answers before and after."""

    distance: int
    kl: float
    first: tuple[float, float]
    swapped: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Ordinary:
    """Other words of the text at one distance: median and mean of their KL in nats, and how many they are."""

    distance: int
    median: float
    mean: float
    count: int


def push_back_figure(
    points: Sequence[Point],
    words: tuple[str, str],
    answers: tuple[str, str],
    marks: Sequence[int],
    reach: int | None,
    guess: int | None = None,
    theme: str = "light",
    typical: Sequence[Ordinary] = (),
    lowest: float = NOTICED,
) -> go.Figure:
    """Probabilities of the answers above, KL on a log scale below, over the same distances.

    Args:
        points: nearest first. words: the word and its swap. answers: what each makes likely.
        marks: W, 2W, 3W. reach: exact; `None` = unbounded. guess: the visitor's; `None` = none.
        typical: ordinary words at the same distances, beside the chosen one.
        lowest: of the axis of the KL.
    """
    colours = THEMES[theme]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.2, row_heights=[0.45, 0.55])
    distances = [point.distance for point in points]
    for which, answer in enumerate(answers):
        for swapped, word in enumerate(words):
            values = [(point.swapped if swapped else point.first)[which] for point in points]
            figure.add_scatter(
                x=distances,
                y=values,
                row=1,
                col=1,
                mode="lines+markers",
                name=f"p({answer}) after {word}",
                line={"color": OKABE_ITO[(0, 5)[which]], "dash": "dash" if swapped else "solid", "width": 2.5},
                marker={"symbol": "circle-open" if swapped else "circle", "size": 7},
                customdata=[percent(value) for value in values],
                hovertemplate="%{x} tokens back: %{customdata}<extra>%{fullData.name}</extra>",
            )
    figure.add_scatter(
        x=distances,
        y=[max(point.kl, LOWEST) for point in points],
        row=2,
        col=1,
        mode="lines+markers",
        name="change of the prediction (KL, nats)",
        legend="legend2",
        line={"color": colours["influence"], "width": 3},
        marker={"size": 8, "symbol": ["circle" if point.kl > 0 else "circle-open" for point in points]},
        customdata=["exactly 0" if point.kl == 0 else f"{point.kl:.2g} nats" for point in points],
        hovertemplate="%{x} tokens back: %{customdata}<extra>KL</extra>",
    )
    _add_ordinary(figure, typical, colours)
    _mark(figure, marks, reach, guess, theme)
    grid = {"gridcolor": colours["line"], "zeroline": False}
    side = {**grid, "automargin": True, "title_standoff": 8}
    last = max([*distances, *marks, reach or 0]) * 1.06
    figure.update_xaxes(**grid, range=[0, last], automargin=True)
    figure.update_xaxes(title={"text": "tokens back to the word", "standoff": 12}, row=2, col=1)
    figure.add_hline(y=GONE, line={"color": colours["soft"], "dash": "dot", "width": 1.5}, row=2, col=1)
    figure.add_annotation(
        x=1,
        xref="x2 domain",
        y=math.log10(GONE),
        yref="y2",
        text="gone in practice: below 0.01",
        showarrow=False,
        xanchor="right",
        yanchor="top",
        font={"color": colours["soft"], "size": 13},
    )
    figure.update_yaxes(**side, tickformat=".0%", rangemode="tozero", title="probability", row=1, col=1)
    highest = max([1.0, *(point.kl for point in points), *(row.mean for row in typical)])
    figure.update_yaxes(**side, **_kl_axis(lowest, highest), title="KL, nats", row=2, col=1)
    figure.update_layout(
        meta={"provenance": "model"},
        height=600,
        margin={"l": 70, "r": 10, "t": 90, "b": 10},
        legend={"orientation": "h", "y": 1.07, "x": 0, "yanchor": "bottom"},
        legend2={"orientation": "h", "y": 0.46, "x": 0, "yanchor": "bottom"},
        **figure_style(theme),
    )
    return figure


def _kl_axis(lowest: float, highest: float) -> dict[str, Any]:
    """The deep one ends at 0, where exact zeros stand; from the other one what is less leaves through its lower end."""
    axis = decade_axis(lowest, highest)
    return axis if lowest > LOWEST else {**axis, "ticktext": ["0", *axis["ticktext"][1:]]}


def _add_ordinary(figure: go.Figure, typical: Sequence[Ordinary], colours: Mapping[str, str]) -> None:
    for name, symbol, dash in (("median", "diamond", "dot"), ("mean", "x", "dash")):
        values = [row.median if name == "median" else row.mean for row in typical]
        if not typical:
            return
        figure.add_scatter(
            x=[row.distance for row in typical],
            y=[max(value, LOWEST) for value in values],
            row=2,
            col=1,
            mode="lines+markers",
            name=f"ordinary words of the text, {name}",
            legend="legend2",
            line={"color": colours["soft"], "width": 1.75, "dash": dash},
            marker={"size": 7, "symbol": symbol},
            customdata=[
                f"{'exactly 0' if value == 0 else f'{value:.2g} nats'} ({row.count} words)"
                for value, row in zip(values, typical, strict=True)
            ],
            hovertemplate="%{x} tokens back: %{customdata}<extra>%{fullData.name}</extra>",
        )


def _mark(figure: go.Figure, marks: Sequence[int], reach: int | None, guess: int | None, theme: str) -> None:
    colours = THEMES[theme]
    lines = [(mark, f"{k}W" if k > 1 else "W", colours["soft"], "dot", 1.5) for k, mark in enumerate(marks, 1)]
    if reach is not None:
        lines.append((reach, f"exact reach {reach}", colours["ink"], "solid", 3))
    if guess is not None:
        lines.append((guess, "your guess", colours["surprise"], "dash", 2.5))
    for place, label, colour, dash, width in lines:
        figure.add_vline(x=place, line={"color": colour, "dash": dash, "width": width})
        figure.add_annotation(
            x=place,
            y=1.0 if label != "your guess" else 0.93,
            yref="paper",
            yanchor="bottom",
            text=label,
            showarrow=False,
            font={"color": colour, "size": 14},
            xanchor="center",
            bgcolor=colours["ground"],
        )
