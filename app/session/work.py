"""Work beside the pages: a task is started under a name, watched, cancelled, and shown, everywhere in one way.

A `Workshop` holds the tasks of one kind. A new one ends the one before, since one visitor waits for one
answer; a few finished ones are kept, so that what was computed is there when it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from app.session.sentence import sentence
from mistral_core.analysis.progress import Report
from mistral_core.serving.task import Task

Result = TypeVar("Result")


class Work(Generic[Result]):
    """One task, as its visitor sees it: cancelled at once, though its thread ends a step later."""

    def __init__(self, task: Task[Result]) -> None:
        self.task = task
        self.cancelled = False

    @property
    def running(self) -> bool:
        """Whether somebody still waits for it."""
        return self.task.running and not self.cancelled

    @property
    def result(self) -> Result | None:
        """What it gave; `None` while it runs, and if it failed."""
        return None if self.running or self.cancelled else self.task.result

    @property
    def error(self) -> str:
        """Why there is no result, as a sentence; "" while it runs, and if there is one."""
        if self.cancelled:
            return "Cancelled."
        if self.running or self.task.result is not None:
            return ""
        return sentence(self.task.error or "it ended without a result")

    def raise_error(self) -> None:
        """Nothing, unless it has failed by itself.

        Raises:
            ValueError: it has; the sentence says why.
        """
        if self.error and not self.cancelled:
            raise ValueError(self.error)

    @property
    def progress(self) -> tuple[int, int, str]:
        """Steps done, in all (1 or more), and what is done now."""
        return self.task.done, max(self.task.total, 1), self.task.doing

    def cancel(self) -> None:
        """Ends it; what is there already stays."""
        if self.task.running:
            self.cancelled = True
            self.task.cancel()


class Workshop(Generic[Result]):
    """Tasks of one kind, by name.

    Args:
        keep: how many there are at most; the oldest make room.
    """

    def __init__(self, keep: int = 1) -> None:
        self._keep = keep
        self._by_name: dict[str, Work[Result]] = {}

    def start(self, name: str, work: Callable[[Report], Result]) -> Work[Result]:
        """Starts a task in the background, and ends the one before.

        Args:
            work: computes the result, and reports how far it is.
        """
        self.cancel()
        self._by_name.pop(name, None)
        self._by_name[name] = Work(Task(work))
        while len(self._by_name) > self._keep:
            self._by_name.pop(next(iter(self._by_name)))
        return self._by_name[name]

    def begun(self, name: str, work: Callable[[Report], Result], patience: float) -> Work[Result]:
        """The task of this name, started if it is not there or was cancelled; what ends soon is waited for.

        Args:
            work: as of `start`. patience: seconds.
        """
        there = self._by_name.get(name)
        if there is None or there.cancelled:
            there = self.start(name, work)
        there.task.join(patience)
        return there

    def __iter__(self) -> Iterator[Work[Result]]:
        """All that are kept, oldest first."""
        return iter(self._by_name.values())

    def get(self, name: str) -> Work[Result] | None:
        """The task of this name."""
        return self._by_name.get(name)

    def cancel(self) -> None:
        """Ends what is under way."""
        for work in self._by_name.values():
            work.cancel()

    @property
    def running(self) -> bool:
        """Whether something is under way."""
        return any(work.running for work in self._by_name.values())

    def forget(self, name: str) -> None:
        """Lets a task go."""
        if work := self._by_name.pop(name, None):
            work.cancel()
