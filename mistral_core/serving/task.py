"""A long computation beside the pages: it reports progress, can be cancelled, and keeps its result."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from mistral_core.analysis.progress import Report

Result = TypeVar("Result")


def take_turns_sooner() -> None:
    """For a process that serves while it computes.

    A thread that computes lets others go on at every numpy call, and gets its turn back after this long where they are
    busy: at the interpreter's 5 ms an engine, which makes a thousand such calls a round, stood still in a full room.
    """
    sys.setswitchinterval(0.0005)


class TaskCancelled(Exception):  # noqa: N818  it is an event, not an error
    """Raised inside the computation at its next report after `cancel`."""


class Task(Generic[Result]):
    """Runs `work(report)` in a thread of its own.

    Attributes:
        done, total, doing: the latest report.
        result: what `work` returned; `None` until then. error: a sentence if it failed, else "".
    """

    def __init__(self, work: Callable[[Report], Result]) -> None:
        self.done, self.total, self.doing = 0, 1, ""
        self.result: Result | None = None
        self.error = ""
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), name="mistral-task", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Asks it to stop at its next report."""
        self._cancelled.set()

    def join(self, timeout: float | int | None = None) -> None:
        """Waits for the end, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _report(self, done: int, total: int, doing: str) -> None:
        if self._cancelled.is_set():
            raise TaskCancelled
        self.done, self.total, self.doing = done, total, doing

    def _run(self, work: Callable[[Report], Result]) -> None:
        try:
            self.result = work(self._report)
        except TaskCancelled:
            self.error = "Cancelled."
        except Exception as error:  # a page shows it as a sentence
            self.error = str(error).strip() or type(error).__name__
