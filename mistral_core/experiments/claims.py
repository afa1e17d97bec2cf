"""The five claims: each with what would have to be seen, stated before it was measured, and how it is measured.

A claim's module says `CLAIM` and has `measure(quick, report)`; it returns numbers and never a verdict. `run` holds the
numbers against the thresholds. Nothing here imports torch: the modules are imported by name, when they are asked for.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, cast, runtime_checkable

from mistral_core.analysis.progress import Report, silent
from mistral_core.experiments.finding import Criterion, Finding, Number, Table, Threshold, Value, judged

MODULES = {
    "efficiency": "mistral_core.experiments.efficiency",
    "sharing": "mistral_core.experiments.sharing",
    "compression": "mistral_core.experiments.compression",
    "window": "mistral_core.experiments.window",
    "stacking": "mistral_core.experiments.stacking",
}
"""The experiments in the order of the paper's claims, and where each is."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper that can be tried.

    Attributes:
        name: of the experiment. title: a few words.
        statement: the claim in our own words. where: in the paper.
        remark: what a critical reader holds against it.
        needed: what would have to be seen.
        limits: sentences that hold whatever is measured.
    """

    name: str
    title: str
    statement: str
    where: str
    remark: str
    needed: tuple[Threshold, ...]
    limits: tuple[str, ...] = ()

    def threshold(self, name: str) -> Threshold:
        """One of those needed.

        Raises:
            KeyError: there is none of this name.
        """
        for one in self.needed:
            if one.name == name:
                return one
        raise KeyError(f"{self.name} has no threshold {name}; it has {', '.join(one.name for one in self.needed)}")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What an experiment measured.

    Attributes:
        values: by the name of the threshold; one that is missing could not be measured.
        tables: in the order in which they are read. models: name -> content hash of those that ran.
    """

    values: Mapping[str, Value]
    tables: tuple[Table, ...]
    models: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Experiment(Protocol):
    """What a claim's module offers."""

    CLAIM: Claim

    def measure(self, *, quick: bool, report: Report) -> Measured:
        """Runs it; quick = the small form, in under ten seconds."""


def experiment(name: str) -> Experiment:
    """The module of a claim.

    Raises:
        ValueError: an unknown name.
    """
    if name not in MODULES:
        raise ValueError(f"there is no experiment {name!r}; known are {', '.join(MODULES)}")
    return cast(Experiment, importlib.import_module(MODULES[name]))


def run(name: str, *, quick: bool, report: Report = silent) -> Finding:
    """Measures, and holds the numbers against the thresholds.

    Args:
        report: hears how far it is; what it raises ends the experiment.

    Raises:
        ValueError: an unknown name, or a model that is not here.
    """
    module = experiment(name)
    started = time.perf_counter()
    measured = module.measure(quick=quick, report=report)
    return concluded(module.CLAIM, measured, quick=quick, seconds=time.perf_counter() - started)


def concluded(claim: Claim, measured: Measured, *, quick: bool, seconds: Number) -> Finding:
    """The finding that follows from what was measured.

    Raises:
        ValueError: a value for a threshold that the claim does not name.
    """
    known = {one.name for one in claim.needed}
    if extra := sorted(set(measured.values) - known):
        raise ValueError(f"{claim.name} measured {', '.join(extra)}, for which no threshold was stated before")
    nothing = Value(measured=math.nan, source="derived")
    criteria = tuple(Criterion(threshold=one, **vars(measured.values.get(one.name, nothing))) for one in claim.needed)
    verdict, limits = judged(criteria)
    return Finding(
        claim=claim.name,
        quick=quick,
        criteria=criteria,
        verdict=verdict,
        limits=(*limits, *(limit for limit in claim.limits if limit not in limits)),
        tables=measured.tables,
        models=measured.models,
        seconds=round(seconds, 2),
    )


def restated(finding: Finding) -> Finding:
    """The same numbers in the words that the code has now: a record has those of the day on which it was made.

    A threshold that the code has no more, or with another bound or role, keeps its words: it was held against these.
    """
    if finding.claim not in MODULES:
        return finding
    claim = experiment(finding.claim).CLAIM
    known = {(one.name, one.role, one.at_least, one.at_most): one for one in claim.needed}

    def said_now(one: Criterion) -> Criterion:
        old = one.threshold
        return replace(one, threshold=known.get((old.name, old.role, old.at_least, old.at_most), old))

    criteria = tuple(said_now(one) for one in finding.criteria)
    _, limits = judged(criteria)
    always = tuple(limit for limit in claim.limits if limit not in limits)
    return replace(finding, criteria=criteria, limits=limits + always)
