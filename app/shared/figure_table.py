"""What a plotly figure shows, as numbers: where they are from, and a row for each mark. Neither torch nor Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

import plotly.graph_objects as go

from mistral_core.experiments.finding import Source
from mistral_core.experiments.words import number

PROVENANCES: tuple[str, ...] = get_args(Source)
SAYS = {
    "model": "Computed by the running model, from its weights.",
    "derived": "Computed from the model's numbers by a formula.",
    "theory": "Follows from the model's shape alone; no weight is used.",
    "recorded": "Computed by the model when this was recorded; nothing runs now.",
    "published": "From a published table or configuration; the source stands beside it.",
}
"""What each provenance is; the pictures in the browser say the same (`app/kit/terms.js`)."""


def provenance_of(figure: go.Figure) -> tuple[str, str]:
    """Where a figure's numbers are from, and what that is, with the formula where there is one.

    Raises:
        ValueError: the figure does not say it in `layout.meta`.
    """
    meta = figure.layout.meta or {}
    provenance = meta.get("provenance")
    if provenance not in PROVENANCES:
        raise ValueError(
            f"a figure's layout.meta has provenance {provenance!r}; it must be one of {', '.join(PROVENANCES)}"
        )
    formula = meta.get("formula")
    return provenance, SAYS[provenance] + (f" Formula: {formula}." if formula else "")


def rows_of(figure: go.Figure) -> list[dict[str, str]]:
    """A row for each mark of the figure: the series, and its numbers under the titles of the axes."""
    return [row for trace in figure.data for row in _rows(figure, trace)]


def _rows(figure: go.Figure, trace: Any) -> Iterator[dict[str, str]]:
    across, up = (_title(figure, trace, axis) for axis in "xy")
    if across == up:
        up += " "
    xs, ys = (list(values) if values is not None else [] for values in (trace.x, trace.y))
    if getattr(trace, "z", None) is not None:
        words = trace.customdata if trace.customdata is not None else trace.z  # where a colour is a kind, its name
        for row, y in zip(words, ys or range(len(words)), strict=False):
            for x, z in zip(xs or range(len(row)), row, strict=False):
                yield {"series": trace.name or "", across: _said(x), up: _said(y), "value": _said(z)}
        return
    for x, y in zip(xs or range(len(ys)), ys or range(len(xs)), strict=False):
        if x is not None and y is not None:
            yield {"series": trace.name or "", across: _said(x), up: _said(y)}


def _title(figure: go.Figure, trace: Any, axis: str) -> str:
    """Of the axis that a trace is drawn against: `x2` is `xaxis2`."""
    which = getattr(trace, f"{axis}axis", None) or axis
    return figure.layout[f"{axis}axis{which[1:]}"].title.text or figure.layout[f"{axis}axis"].title.text or axis


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else number(float(value))
