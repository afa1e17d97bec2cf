"""Where a run is: what the engine says of it, and its text so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import compute
from app.session.delivery import Delivery
from app.session.desk import Desk
from app.session.runs import Record
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.serving.engine import Progress

ACTIVE = frozenset({"queued", "loading", "reading", "running"})
"""As in the engine, which is not imported here before it is needed."""


def progress_of(record: Record | None) -> Progress | None:
    """Where a run is; renews its lease. `None` for recordings."""
    if record is None or record.job is None:
        return None
    return compute.engine().poll(record.job)


def trace_of(record: Record | None) -> Trace | None:
    """The text of a run so far and what was recorded of it."""
    if record is None:
        return None
    progress = progress_of(record)
    return record.trace if progress is None else progress.trace


def without_window(desk: Desk) -> bool:
    """Whether the model of the shown text has layers that look back over all of it."""
    trace = trace_of(desk.record)
    return trace is not None and None in trace.config.windows


def coming(desk: Desk, delivery: Delivery) -> bool:
    """Whether a picture lacks some of the shown run: it is being written, or long and on its way."""
    record = desk.record
    if record is None or writing(desk):
        return record is not None
    trace = trace_of(record)
    return trace is not None and delivery.behind(record.name, len(trace))


def writing(desk: Desk) -> bool:
    """Whether the shown run is being written, so that the page has to look again."""
    record = desk.record
    return record is not None and record.job is not None and record.job.status in ACTIVE
