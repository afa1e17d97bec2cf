"""What the page `next_word` does besides its layout and the actions of the desk: what goes to the player."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import compute
from app.next_word.messages import BranchEntry, Sliders
from app.next_word.payload import next_word_parts
from app.next_word.stages import StageBlock, recorded_block, stage_block
from app.session.runs import SAMPLING_FIELDS, Record
from app.session.state import Desk
from app.session.visible import Payload, Shown, shown
from mistral_core.sampling import SamplingSettings, Stage, sampling_stages
from mistral_core.trace import LOGITS, Trace
from mistral_core.trace_compact import TOP_IDS


def payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    here = shown(desk)
    record, trace = here.record, here.trace
    known = _held(desk, here)
    start = min(known[0], len(trace))
    block = _stages(desk, trace, known)
    if block is not None:
        known = (known[0], block.key, block.stop)
    desk.sent[record.name] = [*desk.sent.get(record.name, [])[-1:], (len(trace), *known[1:])]
    parts = next_word_parts(
        trace,
        run=record.name,
        start=start,
        stages=block,
        sampling=_sliders(desk.sampling) if LOGITS in trace.arrays else None,
        branches=[_entry(other) for other in desk.records.values()],
        current=record.name,
        at=desk.at.get(record.name),
        follow=desk.follow,
        **here.growth(),
    )
    return Payload(parts, here.waiting)


def _held(desk: Desk, here: Shown) -> tuple[int, str, int]:
    """What the browser holds of a run: tokens, and alternatives under a key.

    What it has acknowledged; while the run grows, also what was sent before the latest payload:
    a single lost payload is healed by the next one, and a larger gap makes the browser ask.
    """
    name = here.record.name
    told = desk.acknowledged.get(name, {})
    held = int(told.get("to") or 0), str(told.get("stages_key")), int(told.get("stages_to") or 0)
    sent = desk.sent.get(name, [])
    if len(sent) < 2 or not here.growing:
        return held
    to, key, stages_to = sent[-2]
    return max(held[0], to), key, max(held[2], stages_to) if held[1] == key else stages_to


def _stages(desk: Desk, trace: Trace, held: tuple[int, str, int]) -> StageBlock | None:
    key = "recorded" if TOP_IDS in trace.arrays else "/".join(f"{getattr(desk.sampling, f):g}" for f in SAMPLING_FIELDS)
    start = held[2] if held[1] == key else 0
    if start >= len(trace):
        return None
    if TOP_IDS in trace.arrays:
        return recorded_block(trace, start, len(trace))
    if LOGITS not in trace.arrays:
        return None

    def stages_of(logits: Any, history: Any) -> list[Stage]:
        return sampling_stages(logits, desk.sampling, history)

    label_of = _labels(trace)
    return stage_block(trace, stages_of, key=key, start=start, stop=len(trace), label_of=label_of)


def _entry(record: Record) -> BranchEntry:
    return {
        "run": record.name,
        "label": record.label,
        "at": record.branched_at,
        "token": record.branched_to,
        "parent": record.parent,
    }


def _labels(trace: Trace) -> Any:
    try:
        tokenizer = compute.tokenizer(trace.model_name)
        if tokenizer.vocab_size == trace.config.vocab_size:
            return tokenizer.label
    except ValueError:
        pass
    known = dict(zip(trace.token_ids.tolist(), trace.token_labels, strict=True))
    return lambda token: known.get(token, f"#{token}")  # a foreign model's vocabulary is not here


def _sliders(sampling: SamplingSettings) -> Sliders:
    return {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}


def acknowledge(desk: Desk, event: Mapping[str, Any]) -> None:
    """The browser says what it holds."""
    desk.acknowledged[str(event["run"])] = dict(event)


def send_again(desk: Desk, event: Mapping[str, Any]) -> None:
    """The browser lacks tokens from some position on; they go with the next payload."""
    run = str(event.get("run"))
    desk.acknowledged[run] = {"to": int(event.get("from") or 0)}
    desk.sent.pop(run, None)
