"""What can be done on the desk: write, pause, step, stop, go on, branch, choose. No layout.

Every action leaves what was there in place if it fails, and puts one plain sentence into
`Desk.notice`. The engine does the work; nothing here waits for it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app import compute, log
from app.session import budget
from app.session.desk import Desk
from app.session.files import spec_of, spec_of_recording
from app.session.progress import progress_of, trace_of
from app.session.prompts import check_prompt, prompt_ids
from app.session.runs import DEFAULT_NEW_TOKENS, DEFAULT_SAMPLING, SAMPLING_FIELDS, Record, RunSpec
from app.session.sentence import sentence
from app.shared.messages import At, OfRunHere

if TYPE_CHECKING:
    from mistral_core.serving.engine import Job
    from mistral_core.trace.trace import Trace


def write(desk: Desk, spec: RunSpec, *, pace: float | None = None, paused: bool = False) -> bool:
    """Starts a run and shows it. A run that is being written is paused, not lost.

    Args:
        pace: tokens per second at most; 0 = as fast as it can, `None` = the desk's.
    """
    if problem := check_prompt(spec):
        desk.notice = problem
        return False
    if spec.name in desk.records and desk.records[spec.name].job is not None:
        desk.current = spec.name
        if _ended_by(desk.records[spec.name]) == "cancelled":
            return go_on(desk)
        desk.notice = (
            "This text is here already: same prompt, settings and seed. Change the seed for another one, "
            "or press “Go on” for more of this one."
        )
        return False
    return _submit(desk, spec, parent=None, pace=desk.pace if pace is None else pace, paused=paused, label=_label(spec))


def _submit(
    desk: Desk,
    spec: RunSpec,
    *,
    parent: Record | None,
    pace: float,
    paused: bool = False,
    label: str,
    beside: bool = False,
    **branch: Any,
) -> bool:
    """Starts a run and shows it; `beside`: what is shown stays, and goes on being written."""
    job = _started(desk, spec, trace_of(parent), pace=pace, paused=paused, alone=not beside)
    if job is None:
        return False
    name = parent.name if parent is not None else None
    desk.add(Record(name=spec.name, label=label, spec=spec, job=job, parent=name, **branch), show=not beside)
    return True


def write_beside(desk: Desk, spec: RunSpec) -> bool:
    """Starts a run, unless it is here, and lays it beside the shown one, which goes on."""
    if problem := check_prompt(spec):
        desk.notice = problem
        return False
    if spec.name == desk.current:
        desk.notice = "That is the text itself; change its model, its window or its words to compare it with another."
        return False
    laid = spec.name in desk.records or _submit(desk, spec, parent=None, pace=0.0, label=_label(spec), beside=True)
    if laid:
        desk.lay_beside(spec.name)
    return laid


def _started(
    desk: Desk, spec: RunSpec, shared: Trace | None, *, pace: float, paused: bool = False, alone: bool = True
) -> Job | None:
    """A job of the engine; `None`, with a notice, where it refuses. `alone`: what else is being written is paused."""
    from mistral_core.serving.engine import RefusalError

    engine = compute.engine()
    try:
        request = spec.request(prompt_ids(spec))
        if problem := budget.refusal(desk, spec, len(request.prompt_ids)):
            raise RefusalError(problem, "bytes of texts")
        if seconds := desk.rate.wait():
            raise RefusalError(
                f"many texts were begun here just now; the next one can begin in {seconds} s", "texts a minute"
            )
        if alone:
            pause_others(desk)
        job = engine.submit(desk.session, spec.model, request, parent=shared, pace=pace or math.inf, paused=paused)
    except (RefusalError, ValueError) as error:
        desk.notice = sentence(error)
        log.refused(error.limit if isinstance(error, RefusalError) else type(error).__name__)
        return None
    log.follow(job)
    return job


def _ended_by(record: Record) -> str:
    """Why the engine wrote no further: "length", "eos", "stop_string" or "cancelled"; empty if it may go on."""
    progress = progress_of(record)
    return progress.finish_reason if progress is not None and progress.status == "done" else ""


def can_go_on(desk: Desk) -> bool:
    """Whether the shown run has ended and could be longer: it was stopped, or is as long as it was asked for."""
    return desk.record is not None and _ended_by(desk.record) in ("cancelled", "length")


def go_on(desk: Desk) -> bool:
    """Continues the shown run from where it ended, as if it had never ended: each draw belongs to its position.

    A stopped run is written to the length that it was asked for; a finished one becomes a longer one, by as many
    tokens as the next run would have, beside the one that was there.
    """
    record, trace = desk.record, trace_of(desk.record)
    if record is None or record.spec is None or not can_go_on(desk):
        return False
    if _ended_by(record) == "cancelled":
        job = _started(desk, record.spec, trace, pace=desk.pace)
        record.job = job or record.job
        return job is not None
    more = replace(record.spec, new_tokens=record.spec.new_tokens + (desk.length or DEFAULT_NEW_TOKENS))
    if more.name in desk.records:
        choose(desk, more.name)
        return True
    begun = _submit(desk, more, parent=record, pace=desk.pace, label=_label(more))
    if begun and record.name in desk.at:
        desk.at[more.name] = desk.at[record.name]
    return begun


def pause_others(desk: Desk) -> None:
    """Pauses what this session is writing; it can be resumed from the list of runs."""
    for record in desk.records.values():
        if record.job is not None and record.job.status not in ("done", "failed", "expired", "paused"):
            compute.engine().pause(record.job)


def branch(desk: Desk, run: str, position: int, token: int) -> None:
    """Starts the run in which another token stands at a position, as if it had been drawn there."""
    record = desk.records.get(run)
    if record is None:
        desk.notice = "That run is no longer here; choose another one."
        return
    spec = spec_of(record)
    if spec is None:
        desk.notice = f"{_not_again(record)}, so it cannot branch."
        return
    new = spec.branch(position, token)
    if new.name in desk.records:
        choose(desk, new.name)
        return
    label = compute.tokenizer(new.model).label(token)
    _submit(desk, new, parent=record, pace=desk.pace, label=label, branched_at=position, branched_to=label)


def press(desk: Desk, button: str) -> None:
    """Pause, resume, step or stop the run that is shown."""
    job = desk.record.job if desk.record is not None else None
    if job is None:
        return
    engine = compute.engine()
    desk.follow += button in ("resume", "step")
    if button == "resume":
        if can_go_on(desk):
            go_on(desk)
            return
        pause_others(desk)
    try:
        {"pause": engine.pause, "resume": engine.resume, "step": engine.step, "stop": engine.cancel}[button](job)
    except ValueError as error:
        desk.notice = sentence(error)


def write_recorded(desk: Desk, event: OfRunHere) -> None:
    """Writes a recorded run once more, now with keys and values; the visitor stays where he was in it."""
    record = desk.records.get(event["run"])
    spec = spec_of_recording(record) if record is not None else None
    if record is None or spec is None:
        desk.notice = f"{_not_again(record)}, so it cannot be written again."
        return
    if spec.name in desk.records:
        choose(desk, spec.name)
    elif not write(desk, spec):
        return
    settle(desk, {"run": spec.name, "t": event["t"], "layer": event["layer"], "head": event["head"]})


def settle(desk: Desk, event: At) -> None:
    """The playhead has come to rest: this place goes into the URL."""
    desk.at[event["run"]] = {"t": event["t"], "layer": event["layer"], "head": event["head"]}


def choose(desk: Desk, run: str) -> None:
    """Shows another run of this session; one that was let go to make room is written again."""
    if run not in desk.records:
        return
    desk.current, record = run, desk.records[run]
    if record.spec is not None and record.job is None and record.trace is None:
        record.job = _started(desk, record.spec, None, pace=0.0)


def _label(spec: RunSpec) -> str:
    words = " ".join(spec.text.split()[:4])
    changed = [
        f"{name.replace('_', ' ')} {getattr(spec.sampling, name):g}"
        for name in SAMPLING_FIELDS
        if getattr(spec.sampling, name) != getattr(DEFAULT_SAMPLING, name)
    ]
    return ", ".join([f"{words}… seed {spec.seed}", *changed])


def _not_again(record: Record | None) -> str:
    """Why a recording is no request."""
    name = record.trace.model_name if record is not None and record.trace is not None else "unknown"
    if compute.registry.offered(name):
        return "This recording begins with tokens that no typed text becomes, as a chat does"
    return f"The model that made this recording is not here ({name})"
