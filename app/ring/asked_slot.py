"""The numbers of one slot, where those of the whole run are too many to send or were not kept."""

from __future__ import annotations

from app.ring.messages import AskSlot
from app.ring.payload import Slot
from app.ring.state import Reading, RingState
from app.session.desk import Desk
from app.session.rereading import model_is_there, read_again
from app.session.runs import Record
from app.session.visible import run_named
from app.shared.slots_payload import records_slots
from mistral_core.analysis.progress import Report
from mistral_core.trace.trace import KEYS, VALUES, RecordingPlan, Trace


def ask_slot(desk: Desk, event: AskSlot) -> None:
    """Somebody looks at a slot of a run whose keys and values are not sent: its own will go with the next payload."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    layer, position = event["layer"], event["position"]
    if not (0 <= layer < trace.config.n_layers and 0 <= position < len(trace)):
        return
    page = desk.page_state(RingState)
    page.slots[record.name] = (layer, position)
    if records_slots(trace) or not model_is_there(trace):
        return
    again = page.reading
    same = again is not None and (again.run, again.layer) == (record.name, layer) and position < again.length
    if again is None or not same or again.work.error:
        name = f"{record.name}/{layer}/{len(trace)}"
        work = page.layers.start(name, lambda report: read_layer(trace, layer, report))
        page.reading = Reading(record.name, layer, len(trace), work)


def read_layer(trace: Trace, layer: int, report: Report) -> Trace:
    """Reads the text of a run again and keeps the keys and values of one layer.

    Raises:
        ValueError: the model here has other weights, or the numbers are too many.
    """
    again = read_again(trace, RecordingPlan(hooks=(KEYS, VALUES), layers=(layer,)), report)
    if again.omitted:
        raise ValueError(f"The keys and values of one layer are too many: {again.omitted[0]}")
    return again


def slot_of(page: RingState, record: Record, trace: Trace) -> Slot | None:
    """What is known of the slot that was asked for last."""
    if record.name not in page.slots:
        return None
    layer, position = page.slots[record.name]
    if position >= len(trace):
        return None
    if records_slots(trace):
        return _numbers(trace, layer, position, "")
    again = page.reading
    if again is None or (again.run, again.layer) != (record.name, layer):
        return None
    if again.work.result is not None:
        text = "Computed anew: the text was read again, since this run keeps no keys and values."
        return _numbers(again.work.result, layer, position, text)
    done, _, doing = again.work.progress
    text = again.work.error or f"{doing or 'reading the text again'}: {done:,} of {len(trace):,} tokens …"
    return Slot(layer=layer, position=position, text=text)


def _numbers(trace: Trace, layer: int, position: int, text: str) -> Slot:
    keys, values = trace.keys(layer)[position], trace.values(layer)[position]
    return Slot(layer=layer, position=position, keys=keys, values=values, text=text)
