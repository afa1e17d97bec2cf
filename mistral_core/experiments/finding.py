"""What an experiment found: measured values held against thresholds, and the verdict that follows from them.

A verdict is never written by hand: `judged` computes it from the criteria, so that other numbers give another one.
Without torch, so that a page can show a recorded finding before any model is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["holds", "holds within limits", "does not hold", "not shown here"]
VERDICTS: tuple[Verdict, ...] = ("holds", "holds within limits", "does not hold", "not shown here")
Source = Literal["model", "derived", "theory", "recorded", "published"]
Role = Literal["claim", "necessary", "limit", "control"]
Number = float | int
Cell = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What would have to be seen, stated before it was measured.

    Attributes:
        name: short, unique within the experiment.
        says: a sentence of what is measured, with its unit.
        at_least, at_most: the bounds; exactly one is given.
        role: "claim" = the claim fails without it; "necessary" = the claim fails without it, and with it nothing is
            shown yet; "limit" = the claim holds only within limits without it; "control" = nothing can be said without
            it (a positive control, enough repeats).
        limit: the sentence that is said where it is not met.
        limit_of: the same sentence from what was measured, where it says a number. It is no part of a file.
    """

    name: str
    says: str
    role: Role
    limit: str
    at_least: Number | None = None
    at_most: Number | None = None
    limit_of: Callable[[Value], str] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(
                f"threshold {self.name} is bounded by {self.at_least} below and {self.at_most} above; give exactly one"
            )

    def met(self, value: Number) -> bool:
        """Whether a measured value is on the right side; NaN never is."""
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)


@dataclass(frozen=True, kw_only=True)
class Value:
    """What was measured for one threshold.

    Attributes:
        measured: the value; NaN = it could not be measured.
        source: where it comes from.
        low, high: over prompts or seeds, where there are several.
        repeats: of what, in words ("3 seeds", "40 names").
    """

    measured: Number
    source: Source
    low: Number | None = None
    high: Number | None = None
    repeats: str = ""


@dataclass(frozen=True, kw_only=True)
class Criterion(Value):
    """What was measured, beside its threshold, which was stated before."""

    threshold: Threshold

    @property
    def met(self) -> bool:
        """Whether the threshold is met."""
        return self.threshold.met(self.measured)

    @property
    def limit(self) -> str:
        """The sentence that is said where it is not met."""
        say = self.threshold.limit_of
        return self.threshold.limit if say is None else say(self)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        content = asdict(self) | {"met": self.met}
        content["threshold"] = {
            **{key: value for key, value in content["threshold"].items() if key != "limit_of"},
            "limit": self.limit,
        }
        return content


@dataclass(frozen=True, kw_only=True)
class Table:
    """Measured rows, for a picture and for download.

    Attributes:
        name: short, unique within the finding. title: with units.
        source: of its numbers.
        columns: headings with units. rows: as many cells each.
    """

    name: str
    title: str
    source: Source
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"{self.name} has two columns of one name among {', '.join(self.columns)}; rename one")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {self.name} has {len(row)} cells for {len(self.columns)} columns")

    def by_heading(self) -> list[dict[str, Cell]]:
        """Each row, its cells by the headings of their columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one experiment.

    Attributes:
        claim: name of the experiment.
        quick: whether the small live form was run.
        criteria: in the order in which they are read.
        verdict: computed by `judged`.
        limits: sentences; those of criteria that are not met, and those that always apply.
        tables: what was measured.
        models: name -> content hash, of every model that was run.
        seconds: it took.
    """

    claim: str
    quick: bool
    criteria: tuple[Criterion, ...]
    verdict: Verdict
    limits: tuple[str, ...]
    tables: tuple[Table, ...]
    models: Mapping[str, str]
    seconds: Number

    def to_json(self) -> dict[str, Any]:
        """As JSON values, NaN as null; first what a reader looks for: claim, measured, threshold, verdict, limits."""
        return _json_ready(
            {
                "claim": self.claim,
                "verdict": self.verdict,
                "measured": {one.threshold.name: one.measured for one in self.criteria},
                "threshold": {
                    one.threshold.name: {"at_least": one.threshold.at_least, "at_most": one.threshold.at_most}
                    for one in self.criteria
                },
                "limits": list(self.limits),
                "quick": self.quick,
                "seconds": self.seconds,
                "models": dict(self.models),
                "criteria": [one.to_json() for one in self.criteria],
                "tables": [asdict(table) for table in self.tables],
            }
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Finding:
        """Reads `to_json` back; the verdict is computed anew.

        Raises:
            KeyError, TypeError, ValueError: it is no finding.
        """
        criteria = tuple(
            Criterion(
                threshold=Threshold(**one["threshold"]),
                **{key: value for key, value in one.items() if key not in ("threshold", "met", "measured")},
                measured=math.nan if one["measured"] is None else one["measured"],
            )
            for one in content["criteria"]
        )
        verdict, limits = judged(criteria)
        always = tuple(limit for limit in content["limits"] if limit not in limits)
        if content["verdict"] != verdict:
            raise ValueError(f"its verdict is {content['verdict']!r}, and its numbers say {verdict!r}")
        return cls(
            claim=content["claim"],
            quick=content["quick"],
            criteria=criteria,
            verdict=verdict,
            limits=limits + always,
            tables=tuple(
                Table(
                    **{**table, "columns": tuple(table["columns"]), "rows": tuple(tuple(row) for row in table["rows"])}
                )
                for table in content["tables"]
            ),
            models=dict(content["models"]),
            seconds=content["seconds"],
        )


def judged(criteria: Sequence[Criterion]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict that follows, and the limits of those criteria that are not met.

    A control that fails: not shown here. Else a criterion of the claim, or one necessary to it, that fails: does not
    hold. Else nothing that tests the claim: not shown here, however much is consistent with it. Else a limit that
    fails: holds within limits.
    """
    failed = [one for one in criteria if not one.met]
    limits = tuple(one.limit for one in failed)
    roles = {one.threshold.role for one in failed}
    if "control" in roles:
        return "not shown here", limits
    if roles & {"claim", "necessary"}:
        return "does not hold", limits
    if not any(one.threshold.role == "claim" for one in criteria):
        return "not shown here", limits
    return ("holds within limits" if roles else "holds"), limits


RULE = (
    "How a verdict follows: where a control fails, or nothing that is measured here could show the claim, it is not "
    "shown here; where something that the claim needs is not seen, it does not hold; where that is seen and only a "
    "limit is not met, it holds within limits."
)
"""`judged` in a sentence."""


def because(criteria: Sequence[Criterion]) -> str:
    """Why the verdict of `judged` is what it is, in a few words."""
    roles = [one.threshold.role for one in criteria if not one.met]
    if "control" in roles:
        return "a control failed, so nothing can be said"
    if missing := sum(role in ("claim", "necessary") for role in roles):
        return f"{missing} of what the claim needs {'was' if missing == 1 else 'were'} not seen"
    if not any(one.threshold.role == "claim" for one in criteria):
        return "what it needs was seen; what would show it cannot be measured here"
    return f"with {len(roles)} limit{'s' if len(roles) > 1 else ''}" if roles else "all that it needs was seen"


def _json_ready(value: Any) -> Any:
    """NaN as null, which JSON has: what could not be measured.

    >>> _json_ready({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {key: _json_ready(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
