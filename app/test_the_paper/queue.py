"""Experiments of all visitors, one at a time: two at once would spoil each other's timings.

What one visitor measured, the next one finds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mistral_core.analysis.progress import Report
from mistral_core.experiments.claims import run
from mistral_core.experiments.finding import Finding

Result = TypeVar("Result")

LOOK = 0.2
"""Seconds between two looks at whose turn it is; a visitor who gives up leaves the queue within them."""


@dataclass(frozen=True)
class Outcome:
    """A finding of this server. at: seconds since the epoch when it was measured."""

    finding: Finding
    at: float


class Queue:
    """Runs experiments one after the other, and keeps the last outcome of each form.

    Args:
        measure: runs one; `mistral_core.experiments.claims.run`.
    """

    def __init__(self, measure: Callable[..., Finding] = run) -> None:
        self._measure = measure
        self._changed = threading.Condition()
        self._tickets: list[object] = []
        self._outcomes: dict[tuple[str, bool], Outcome] = {}

    def outcome(self, name: str, quick: bool) -> Outcome | None:
        """What was measured last on this server."""
        return self._outcomes.get((name, quick))

    @property
    def length(self) -> int:
        """How many are measured or wait."""
        return len(self._tickets)

    def run(self, name: str, quick: bool, report: Report) -> Finding:
        """Waits for its turn, measures, and keeps the outcome for all.

        Args:
            report: hears the place in the queue, then how far the experiment is; what it raises leaves the queue.

        Raises:
            ValueError: as `mistral_core.experiments.claims.run`.
        """
        finding = self.in_turn(lambda: self._measure(name, quick=quick, report=report), report)
        self._outcomes[name, quick] = Outcome(finding, time.time())
        return finding

    def in_turn(self, work: Callable[[], Result], report: Report) -> Result:
        """Waits for its turn and does a piece of work whose result is its visitor's alone.

        Args:
            report: as of `run`.
        """
        ticket = object()
        with self._changed:
            self._tickets.append(ticket)
        try:
            self._wait(ticket, report)
            return work()
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def _wait(self, ticket: object, report: Report) -> None:
        with self._changed:
            while before := self._tickets.index(ticket):
                report(0, 1, f"waiting: {before} experiment{'s' if before > 1 else ''} of other visitors first")
                self._changed.wait(LOOK)
        report(0, 1, "beginning")
