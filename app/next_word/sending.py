"""What goes to the picture of next_word, and what it says: sliders, branches, another run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app import compute
from app.next_word.messages import Branch, BranchEntry, Open, Sliders
from app.next_word.payload import next_word_parts
from app.next_word.stages import LabelOf, StageBlock, recorded_block, stage_block
from app.next_word.state import NextWordState
from app.session import actions
from app.session.desk import Desk
from app.session.progress import coming
from app.session.runs import SAMPLING_FIELDS, Record
from app.session.sentence import sentence
from app.session.visible import Payload, VisibleRun, visible_run
from mistral_core.sampling import SamplingSettings, Stage, sampling_stages
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.compact import TOP_IDS
from mistral_core.trace.trace import LOGITS, Trace
from mistral_core.unsaid import unsaid_of

STAGES = "stages"
"""The alternatives, as a part of what is delivered; their key is the settings that were applied."""


def next_word_payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    visible = visible_run(desk)
    record, trace = visible.record, visible.trace
    page = desk.page_state(NextWordState)
    start, stop = page.delivery.span(record.name, len(trace), growing=visible.growing)
    stages = _stages(desk, visible, stop)
    parts = next_word_parts(
        trace,
        run=record.name,
        start=start,
        stop=stop,
        stages=stages,
        sampling=_sliders(desk.sampling) if LOGITS in trace.arrays else None,
        branches=[_entry(other) for other in desk.records.values()],
        at=desk.at.get(record.name),
        follow=desk.follow,
        answered=page.answered,
        **visible.growth(),
    )
    return Payload(parts, visible.waiting)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or much of it is still to be sent."""
    return coming(desk, desk.page_state(NextWordState).delivery)


def set_sampling(desk: Desk, event: Sliders) -> None:
    """Takes over what the sliders say; values out of bounds are ignored with a sentence."""
    try:
        desk.sampling = replace(
            desk.sampling, temperature=float(event["temperature"]), top_k=event["top_k"], top_p=float(event["top_p"])
        )
    except ValueError as error:
        desk.notice = sentence(error)


def branch(desk: Desk, event: Branch) -> None:
    """Another token is to stand at a position; where it cannot, the notice says why, and the picture that it asked."""
    desk.page_state(NextWordState).answered = event["n"]
    actions.branch(desk, event["run"], event["position"], event["token_id"])


def choose(desk: Desk, event: Open) -> None:
    """Another run of this session is to be shown."""
    actions.choose(desk, event["run"])


def _stages_key(desk: Desk, trace: Trace) -> str | None:
    """Names the settings that are applied; `None` = the run has nothing to apply them to."""
    if TOP_IDS in trace.arrays:
        return "recorded"
    if LOGITS not in trace.arrays:
        return None
    return "/".join(f"{getattr(desk.sampling, name):g}" for name in SAMPLING_FIELDS)


def _stages(desk: Desk, visible: VisibleRun, stop: int) -> StageBlock | None:
    """The alternatives that the browser lacks of the steps before `stop`; kept for when they are sent again."""
    page, record, trace = desk.page_state(NextWordState), visible.record, visible.trace
    key = _stages_key(desk, trace)
    if key is None:
        return None
    start = page.delivery.held(record.name, part=STAGES, key=key)
    if start >= stop:
        return None
    page.block = record.name, _grown(desk, trace, page.block_of(record.name, key), key, start, stop)
    return page.block[1]


def _grown(desk: Desk, trace: Trace, known: StageBlock | None, key: str, start: int, stop: int) -> StageBlock:
    """The alternatives of `[start, stop)`; those that were sent already are not computed again."""
    if known is None or not known.start <= start < known.stop or known.stop > stop:
        return _block(desk, trace, key, start, stop)
    known = known.since(start)
    return known if known.stop == stop else known.followed_by(_block(desk, trace, key, known.stop, stop))


def _block(desk: Desk, trace: Trace, key: str, start: int, stop: int) -> StageBlock:
    if TOP_IDS in trace.arrays:
        return recorded_block(trace, start, stop)

    tokenizer = _tokenizer(trace)
    unsaid = unsaid_of(tokenizer) if trace.settings.get("unsaid") and tokenizer is not None else None

    def stages_of(logits: np.ndarray, history: Sequence[int]) -> list[Stage]:
        held_back = None if unsaid is None else unsaid.held_back(history)
        return sampling_stages(logits, desk.sampling, history, held_back)

    return stage_block(trace, stages_of, key=key, start=start, stop=stop, label_of=_labels(trace, tokenizer))


def _entry(record: Record) -> BranchEntry:
    return {
        "run": record.name,
        "label": record.label,
        "at": record.branched_at,
        "token": record.branched_to,
        "parent": record.parent,
    }


def _tokenizer(trace: Trace) -> Tokenizer | None:
    """Of the model that wrote a run; `None` where it is not here."""
    try:
        tokenizer = compute.tokenizer(trace.model_name)
    except ValueError:
        return None
    return tokenizer if tokenizer.vocab_size == trace.config.vocab_size else None


def _labels(trace: Trace, tokenizer: Tokenizer | None) -> LabelOf:
    if tokenizer is not None:
        return tokenizer.label
    known = dict(zip(trace.token_ids.tolist(), trace.token_labels, strict=True))
    return lambda token: known.get(token, f"#{token}")  # a foreign model's vocabulary is not here


def _sliders(sampling: SamplingSettings) -> Sliders:
    return {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
