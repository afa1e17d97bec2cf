"""What goes to the picture of shared_heads: the run, what it lacks of a layer, and what one KV head changes."""

from __future__ import annotations

from functools import lru_cache

from app.session.desk import Desk
from app.session.progress import coming
from app.session.rereading import model_is_there, read_again
from app.session.sentence import sentence
from app.session.visible import Payload, VisibleRun, visible_run
from app.session.work import Work
from app.shared.messages import Code
from app.shared.source import source_of
from app.shared_heads.asking import away_name, inside, measure
from app.shared_heads.messages import NotTaken, Question, TakenAway, TakingAway
from app.shared_heads.payload import (
    MORE_BUDGET,
    Away,
    More,
    beside_parts,
    by_head,
    keeps,
    more_bytes,
    more_of,
    own_parts,
)
from app.shared_heads.state import SharedHeadsState
from app.wire import Parts
from mistral_core.analysis.progress import Report
from mistral_core.attention import Attention
from mistral_core.trace.trace import KEYS, PATTERN, VALUES, RecordingPlan, Trace

PATIENCE = 0.1
"""Seconds that a picture waits for work that it begins; less than the page takes to look again."""
MARKS = {
    "group": (
        "repeats = self.n_heads // self.n_kv_heads",
        "grouped = q.view(",
        "grouped = grouped.reshape(",
        "scores = torch.bmm(grouped",
        "z = torch.bmm(pattern.reshape(",
    )
}
"""Lines of `Attention.attend` in which the heads of a group read the same keys and values."""
MORE, AWAY = "more", "away"
"""What is delivered beside the tokens: it is there whole (1) under its key, or not."""


def shared_heads_payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    visible = visible_run(desk)
    record, trace = visible.record, visible.trace
    page = desk.page_state(SharedHeadsState)
    start, stop = page.delivery.span(record.name, len(trace), growing=visible.growing)
    at = desk.at.get(record.name)
    own = own_parts(trace, run=record.name, start=start, stop=stop, at=at, **visible.growth())
    more, note = _more(page, visible, own)
    away, numbers = _away(page, visible)
    parts = own | beside_parts(
        own,
        head_dim=trace.config.head_dim,
        measurable=model_is_there(trace),
        note=note,
        more=more,
        away=away,
        numbers=numbers,
        codes=[] if start else [_code()],
    )
    return Payload(parts, visible.waiting, unfinished=page.readings.running or page.away.running)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or something is worked on."""
    page = desk.page_state(SharedHeadsState)
    return coming(desk, page.delivery) or page.readings.running or page.away.running


@lru_cache(maxsize=1)
def _code() -> Code:
    """Read once: a picture is sent many times."""
    return source_of(Attention.attend, MARKS)


def _more(page: SharedHeadsState, visible: VisibleRun, own: Parts) -> tuple[More | None, str]:
    """What the run lacks of the layer that was asked for, or what is done about it, in a sentence."""
    record, trace = visible.record, visible.trace
    layer = page.layers.get(record.name)
    if layer is None:
        return None, ""
    lacks = {"weights": not by_head(own, layer), "slots": "keys" not in own.arrays}
    if not any(lacks.values()):
        return None, ""
    if visible.growing:
        return None, "What each head looks at, and the stored numbers, come when the text has been written."
    one = more_bytes(trace, **lacks)
    if one > MORE_BUDGET:
        return None, f"One layer of this text needs {one:,} bytes; at most {MORE_BUDGET:,} are sent. Shorten the text."
    layers = _alike(trace, own, layer, lacks["weights"]) if one * trace.config.n_layers <= MORE_BUDGET else (layer,)
    name = f"{record.name}/{trace.model_hash[:8]}/{len(trace)}/{','.join(map(str, layers))}"
    if page.delivery.held(record.name, part=MORE, key=name):
        return None, ""
    if all(keeps(trace, index, **lacks) for index in layers):
        return more_of(trace, name, layers, again=False, **lacks), ""
    if not model_is_there(trace):
        return None, "This run keeps neither keys nor values, and the model that wrote it is not here."
    work = _reading(page, trace, name, layers, lacks)
    if work.result is not None:
        return more_of(work.result, name, layers, again=True, **lacks), ""
    return None, work.error or "Reading the text again: this run keeps no keys and values …"


def _alike(trace: Trace, own: Parts, layer: int, weights: bool) -> tuple[int, ...]:
    """All layers, if they lack the same; else the one that was asked for."""
    every = tuple(range(trace.config.n_layers))
    return every if all(by_head(own, index) != weights for index in every) else (layer,)


def _reading(
    page: SharedHeadsState, trace: Trace, name: str, layers: tuple[int, ...], lacks: dict[str, bool]
) -> Work[Trace]:
    """The text read again, begun if it was not; what ends soon is waited for."""
    work = page.readings.get(name)
    if work is None or work.cancelled:
        hooks = ((KEYS, VALUES) if lacks["slots"] else ()) + ((PATTERN,) if lacks["weights"] else ())
        plan = RecordingPlan(hooks=hooks, layers=layers)
        work = page.readings.start(name, lambda report: _read(trace, plan, report))
        work.task.join(PATIENCE)
    return work


def _read(trace: Trace, plan: RecordingPlan, report: Report) -> Trace:
    """The text read again.

    Raises:
        ValueError: the model here has other weights, or the numbers are too many.
    """
    again = read_again(trace, plan, report)
    if again.omitted:
        raise ValueError(f"The numbers of these layers are too many: {again.omitted[0]}")
    return again


def _away(page: SharedHeadsState, visible: VisibleRun) -> tuple[TakingAway | NotTaken | TakenAway | None, Away | None]:
    """The state of the measurement, and its numbers where the browser lacks them."""
    record, trace = visible.record, visible.trace
    asked = page.taking.get(record.name)
    if asked is None:
        return None, None
    question: Question = {"layer": asked.layer, "kv_head": asked.kv_head, "takes": asked.takes}
    problem = ""
    try:
        inside(asked, trace.config)
    except ValueError as error:
        problem = sentence(error)
    if visible.growing:
        problem = problem or "It is measured when the text has been written."
    elif not model_is_there(trace):
        problem = problem or "The model that wrote this text is not here, so nothing can be taken out of it."
    if problem:
        return {**question, "status": "failed", "error": problem}, None
    name = away_name(record.name, trace, asked)
    work = page.away.get(name)
    if work is None:
        work = page.away.start(name, lambda report: measure(trace, asked, report))
        work.task.join(PATIENCE)
    if (numbers := work.result) is not None:
        lacks = not page.delivery.held(record.name, part=AWAY, key=name)
        labels = {str(one): label for one, label in numbers.labels.items()} if lacks else {}
        return {**question, "status": "done", "key": name, "labels": labels}, numbers if lacks else None
    if work.error:
        return {**question, "status": "failed", "error": work.error}, None
    done, total, doing = work.progress
    return {**question, "status": "running", "done": done, "total": total, "doing": doing}, None
