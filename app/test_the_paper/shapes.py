"""How a claim's tables become its pictures: which columns, which lines, and the sentences that follow from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mistral_core.experiments.finding import Cell, Table
from mistral_core.experiments.sharing import NOTICED, SHARED, gains_by_share, pays_from
from mistral_core.experiments.words import number


def _nothing(_: Table) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a table becomes a picture.

    Attributes:
        table: its name. x, y: columns; several of `y` are lines of their own.
        by: column whose values are lines of their own; "" = none. only: a column and the value that its rows must have.
        label: column that is written at each point. spread: column of how far its repeats lie apart.
        log_x, log_y: logarithmic axes. y_title: of the vertical axis. marks_only: points without lines.
        own_ticks: the values of `x` are the ticks.
        says: what is to be seen, in a sentence, from the table. heading: what is written above; "" = nothing.
    """

    table: str
    x: str
    y: tuple[str, ...]
    y_title: str
    says: Callable[[Table], str]
    by: str = ""
    only: tuple[str, str] | None = None
    label: str = ""
    spread: str = ""
    log_x: bool = False
    log_y: bool = False
    marks_only: bool = False
    own_ticks: bool = False
    heading: Callable[[Table], str] = _nothing

    def rows(self, table: Table) -> list[dict[str, Cell]]:
        """The rows that are drawn, by heading."""
        return table.by_heading() if self.only is None else _of_kind(table, self.only)


_MODELS = ("Mistral 7B", "Llama 2 7B", "Llama 2 13B", "Llama 2 70B", "Llama 1 33B", "Code Llama 7B")


def _flat_lines(table: Table) -> str:
    """Which lines stop to grow, and where."""
    flat = []
    for name in _MODELS:
        column = table.columns.index(name)
        values = [row[column] for row in table.rows]
        bend = values.index(values[-1])
        if bend < len(values) - 1:
            flat.append(f"{name}’s line goes flat at {number(_real(table.rows[bend][0]))} tokens, its window")
    only = f"only {' and '.join(flat)}" if flat else "no line goes flat"
    return f"What a text keeps in memory, from the formula: {only}."


def _where_it_pays(table: Table) -> str:
    steps = gains_by_share(table)
    if not steps:
        return "No step with shared heads was timed."
    (least, first), (most, last), where = steps[0], steps[-1], pays_from(table)
    pays = f"from {number(where)} bytes on at least {number(NOTICED)} times" if math.isfinite(where) else ""
    return (
        f"At the left a step reads {number(least)} bytes of keys and values for each byte of weights: {SHARED} "
        f"key/value heads instead of eight make it {number(first)} times as fast; "
        f"{f'{pays}; ' if pays else ''}at the right, with {number(most)} bytes, {number(last)} times."
    )


def _millions(rows: Sequence[dict[str, Cell]]) -> str:
    """How many tokens networks were trained on, in words."""
    seen = sorted({_real(row["tokens seen"]) / 1e6 for row in rows})
    ends = [f"{one:.1f}" for one in (seen[0], seen[-1])]
    return f"{ends[0] if ends[0] == ends[1] else ' to '.join(ends)} million tokens"


_DISTANCE = "distance, tokens"
_CURVES = {"relay": "the relay", "full-attention": "the twin without a window", "baseline": "the one with a window"}


def _felt_at_the_edge(table: Table) -> str:
    """What each network still feels of a word at the largest distance."""
    last = max(table.by_heading(), key=lambda row: _real(row[_DISTANCE]))
    left = [
        f"{who} {number(_real(last[column]))}"
        for name, who in _CURVES.items()
        if (column := f"{name}: relative change") in last
    ]
    return (
        f"What is felt of one word, as a share of the state, by how far it lies back. At "
        f"{number(_real(last[_DISTANCE]))} tokens: {', '.join(left)}."
    )


_KIND = "kind"
_LADDER, _TWINS = (_KIND, "width"), (_KIND, "twin")


def _of_kind(table: Table, only: tuple[str, str]) -> list[dict[str, Cell]]:
    return [row for row in table.by_heading() if row[only[0]] == only[1]]


def _ladder_heading(table: Table) -> str:
    rows = _of_kind(table, _LADDER)
    return f"The ladder: {len(rows)} widths, {_millions(rows)} each"


def _twins_heading(table: Table) -> str:
    rows = _of_kind(table, _TWINS)
    return f"The twins: {len(rows)} networks of about one size, {_millions(rows)} each"


def _ladder_falls(table: Table) -> str:
    rows = sorted(_of_kind(table, _LADDER), key=lambda row: _real(row["parameters"]))
    bits = [_real(row["bits per byte"]) for row in rows]
    falls = all(after < before for before, after in itertools.pairwise(bits))
    return (
        "Each wider network predicts better than the one before; all read the same text."
        if falls
        else "Not every wider network predicts better than the one before."
    )


def _not_to_be_compared(table: Table) -> str:
    ladder, twins = (_millions(_of_kind(table, kind)) for kind in (_LADDER, _TWINS))
    return (
        "A bar is as long as the seeds of one model lie apart. Compare within a picture and not across: the twins read "
        f"{twins}, the ladder {ladder}, so the heights of the two say nothing of size."
    )


def _always(sentence: str) -> Callable[[Table], str]:
    return lambda _: sentence


def _real(value: Cell) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


SHAPES: dict[str, tuple[Shape, ...]] = {
    "efficiency": (
        Shape(
            table="cache",
            x="tokens",
            y=_MODELS,
            y_title="GiB of keys and values",
            says=_flat_lines,
            log_x=True,
            log_y=True,
            own_ticks=True,
        ),
    ),
    "sharing": (
        Shape(
            table="steps",
            x="keys and values over weights, bytes",
            y=("times as fast",),
            y_title="times as fast as with eight",
            by="key/value heads",
            says=_where_it_pays,
            log_x=True,
        ),
    ),
    "compression": (
        Shape(
            table="ladder",
            x="parameters",
            y=("bits per byte",),
            y_title="bits per byte of held-out text",
            only=_LADDER,
            label="model",
            heading=_ladder_heading,
            says=_ladder_falls,
            log_x=True,
        ),
        Shape(
            table="ladder",
            x="model",
            y=("bits per byte",),
            y_title="bits per byte of held-out text",
            only=_TWINS,
            spread="spread of the seeds",
            heading=_twins_heading,
            says=_not_to_be_compared,
            marks_only=True,
        ),
    ),
    "window": (
        Shape(
            table="cost",
            x="length, windows",
            y=("full over windowed (median)", "scores, full over windowed"),
            y_title="full attention over windowed",
            says=_always("What full attention costs more, by the length of the text: time measured, scores counted."),
            log_x=True,
            log_y=True,
            own_ticks=True,
        ),
    ),
    "stacking": (
        Shape(
            table="curves",
            x=_DISTANCE,
            y=(
                "baseline: relative change",
                "full-attention: relative change",
                "relay: relative change",
                "theory: even average",
            ),
            y_title="relative change of the state",
            says=_felt_at_the_edge,
            log_y=True,
        ),
    ),
}
"""By claim: the tables that argue most, and their columns."""
