"""What the page window remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.session.desk import PageState
from app.session.work import Workshop
from app.window.payload import Measured
from app.window.question import Choice

KEPT = 4
"""Readings that are there when they are asked for again; each has megabytes of queries and keys."""
KEPT_RESULTS = 3
"""Results of each experiment."""


@dataclass
class RunQuestions:
    """What was asked of one run.

    Attributes:
        number: of the browser's question. layer: whose numbers are wanted. message: why it could not be answered.
        latest: the reading that is on screen until another one is there.
    """

    choice: Choice = field(default_factory=Choice)
    number: int = 0
    layer: int = 0
    message: str = ""
    latest: Measured | None = None


@dataclass
class WindowState(PageState, page="window"):
    """What was asked, by run; readings, and results of the experiments, by what they answer."""

    runs: dict[str, RunQuestions] = field(default_factory=dict)
    readings: Workshop[Measured] = field(default_factory=lambda: Workshop(KEPT))
    results: Workshop[Any] = field(default_factory=lambda: Workshop(KEPT_RESULTS))

    def of(self, run: str) -> RunQuestions:
        """What was asked of a run."""
        return self.runs.setdefault(run, RunQuestions())

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        if self.runs.pop(run, None) is not None:
            self.end()
