"""The picture of a claim: lines drawn from one table of its finding. Which table and columns is written here, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from app.shared.decades import power
from app.theme import OKABE_ITO, THEMES, figure_axis, figure_style
from mistral_core.experiments.finding import Cell, Finding, Table

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a table becomes a picture.

    Attributes:
        table: its name. x, y: columns; several of `y` are lines of their own.
        by: column whose values are lines of their own; "" = none.
        log_x, log_y: logarithmic axes. y_title: of the vertical axis. marks_only: points without lines.
        says: what is to be seen, in a sentence.
    """

    table: str
    x: str
    y: tuple[str, ...]
    y_title: str
    says: str
    by: str = ""
    log_x: bool = False
    log_y: bool = False
    marks_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure to be drawn in a theme, with its words."""

    draw: Callable[[str], go.Figure]
    alt: str
    says: str


_MODELS = ("Mistral 7B", "Llama 2 7B", "Llama 2 13B", "Llama 2 70B", "Llama 1 33B", "Code Llama 7B")
SHAPES: dict[str, Shape] = {
    "efficiency": Shape(
        table="cache",
        x="tokens",
        y=_MODELS,
        y_title="GiB of keys and values",
        says="What a text keeps in memory: only Mistral 7B's line goes flat, at its window.",
        log_x=True,
        log_y=True,
    ),
    "sharing": Shape(
        table="steps",
        x="keys and values over weights, bytes",
        y=("times as fast",),
        y_title="times as fast as with eight key/value heads",
        by="key/value heads",
        says="Sharing pays where keys and values are most of what a step reads; at the left there is nothing to gain.",
        log_x=True,
    ),
    "compression": Shape(
        table="ladder",
        x="parameters",
        y=("bits per byte",),
        y_title="bits per byte of held-out text",
        by="kind",
        says="Wider networks of one recipe predict better; the twins, which saw more text, differ at one size.",
        log_x=True,
        marks_only=True,
    ),
    "window": Shape(
        table="cost",
        x="length, windows",
        y=("full over windowed (median)", "scores, full over windowed"),
        y_title="full attention over windowed",
        says="What full attention costs more: time measured, and scores counted, by the length of the text in windows.",
        log_x=True,
        log_y=True,
    ),
    "stacking": Shape(
        table="curves",
        x="distance, tokens",
        y=(
            "baseline: relative change",
            "full-attention: relative change",
            "relay: relative change",
            "theory: even average",
        ),
        y_title="relative change of the state",
        says="What is felt of one word: the relay hands its symbol on to the edge, the storytellers let words fade.",
        log_y=True,
    ),
}
"""By claim: the table that argues most, and its columns."""


def figure_of(finding: Finding, provenance: Literal["recorded", "model"]) -> Picture | None:
    """The picture of a finding; `None` where it has no table for one."""
    shape = SHAPES.get(finding.claim)
    table = next((one for one in finding.tables if shape and one.name == shape.table), None)
    if shape is None or table is None:
        return None
    lines = _lines(table, shape)
    if not lines:
        return None
    return Picture(
        draw=lambda theme: _figure(lines, shape, provenance, theme),
        alt=f"{table.title}: {shape.y_title} against {shape.x}, {len(lines)} lines",
        says=f"{shape.says} {provenance}: {table.title}.",
    )


def _lines(table: Table, shape: Shape) -> dict[str, list[tuple[Cell, float]]]:
    """Points of each line, by its name; what could not be measured has none."""
    column = {name: index for index, name in enumerate(table.columns)}
    lines: dict[str, list[tuple[Cell, float]]] = {}
    for row in table.rows:
        for y in shape.y:
            value = row[column[y]]
            if not isinstance(value, int | float) or (shape.log_y and value <= 0):
                continue
            parts = [str(row[column[shape.by]])] if shape.by else []
            name = " ".join([*parts, *([y] if len(shape.y) > 1 else [])]) or y
            lines.setdefault(name, []).append((row[column[shape.x]], float(value)))
    return lines


def _figure(lines: dict[str, list[tuple[Cell, float]]], shape: Shape, provenance: str, theme: str) -> go.Figure:
    colours = THEMES[theme]
    figure = go.Figure()
    for index, (name, points) in enumerate(lines.items()):
        colour = (colours["query"], *OKABE_ITO)[index % (1 + len(OKABE_ITO))]
        figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            name=name,
            mode="markers" if shape.marks_only else "lines+markers",
            line={"color": colour, "dash": DASHES[index % len(DASHES)], "width": 2.5},
            marker={"color": colour, "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 8},
            hovertemplate="%{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
        )
    axis = figure_axis(theme)
    xs = [float(x) for points in lines.values() for x, _ in points if isinstance(x, int | float)]
    ys = [y for points in lines.values() for _, y in points]
    figure.update_layout(
        meta={"provenance": provenance},
        xaxis={**axis, "title": {"text": shape.x, "standoff": 8}, **_log_axis(shape.log_x, xs)},
        yaxis={**axis, "title": {"text": shape.y_title, "standoff": 8}, **_log_axis(shape.log_y, ys)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": {"text": shape.by}},
        showlegend=True,
        height=380,
        margin={"l": 10, "r": 20, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure


def _log_axis(logarithmic: bool, values: list[float]) -> dict[str, Any]:
    """A logarithmic axis with ticks of one size: of few decades 1, 2, 5, of many the powers of ten.

    Plotly's own ticks between the powers are too small to be read.
    """
    if not logarithmic:
        return {}
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if high - low <= 3 else (1,)
    every = max(1, (high - low) // 8)
    ticks = [step * 10.0**exponent for exponent in range(low, high + 1, every) for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [_tick(tick) for tick in ticks]}


def _tick(value: float) -> str:
    return power(value) if value < 1e-3 else f"{value:,.10g}"
