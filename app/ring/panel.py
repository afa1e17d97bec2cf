"""What the page `ring` does besides its layout: payloads, the measurement of a forgotten word, the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import compute
from app.ring.messages import FailedForgotten, Forgotten, MeasuringForgotten
from app.ring.payload import Slot, bytes_rows, records_slots, ring_parts
from app.session import actions
from app.session.rereading import read_again
from app.session.runs import Record
from app.session.state import Desk
from app.session.visible import Payload, meant, shown
from app.theme import size
from mistral_core.analysis.reach import rings_left
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.serving.task import Task
from mistral_core.trace import KEYS, VALUES, RecordingPlan, Trace

BYTES_PER_NUMBER = 2


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is measured: the word at `position` of a run is replaced, and felt at `step`.

    Attributes:
        ids: the text up to the token after `step`. word: the replacement, one token; "" = drawn from the text.
    """

    run: str
    model: str
    ids: tuple[int, ...]
    position: int
    step: int
    word: str


@dataclass
class Asking:
    """A question of this session and the work on it; stopped = nobody waits for the answer any more."""

    question: Question
    task: Task[Forgotten]
    stopped: bool = False


@dataclass
class Reading:
    """A text read again for the keys and values of one layer, which its run does not keep."""

    run: str
    layer: int
    length: int
    task: Task[Trace]


def payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    here = shown(desk)
    record, trace = here.record, here.trace
    sent = desk.ring_sent.get(record.name, [])
    held = desk.ring_held.get(record.name, 0)
    start = min(max(held, sent[-2]) if here.growing and len(sent) > 1 else held, len(trace))
    desk.ring_sent[record.name] = [*sent[-1:], len(trace)]
    live = actions.spec_of_recording(record) is not None and record.job is None
    parts = ring_parts(
        trace,
        run=record.name,
        start=start,
        at=desk.at.get(record.name),
        live=live,
        measurable=_known(trace),
        forgotten=_told(desk, record, trace),
        single=records_slots(trace) or (_known(trace) and not live),
        slot=_slot(desk, record, trace),
        **here.growth(),
    )
    return Payload(parts, here.waiting)


def acknowledge(desk: Desk, event: Mapping[str, Any]) -> None:
    """The browser says how many tokens of a run it holds."""
    desk.ring_held[str(event["run"])] = int(event["to"])


def send_again(desk: Desk, event: Mapping[str, Any]) -> None:
    """The browser lacks tokens from some position on; they go with the next payload."""
    run = str(event.get("run"))
    desk.ring_held[run] = int(event.get("from") or 0)
    desk.ring_sent.pop(run, None)


def ask_slot(desk: Desk, event: Mapping[str, Any]) -> None:
    """Somebody looks at a slot of a run whose keys and values are not sent: its own will go with the next payload."""
    run = meant(desk, event)
    if run is None:
        return
    record, trace = run
    layer, position = int(event.get("layer", -1)), int(event.get("position", -1))
    if not (0 <= layer < trace.config.n_layers and 0 <= position < len(trace)):
        return
    desk.ring_slot[record.name] = (layer, position)
    again = desk.reading
    kept = again is not None and (again.run, again.layer) == (record.name, layer) and position < again.length
    if records_slots(trace) or not _known(trace) or (kept and again is not None and not again.task.error):
        return
    if again is not None:
        again.task.cancel()
    desk.reading = Reading(record.name, layer, len(trace), Task(lambda report: read_layer(trace, layer, report)))


def read_layer(trace: Trace, layer: int, report: Any) -> Trace:
    """Reads the text of a run again and keeps the keys and values of one layer.

    Raises:
        ValueError: the model here has other weights, or the numbers are too many.
    """
    found = read_again(trace, RecordingPlan(hooks=(KEYS, VALUES), layers=(layer,)), report)
    if found.omitted:
        raise ValueError(f"The keys and values of one layer are too many: {found.omitted[0]}")
    return found


def _slot(desk: Desk, record: Record, trace: Trace) -> Slot | None:
    """What is known of the slot that was asked for last."""
    if record.name not in desk.ring_slot:
        return None
    layer, position = desk.ring_slot[record.name]
    if position >= len(trace):
        return None
    if records_slots(trace):
        keys, values = trace.keys(layer)[position], trace.values(layer)[position]
        return Slot(layer=layer, position=position, keys=keys, values=values)
    again = desk.reading
    if again is None or (again.run, again.layer) != (record.name, layer):
        return None
    task = again.task
    if task.result is not None:
        keys, values = task.result.keys(layer)[position], task.result.values(layer)[position]
        text = "Computed anew: the text was read again, since this run keeps no keys and values."
        return Slot(layer=layer, position=position, keys=keys, values=values, text=text)
    doing = f"{task.doing or 'reading the text again'}: {task.done:,} of {len(trace):,} tokens …"
    told = doing if task.running else actions.sentence(task.error or "no answer")
    return Slot(layer=layer, position=position, text=told)


def write_live(desk: Desk, event: Mapping[str, Any]) -> None:
    """Writes a recorded run once more, now with keys and values."""
    record = desk.records.get(str(event.get("run")))
    spec = actions.spec_of_recording(record) if record is not None else None
    if record is None or spec is None:
        desk.notice = "The model of this recording is not here, so it cannot be written again."
        return
    if spec.name in desk.records:
        desk.current = spec.name
    elif actions.write(desk, spec) and record.name in desk.at:
        desk.at[spec.name] = desk.at[record.name]


