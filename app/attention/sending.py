"""What goes to the picture of attention: the run, what is derived from it, and the state of the search in it."""

from __future__ import annotations

from app.attention.finding import finding
from app.attention.payload import Extras, attention_parts, derive
from app.attention.scores import scores_name
from app.attention.state import AttentionState
from app.session.desk import Desk
from app.session.progress import coming
from app.session.visible import Payload, VisibleRun, visible_run

STRIDE = 32
"""While a run grows, what is derived from all of it is computed again after so many tokens."""
EXTRAS = "extras"
"""What is derived, as a part of what is delivered: it is there whole (1) under its key, or not."""


def attention_payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    visible = visible_run(desk)
    record, trace = visible.record, visible.trace
    page = desk.page_state(AttentionState)
    delivery, extras = page.delivery, _extras(page, visible)
    lacks = extras is not None and not delivery.held(record.name, part=EXTRAS, key=extras.key)
    start, stop = delivery.span(record.name, len(trace), growing=visible.growing)
    parts = attention_parts(
        trace,
        run=record.name,
        start=start,
        stop=stop,
        extras=extras if lacks else None,
        finding=finding(page.searches, record, trace),
        at=desk.at.get(record.name),
        **visible.growth(),
    )
    return Payload(parts, visible.waiting)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or something is worked on."""
    page = desk.page_state(AttentionState)
    return coming(desk, page.delivery) or page.searches.running or page.scores.running


def _extras(page: AttentionState, visible: VisibleRun) -> Extras | None:
    """Computed once for each length; a growing run waits for `STRIDE` more tokens."""
    record, trace = visible.record, visible.trace
    length = len(trace) - len(trace) % STRIDE if visible.growing else len(trace)
    if length == 0:
        return None
    key = scores_name(record, trace, length)
    work = page.scores.get(key)
    again, failed = (None, "") if work is None else (work.result, work.error)
    wanted = key + ("/failed" if failed else "" if again is None else "/scores")
    if page.extras is None or page.extras.key != wanted:
        page.extras = derive(trace.truncated(length), wanted, again, [failed] if failed else [])
    return page.extras
