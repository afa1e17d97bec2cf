"""Numbers, bounds and verdicts of the experiments in words, and as a file."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Mapping, Sequence

from mistral_core.experiments.finding import Cell, Criterion, Finding, Table, Threshold, Verdict
from mistral_core.experiments.own_text import Compressed
from mistral_core.experiments.words import LEAST, bound, number, spread

MARKS: dict[Verdict, str] = {"holds": "✓", "holds within limits": "≈", "does not hold": "✗", "not shown here": "?"}
"""A verdict is never told by colour alone."""
ROLES = {
    "claim": "the claim does not hold",
    "necessary": "the claim does not hold",
    "limit": "the claim is limited",
    "control": "nothing can be said",
}
"""What follows where a criterion of this role is not met."""
WHAT = "what would have to be seen"
"""Heading of the sentences, which need none on a card."""


def badge(verdict: Verdict) -> str:
    """A verdict as HTML."""
    return f'<span class="verdict" data-verdict="{html.escape(verdict)}">{MARKS[verdict]} {html.escape(verdict)}</span>'


def criteria_rows(criteria: Sequence[Criterion]) -> list[dict[str, str]]:
    """A line for each criterion; what follows from one that is not met is said of that one alone."""
    rows = [
        {
            "seen": "✓ yes" if one.met else "✗ no",
            WHAT: _named(one.threshold),
            "needed": bound(one.threshold),
            "measured": spread(one),
            "of": f"{one.repeats} ({one.source})" if one.repeats else one.source,
        }
        for one in criteria
    ]
    if all(one.met for one in criteria):
        return rows
    follows = ("" if one.met else ROLES[one.threshold.role] for one in criteria)
    return [{**row, "so": so} for row, so in zip(rows, follows, strict=True)]


def needed_rows(thresholds: Sequence[Threshold]) -> list[dict[str, str]]:
    """A line for each criterion of a claim that has not been measured."""
    return [{WHAT: _named(one), "needed": bound(one), "if not": one.limit} for one in thresholds]


def _named(threshold: Threshold) -> str:
    """What is looked at in a word or two, then exactly."""
    return f"{threshold.name[0].upper()}{threshold.name[1:]}: {threshold.says}"


def as_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as HTML: a table, and on a narrow screen a card for each row, in which every cell says what it is.

    The roles are written out, since a table that is laid out as cards is none to a screen reader.
    """
    heads = "".join(f'<th role="columnheader" scope="col">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(f'<tr role="row">{"".join(_cell(*cell) for cell in row.items())}</tr>' for row in rows)
    return (
        f'<table class="criteria" role="table"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _cell(name: str, text: str) -> str:
    label = f'<span class="of" aria-hidden="true">{html.escape(name)}</span>' if text and name != WHAT else ""
    kind = f' class="{name}"' if name in ("seen", "needed") else ""
    return f'<td role="cell"{kind}>{label}{html.escape(text)}</td>'


def as_json(finding: Finding) -> str:
    """The whole finding as a file."""
    return json.dumps(finding.to_json(), indent=1, allow_nan=False)


def as_csv(finding: Finding) -> str:
    """The criteria, and below them every table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["claim", finding.claim, "verdict", finding.verdict])
    writer.writerow(["criterion", "at least", "at most", "measured", "low", "high", "met", "role", "repeats", "source"])
    for one in finding.criteria:
        bounds = (one.threshold.at_least, one.threshold.at_most)
        rest = (one.measured, one.low, one.high, one.met, one.threshold.role, one.repeats, one.source)
        writer.writerow([one.threshold.name, *bounds, *rest])
    for table in finding.tables:
        writer.writerows([[], [table.title, table.source], table.columns, *table.rows])
    return out.getvalue()


def cells(table: Table) -> list[dict[str, Cell]]:
    """A table's rows by heading.

    A column of words and numbers is one of words, since a picture of it needs one kind; so is one with numbers so
    small that four decimals would show them as nothing.
    """
    columns = list(zip(*table.rows, strict=True))
    as_words = {index for index, column in enumerate(columns) if _mixed(column) or any(map(_vanishes, column))}
    return [
        {
            name: number(cell) if index in as_words and isinstance(cell, int | float) else cell
            for index, (name, cell) in enumerate(row.items())
        }
        for row in table.by_heading()
    ]


def _mixed(column: Sequence[Cell]) -> bool:
    return len({isinstance(cell, str) for cell in column}) > 1


def _vanishes(cell: Cell) -> bool:
    return isinstance(cell, float) and 0 < abs(cell) < LEAST


def compressed_rows(made: Compressed) -> list[dict[str, str]]:
    """A line for each model and program that coded a text."""
    return [{name: _cell_text(cell) for name, cell in row.items()} for row in made.table().by_heading()]


def _cell_text(cell: Cell) -> str:
    return "" if cell is None else number(cell) if isinstance(cell, int | float) else cell


def compressed_in_words(made: Compressed) -> str:
    """What came out, in a paragraph: the best model beside the best program, without decoders and with them."""
    model, program = (min(codes, key=lambda one: one.nbytes) for codes in (made.models, made.programs))
    lost = [code.by for code in (*made.models, *made.programs) if not code.back]
    shorter = number(model.nbytes / program.nbytes)
    counted = number(min(one.nbytes + one.decoder for one in made.models) / program.nbytes)
    return (
        f"{made.characters:,} characters, {made.size:,} bytes. {model.by} codes them in {model.nbytes:,} bytes, "
        f"{program.by} in {program.nbytes:,}: {shorter} times as many. With the files that its decoder needs it is "
        f"{counted} times as many. The probabilities of {model.by} ask for "
        f"{number(model.asked)} bits and its code has {model.bits:,}; a decoder also has to know how long the text is. "
        + (f"Not letter for letter came back: {', '.join(lost)}." if lost else "All came back letter for letter.")
    )
