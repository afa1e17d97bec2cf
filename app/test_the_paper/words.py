"""Numbers, bounds and verdicts of the experiments in words, and as a file."""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Sequence

from mistral_core.experiments.finding import Cell, Criterion, Finding, Number, Table, Threshold, Verdict

MARKS: dict[Verdict, str] = {"holds": "✓", "holds within limits": "≈", "does not hold": "✗", "not shown here": "?"}
"""A verdict is never told by colour alone."""
ROLES = {
    "claim": "the claim needs it",
    "necessary": "the claim needs it, and it shows nothing alone",
    "limit": "limits the claim",
    "control": "without it nothing can be said",
}


def number(value: Number) -> str:
    """A measured number for people, four significant digits.

    >>> number(0.0), number(12345.6), number(0.012345), number(-2), number(float("nan")), number(3.2e-12)
    ('0', '12,346', '0.01235', '−2', 'not measured', '3.2e−12')
    """
    if not math.isfinite(value):
        return "not measured"
    size = abs(value)
    if size >= 1000 or value == int(value):
        text = f"{value:,.0f}" if size < 1e15 else f"{value:.3e}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−")


def bound(threshold: Threshold) -> str:
    """What was needed.

    >>> bound(Threshold(name="a", says="a", role="claim", limit="", at_most=2.0))
    'at most 2'
    """
    if threshold.at_least is not None:
        return f"at least {number(threshold.at_least)}"
    return f"at most {number(threshold.at_most or 0)}"


def spread(criterion: Criterion) -> str:
    """What was measured, and how far it varies."""
    text = number(criterion.measured)
    if criterion.low is not None and criterion.high is not None:
        text += f" ({number(criterion.low)} to {number(criterion.high)})"
    return text


def badge(verdict: Verdict) -> str:
    """A verdict as HTML."""
    return f'<span class="verdict" data-verdict="{html.escape(verdict)}">{MARKS[verdict]} {html.escape(verdict)}</span>'


def criteria_rows(criteria: Sequence[Criterion]) -> list[dict[str, str]]:
    """A line for each criterion."""
    return [
        {
            "": "✓" if one.met else "✗",
            "what would have to be seen": one.threshold.says,
            "needed": bound(one.threshold),
            "measured": spread(one),
            "of": "; ".join(filter(None, (one.repeats, one.source))),
            "if not": ROLES[one.threshold.role],
        }
        for one in criteria
    ]


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
    """A table's rows by heading. A column of words and numbers is one of words: a picture of it needs one kind."""
    mixed = {
        index for index in range(len(table.columns)) if len({isinstance(row[index], str) for row in table.rows}) > 1
    }
    return [
        {
            name: number(cell) if index in mixed and isinstance(cell, int | float) else cell
            for index, (name, cell) in enumerate(zip(table.columns, row, strict=True))
        }
        for row in table.rows
    ]