def measure(desk: Desk, event: Mapping[str, Any]) -> None:
    """Starts the measurement that the visitor asks for; what is known already is shown at once."""
    run = meant(desk, event)
    if run is None or not _known(run[1]):
        desk.notice = "The model of this run is not here, so nothing can be measured."
        return
    record, trace = run
    position, step = int(event["position"]), int(event["step"])
    if not 0 <= position < step < len(trace) or not all(rings_left(trace.config, position, step)):
        desk.notice = f"At step {step} the word at position {position} has not left all rings. Choose an earlier word."
        return
    question = Question(
        run=record.name,
        model=trace.model_name,
        ids=tuple(trace.token_ids[: step + 2].tolist()),
        position=position,
        step=step,
        word=str(event.get("word") or "").strip()[:40],
    )
    cancel(desk, {})
    desk.asking = Asking(question, Task(lambda report: answer(question, report)))


def cancel(desk: Desk, _event: Mapping[str, Any]) -> None:
    """Ends the measurement: on the page at once, in the background when the step under way is done."""
    if desk.asking is not None and desk.asking.task.running:
        desk.asking.stopped = True
        desk.asking.task.cancel()


def measuring(desk: Desk) -> bool:
    """Whether the page has to look again for an answer."""
    answering = desk.asking is not None and desk.asking.task.running and not desk.asking.stopped
    return answering or (desk.reading is not None and desk.reading.task.running)


def answer(question: Question, report: Any) -> Forgotten:
    """Replaces the word in float64, everything after it held fixed, and compares the predictions.

    Raises:
        ValueError: the replacement is no single token, or the same word.
    """
    from mistral_core.analysis.influence import default_replacement
    from mistral_core.analysis.push_back import forgotten, single_token

    report(0, 3, "loading the model in float64")
    config = compute.exact_model(question.model).config
    tokenizer, ids = compute.tokenizer(question.model), question.ids
    if question.word:
        replacement = single_token(tokenizer, question.word)
        if replacement == ids[question.position]:
            raise ValueError(f"{question.word!r} is the word itself; nothing would change. Choose another word")
    else:
        replacement = default_replacement(ids, question.position)
    report(1, 3, "reading the text")
    compute.reading_of(question.model, ids, ())
    report(2, 3, "reading it with the word replaced")
    influence = compute.forward_map(question.model, ids, question.position, replacement, ())
    found = forgotten(config, influence, question.step)
    label = tokenizer.label
    after = ids[question.step + 1] if question.step + 1 < len(ids) else None
    return {
        "status": "done",
        "position": question.position,
        "step": question.step,
        "original": label(ids[question.position]),
        "replacement": label(replacement),
        "chosen": bool(question.word),
        "distance": found.distance,
        "kl": found.kl,
        "kl_text": _nats(found.kl),
        "verdict": _verdict(found.kl),
        "next": "" if after is None else label(after),
        "before": None if after is None else found.before,
        "after": None if after is None else found.after,
    }


def _nats(kl: float) -> str:
    return "exactly 0 nats (KL)" if kl == 0 else f"{kl:.2g} nats (KL)"


def _verdict(kl: float) -> str:
    if kl == 0:
        return "Forgotten: not a single bit of the prediction changes."
    if kl < 1e-6:
        return "Gone in practice: a trace is there, and far too small to matter."
    return "Not quite forgotten: a faint trace." if kl < 1e-2 else "Not forgotten: later words carried it on."


def _told(desk: Desk, record: Record, trace: Trace) -> MeasuringForgotten | FailedForgotten | Forgotten | None:
    asking = desk.asking
    if asking is None or asking.question.run != record.name:
        return None
    question, task = asking.question, asking.task
    position, step = question.position, question.step
    if task.result is not None and not asking.stopped:
        return task.result
    if task.running and not asking.stopped:
        return {
            "status": "running",
            "position": position,
            "step": step,
            "done": task.done,
            "total": max(task.total, 1),
            "doing": task.doing,
        }
    error = "Cancelled." if asking.stopped else actions.sentence(task.error or "no answer")
    return {"status": "failed", "position": position, "step": step, "error": error}


def _known(trace: Trace) -> bool:
    """Whether the model that wrote this run is here, as far as its name and shape say."""
    try:
        return compute.config(trace.model_name) == trace.config
    except ValueError:
        return False


def bytes_table(config: MistralConfig, name: str) -> None:
    """Bytes of the ring beside what it would be without its window, without grouped queries, without both."""
    for title, shape in ((name, config), ("Mistral 7B (configuration only)", MISTRAL_7B)):
        window = ", ".join(str(w or "none") for w in dict.fromkeys(shape.windows))
        st.markdown(f"**{title}**: window {window}, {shape.n_kv_heads} key/value heads for {shape.n_heads} query heads")
        st.dataframe(
            [
                {
                    "tokens in the text": f"{row['tokens']:,}",
                    "allocated": size(row["allocated"]),
                    "used": size(row["used"]),
                    "without the window": size(row["no_window"]),
                    "without grouped queries": size(row["no_gqa"]),
                    "without both": size(row["neither"]),
                    "the window saves": f"{row['window_factor']:,.4g}×",
                }
                for row in bytes_rows(shape)
            ],
            hide_index=True,
        )
    st.caption(
        f"theory: sum over the layers of 2 × key/value heads × head width × min(W, tokens) × {BYTES_PER_NUMBER} bytes "
        "(bfloat16). At 32k tokens the formula gives the 8× that the paper reports for Mistral 7B."
    )
