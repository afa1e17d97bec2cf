"""Which run a page shows: the one that was asked for, or another one while that has nothing to show yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app import compute
from app.session.desk import Desk
from app.session.files import RECORDING_NAME, open_recording
from app.session.progress import ACTIVE, progress_of, trace_of
from app.session.runs import Record
from app.shared.messages import Growth, Status
from app.wire import Parts
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.serving.engine import Progress

WAITING = "Loading the model and reading the prompt …"
WORDS: Mapping[str, Status] = {
    "queued": "running",
    "loading": "running",
    "reading": "running",
    "running": "running",
    "paused": "paused",
    "expired": "paused",
    "done": "done",
    "failed": "failed",
}
"""The pictures' word for where the engine says a run is."""


@dataclass(frozen=True)
class Payload:
    """What goes to the browser.

    Attributes:
        waiting: a sentence while the run that was asked for has nothing to show yet.
        unfinished: whether it shows work that was still under way; for a payload that starts work itself.
    """

    parts: Parts
    waiting: str = ""
    unfinished: bool = False


@dataclass(frozen=True, kw_only=True)
class VisibleRun:
    """A run with something to show.

    Attributes:
        trace: its text so far. progress: where it is; `None` for a recording.
        waiting: a sentence while another run was asked for; else "".
    """

    record: Record
    trace: Trace
    progress: Progress | None = None
    waiting: str = ""

    @property
    def growing(self) -> bool:
        """Whether it is being written."""
        return self.progress is not None and self.progress.status in ACTIVE

    def growth(self) -> Growth:
        """Where it is, in the words of `app.shared.run_payload.run_parts`."""
        progress = self.progress
        if progress is None:
            return {
                "total": len(self.trace),
                "status": "recorded",
                "message": "",
                "provenance": "recorded",
                "tokens_per_second": None,
            }
        speed = progress.tokens_per_second
        return {
            "total": progress.total,
            "status": WORDS[progress.status],
            "message": progress.message,
            "provenance": "model",
            "tokens_per_second": None if math.isnan(speed) else speed,
        }


def visible_run(desk: Desk, least: int = 1) -> VisibleRun:
    """The run that was asked for; until it has `least` tokens the newest one that has them, else the recording.

    Raises:
        TraceError: the recording is needed, and missing or damaged.
    """
    asked = _with_text(desk.record, least)
    if asked is not None:
        return asked
    progress = progress_of(desk.record)
    waiting = (progress.message if progress is not None else "") or WAITING
    for record in reversed(desk.records.values()):
        if (other := _with_text(record, least)) is not None:
            return replace(other, waiting=waiting)
    wanted = desk.current
    open_recording(desk)
    desk.current, record = wanted, desk.records[RECORDING_NAME]
    return VisibleRun(record=record, trace=compute.recording(), waiting=waiting)


def run_named(desk: Desk, name: str) -> tuple[Record, Trace] | None:
    """The run that the browser speaks of, with its text so far; `None` = it is gone, or has none yet."""
    record = desk.records.get(name)
    trace = trace_of(record)
    return None if record is None or trace is None else (record, trace)


def _with_text(record: Record | None, least: int) -> VisibleRun | None:
    if record is None:
        return None
    progress = progress_of(record)
    trace = record.trace if progress is None else progress.trace
    if trace is None or len(trace) < least:
        return None
    return VisibleRun(record=record, trace=trace, progress=progress)
