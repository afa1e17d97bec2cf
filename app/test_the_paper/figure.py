"""The pictures of a claim: lines drawn from a table of its finding, as `shapes` says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from app.shared.decades import power
from app.test_the_paper.shapes import SHAPES, Shape
from app.theme import OKABE_ITO, THEMES, figure_axis, figure_style
from mistral_core.experiments.finding import Cell, Finding, Table

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure to be drawn in a theme, with its words.

    Attributes:
        alt: for who does not see it. says: below it. heading: above it; "" = nothing.
    """

    draw: Callable[[str], go.Figure]
    alt: str
    says: str
    heading: str


@dataclass(frozen=True)
class Point:
    """A point of a line: where it is, what is written at it, and how far its repeats lie apart."""

    x: Cell
    y: float
    label: str = ""
    spread: float | None = None


Lines = dict[str, list[Point]]


def figures_of(finding: Finding, provenance: Literal["recorded", "model"]) -> list[Picture]:
    """The pictures of a finding; none where it has no table for one."""
    tables = {table.name: table for table in finding.tables}
    pictures = []
    for shape in SHAPES.get(finding.claim, ()):
        table = tables.get(shape.table)
        if table is not None and (lines := _lines(table, shape)):
            pictures.append(_picture(table, shape, lines, provenance))
    return pictures


def _picture(table: Table, shape: Shape, lines: Lines, provenance: str) -> Picture:
    heading = shape.heading(table)
    return Picture(
        draw=lambda theme: _figure(lines, shape, provenance, theme),
        alt=f"{heading or table.title}: {shape.y_title} against {shape.x}, {len(lines)} lines",
        says=f"{shape.says(table)} {provenance}: {table.title}.",
        heading=heading,
    )


def _lines(table: Table, shape: Shape) -> Lines:
    """Points of each line, by its name; what could not be measured has none. Lines of the same points are one."""
    lines: Lines = {}
    for row in shape.rows(table):
        for y in shape.y:
            value = row[y]
            if not isinstance(value, int | float) or (shape.log_y and value <= 0):
                continue
            parts = [str(row[shape.by])] if shape.by else []
            name = " ".join([*parts, *([y] if len(shape.y) > 1 else [])]) or y
            apart = row[shape.spread] if shape.spread else None
            point = Point(
                row[shape.x],
                float(value),
                str(row[shape.label]) if shape.label else "",
                float(apart) if isinstance(apart, int | float) else None,
            )
            lines.setdefault(name, []).append(point)
    together: dict[tuple[Point, ...], list[str]] = {}
    for name, points in lines.items():
        together.setdefault(tuple(points), []).append(name)
    return {" and ".join(names): list(points) for points, names in together.items()}


def _figure(lines: Lines, shape: Shape, provenance: str, theme: str) -> go.Figure:
    figure = go.Figure()
    for index, (name, points) in enumerate(lines.items()):
        figure.add_scatter(name=name, **_line(points, shape, index, theme))
    axis = figure_axis(theme)
    xs = [float(point.x) for points in lines.values() for point in points if isinstance(point.x, int | float)]
    ys = [point.y for points in lines.values() for point in points]
    ticks = _own_ticks(xs) if shape.own_ticks else _log_axis(shape.log_x, xs)
    figure.update_layout(
        meta={"provenance": provenance},
        xaxis={**axis, "title": {"text": shape.x, "standoff": 8}, **ticks},
        yaxis={**axis, "title": {"text": shape.y_title, "standoff": 8}, **_log_axis(shape.log_y, ys)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": {"text": shape.by, "side": "top"}},
        showlegend=len(lines) > 1,
        height=380,
        margin={"l": 10, "r": 20, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure


def _line(points: list[Point], shape: Shape, index: int, theme: str) -> dict[str, Any]:
    """What plotly is given of one line: no two look alike, not even without colours."""
    colour = (THEMES[theme]["query"], *OKABE_ITO)[index % (1 + len(OKABE_ITO))]
    drawn = {
        "x": [point.x for point in points],
        "y": [point.y for point in points],
        "mode": ("markers" if shape.marks_only else "lines+markers") + ("+text" if shape.label else ""),
        "line": {"color": colour, "dash": DASHES[index % len(DASHES)], "width": 2.5},
        "marker": {"color": colour, "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 8},
        "hovertemplate": "%{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
    }
    if shape.label:
        places = [*["top right"] * (len(points) - 1), "bottom left"]  # the last one stands at the edge
        drawn |= {"text": [point.label for point in points], "textposition": places, "cliponaxis": False}
    if any(point.spread for point in points):
        half = [(point.spread or 0) / 2 for point in points]
        drawn["error_y"] = {"type": "data", "array": half, "color": colour, "thickness": 2, "width": 6}
    return drawn


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


def _own_ticks(values: list[float]) -> dict[str, Any]:
    """A logarithmic axis with a tick at each value, thousands of 1,024 as "4k"."""
    ticks = sorted(set(values))
    return {"type": "log", "tickvals": ticks, "ticktext": [_in_k(tick) for tick in ticks]}


def _in_k(value: float) -> str:
    return f"{value / 1024:,.0f}k" if value >= 1024 and value % 1024 == 0 else _tick(value)


def _tick(value: float) -> str:
    return power(value) if value < 1e-3 else f"{value:,.10g}"
