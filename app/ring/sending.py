"""What goes to the picture of ring: the run with its keys and values, one slot, and whether a word is forgotten."""

from __future__ import annotations

from app.ring.asked_slot import slot_of
from app.ring.forgotten import forgotten_header
from app.ring.payload import ring_parts
from app.ring.state import NOBODY, RingState
from app.session.desk import Desk
from app.session.files import spec_of_recording
from app.session.progress import coming
from app.session.rereading import model_is_there
from app.session.visible import Payload, visible_run
from app.shared.slots_payload import records_slots
from app.shared.source import source_of
from mistral_core.attention import read_and_write

MARKS = {
    "one": ("if positions.shape[1] == 1:", "    ring.write(k, v, plan)\n        return"),
    "more": ("keys = torch.cat(", "values = torch.cat(", "plan)\n    return keys"),
}
"""One token is written, then read; more are read, then written."""


def ring_payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    visible = visible_run(desk)
    record, trace = visible.record, visible.trace
    page = desk.page_state(RingState)
    live = spec_of_recording(record) is not None and record.job is None
    measurable = model_is_there(trace)
    asked_about = page.ask.get(record.name, NOBODY)
    start, stop = page.delivery.span(record.name, len(trace), growing=visible.growing)
    parts = ring_parts(
        trace,
        run=record.name,
        start=start,
        stop=stop,
        at=desk.at.get(record.name),
        live=live,
        measurable=measurable,
        ask=asked_about.position,
        put=asked_about.word,
        forgotten=forgotten_header(page, record.name),
        single=records_slots(trace) or (measurable and not live),
        slot=slot_of(page, record, trace),
        codes=[source_of(read_and_write, MARKS)],
        **visible.growth(),
    )
    return Payload(parts, visible.waiting)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or something is worked on."""
    page = desk.page_state(RingState)
    return coming(desk, page.delivery) or page.measurements.running or page.layers.running
