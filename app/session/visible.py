"""Which run a page shows: the one that was asked for, or another one while that has nothing to show yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app import compute
from app.session import actions
from app.session.runs import Record
from app.session.state import Desk
from app.wire import Parts
from mistral_core.trace import Trace

if TYPE_CHECKING:
    from mistral_core.serving.engine import Progress

WAITING = "Loading the model and reading the prompt …"


@dataclass(frozen=True)
class Payload:
    """What goes to the browser, and a sentence while the run that was asked for has nothing to show yet."""

    parts: Parts
    waiting: str = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
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
        return self.progress is not None and self.progress.status in actions.ACTIVE

    def growth(self) -> dict[str, Any]:
        """Where it is, in the words of `app.shared.run_payload.run_parts`."""
        found = self.progress
        if found is None:
            return {"total": len(self.trace), "status": "recorded", "provenance": "recorded"}
        speed = found.tokens_per_second
        return {
            "total": found.total,
            "status": _status(found),
            "message": found.message,
            "provenance": "model",
            "tokens_per_second": None if math.isnan(speed) else speed,
        }


def shown(desk: Desk, least: int = 1) -> Shown:
    """The run that was asked for; until it has `least` tokens the newest one that has them, else the recording.

    Raises:
        TraceError: the recording is needed, and missing or damaged.
    """
    here = _look(desk.record, least)
    if here is not None:
        return here
    asked = actions.progress(desk.record)
    waiting = (asked.message if asked is not None else "") or WAITING
    for other in reversed(desk.records.values()):
        if (here := _look(other, least)) is not None:
            return replace(here, waiting=waiting)
    wanted = desk.current
    actions.open_recording(desk)
    desk.current, record = wanted, desk.records[actions.RECORDING_NAME]
    return Shown(record=record, trace=compute.recording(), waiting=waiting)


def meant(desk: Desk, event: Mapping[str, Any]) -> tuple[Record, Trace] | None:
    """The run that the browser speaks of, with its text so far; `None` = it is gone, or has none yet."""
    record = desk.records.get(str(event.get("run")))
    trace = actions.trace_of(record)
    return None if record is None or trace is None else (record, trace)


def _look(record: Record | None, least: int) -> Shown | None:
    if record is None:
        return None
    found = actions.progress(record)
    trace = record.trace if found is None else found.trace
    if trace is None or len(trace) < least:
        return None
    return Shown(record=record, trace=trace, progress=found)


def _status(found: Progress) -> str:
    """The player's word for where a run is."""
    words = {"queued": "running", "loading": "running", "reading": "running", "expired": "paused"}
    return words.get(found.status, found.status)
