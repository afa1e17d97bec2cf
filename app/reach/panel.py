"""What the page `reach` does: takes a question about the state grid, has it measured, packs the answer.

A question that cannot be answered leaves the last picture and puts one sentence beside it. Maps are
kept in `compute`; a growing text is read only as far as a change can travel, so that an answer that
is complete stays valid while the text goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from app import compute
from app.reach.measure import Measuring, begin
from app.reach.payload import Choice, Measured, choice_from_query, first_choice, reach_parts, too_short
from app.session import actions
from app.session.runs import Record, RunSpec
from app.session.state import Desk
from app.session.visible import Payload, meant, shown
from mistral_core.trace import Trace

OPTIONS = 24
PATIENCE = 1.0
"""Seconds that a picture waits for its measurement; after them theory is shown, and how far the work is."""
Answer = tuple[Choice, Measured | None, str]


def opening(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over the reading that a URL names; called once for each link that is followed."""
    record = desk.record
    if record is None or "reading" not in query:
        return
    try:
        choice = choice_from_query(query)
        desk.reach.setdefault(record.name, {}).update(choice=choice, asked=0, message="", own=True)
    except ValueError as error:
        desk.notice = str(error)


def question(desk: Desk) -> dict[str, str]:
    """What is asked of the shown run, as the parameters of a URL."""
    record = desk.record
    choice = desk.reach.get(record.name, {}).get("choice") if record is not None else None
    return choice.query() if choice is not None else {}


def _meant(desk: Desk, event: Mapping[str, Any]) -> tuple[Record, Trace, dict[str, Any]] | None:
    """The run that the browser speaks of, and what is remembered of it; `None` = it is gone, or has no text yet."""
    run = meant(desk, event)
    return None if run is None else (*run, desk.reach.setdefault(run[0].name, {}))


def ask(desk: Desk, event: Mapping[str, Any]) -> None:
    """Takes a question of the browser; one that makes no sense changes nothing but the sentence."""
    run = _meant(desk, event)
    if run is None:
        return
    record, trace, kept = run
    kept["asked"], kept["message"] = int(event.get("n") or 0), ""
    if event.get("at"):
        actions.settle(desk, {"run": record.name, **event["at"]})
        if not kept.get("own"):  # what nobody asked for begins anew, at the place
            kept.update(choice=None, shown=None)
        return
    try:
        choice = Choice(
            reading=str(event["reading"]),
            source=int(event["source"]),
            target=int(event["target"]),
            replacement=None if event.get("replacement") is None else int(event["replacement"]),
            cut=str(event.get("cut") or ""),
            window=None if event.get("window") is None else int(event["window"]),
        ).inside(trace.config, len(trace))
        if event.get("word"):
            choice = replace(choice, replacement=_token_of(trace, str(event["word"])))
    except (KeyError, TypeError, ValueError) as error:
        kept["message"] = actions.sentence(error)
        return
    kept["choice"], kept["stopped"], kept["own"] = choice, None, True
    place = desk.at.get(record.name, {})
    layer = min(int(event.get("layer") or 0), trace.config.n_layers - 1)
    desk.at[record.name] = {**place, "t": choice.anchor, "layer": layer, "head": place.get("head", -1)}


def payload(desk: Desk) -> Payload:
    """The shown run with its reading; a text of one token has nothing to ask about."""
    here = shown(desk, least=2)
    record, trace, growing = here.record, here.trace, here.growing
    kept = desk.reach.setdefault(record.name, {})
    choice, measured, label = _answer(desk, record, trace, kept, growing)
    place = desk.at.get(record.name, {})
    problem = refusal(trace)
    parts = reach_parts(
        trace,
        choice,
        measured,
        run=record.name,
        asked=kept.get("asked", 0),
        status="running" if growing else "done",
        message=kept.get("message", "") or problem,
        layer=place.get("layer"),
        replacement=label,
        options=options(trace, choice.source) if not problem else (),
        can_measure=not problem,
        goes_on=_longer(record, trace, 0) is not None,
        doing=_doing(kept),
        stopped=kept.get("stopped") == choice,
    )
    return Payload(parts, here.waiting)


def _answer(desk: Desk, record: Record, trace: Trace, kept: dict[str, Any], growing: bool) -> Answer:
    """What was asked, else what was shown before, else where a visitor starts.

    A link may ask for a place that is still being written: it keeps its turn, and comes when the text is there.
    """
    place = desk.at.get(record.name, {})
    start = first_choice(trace.config, len(trace), trace.n_prompt, place.get("t"))
    unread = growing and kept.get("choice") is None and (place.get("t") or 0) >= len(trace)
    later = unread or (growing and _comes_later(record, trace, kept.get("choice")))
    for choice in (None if later else kept.get("choice"), kept.get("shown"), start):
        if choice is None:
            continue
        try:
            choice.inside(trace.config, len(trace))
            measured, label = _measured(trace, choice, kept, growing) if not refusal(trace) else (None, "")
        except ValueError as error:
            kept["message"] = kept.get("message") or actions.sentence(error)
            continue
        if not unread and (measured is not None or refusal(trace)):
            kept["shown"] = choice
        if not later:
            kept["choice"] = choice
        return choice, measured, label
    return start, None, ""


def _comes_later(record: Record, trace: Trace, choice: Choice | None) -> bool:
    """Whether a choice lies beyond what is written so far, but not beyond what will be."""
    if choice is None or record.spec is None or max(choice.source, choice.target) < len(trace):
        return False
    try:
        choice.inside(trace.config, trace.n_prompt + record.spec.new_tokens)
    except ValueError:
        return False
    return True


def _measured(trace: Trace, choice: Choice, kept: dict[str, Any], growing: bool) -> tuple[Measured | None, str]:
    """The answer if it is there, or comes soon; what is still being worked on for another question is ended.

    While a text grows, the work on a shorter one is let come to its end: else it never would.

    Raises:
        ValueError: as `measure`.
    """
    work: Measuring | None = kept.get("work")
    same = work is not None and work.choice == choice
    if work is not None and not (same and (work.length == len(trace) or (growing and work.task.running))):
        work.task.cancel()
        work = None
    if kept.get("stopped") == choice:
        return None, ""
    if work is None:
        work = kept["work"] = begin(trace, choice, growing=growing)
    work.task.join(PATIENCE)
    if work.task.error:
        raise ValueError(work.task.error)
    if work.task.result is not None:
        kept["answer"] = (choice, work.task.result)
    before = kept.get("answer")
    return before[1] if before is not None and before[0] == choice else (None, "")


def _doing(kept: Mapping[str, Any]) -> tuple[int, int, str] | None:
    work: Measuring | None = kept.get("work")
    if work is None or not work.task.running:
        return None
    return work.task.done, work.task.total, work.task.doing


def measuring(desk: Desk) -> bool:
    """Whether an answer of the shown run is still being worked on, so that the page has to look again."""
    record = desk.record
    work = desk.reach.get(record.name, {}).get("work") if record is not None else None
    return work is not None and work.task.running


def act(desk: Desk, event: Mapping[str, Any]) -> None:
    """A button in the picture: have more of the text written, stop measuring, measure after all."""
    run = _meant(desk, event)
    if run is None:
        return
    record, trace, kept = run
    if event.get("what") == "write":
        _write_on(desk, record, trace, kept)
    elif event.get("what") == "again":
        kept["stopped"] = None
    elif event.get("what") == "stop" and (work := kept.get("work")) is not None:
        kept["stopped"] = work.choice
        work.task.cancel()
        kept["work"] = None


def _write_on(desk: Desk, record: Record, trace: Trace, kept: Mapping[str, Any]) -> None:
    """The same run, longer, with the same question; written anew, it begins with the same tokens."""
    if record.job is not None and record.job.status == "paused":
        actions.press(desk, "resume")
        return
    choice = kept.get("choice") or first_choice(trace.config, len(trace), trace.n_prompt, None)
    short = too_short(trace.config, choice, len(trace))
    spec = _longer(record, trace, short.more if short is not None else 0)
    if spec is None or short is None or not short.more:
        return
    desk.reach[spec.name] = {"choice": choice, "asked": 0, "own": True}
    desk.at[spec.name] = dict(desk.at.get(record.name, {}))
    if spec.name in desk.records:
        desk.current = spec.name
    else:
        actions.write(desk, spec)


def _longer(record: Record, trace: Trace, more: int) -> RunSpec | None:
    """The run that goes on for `more` tokens; `None` = its model is not here, or it has come to its own end."""
    spec = record.spec or actions.spec_of_recording(record)
    if spec is not None and record.job is not None and record.job.status == "paused":
        return spec
    if spec is None or len(trace) < trace.n_prompt + spec.new_tokens:
        return None
    return replace(spec, new_tokens=spec.new_tokens + more)


def refusal(trace: Trace) -> str:
    """Why nothing can be measured on this run; "" if it can."""
    name = trace.model_name
    if name not in compute.registry.browser_models():
        return f"The model that wrote this text ({name}) is not here: only theory is shown."
    try:
        loaded = compute.engine().model(name)
    except (ImportError, ValueError) as error:
        return actions.sentence(error)
    if trace.model_hash != loaded.model_hash:
        return f"This text was written by other weights than those of {name} here: only theory is shown."
    return ""


def options(trace: Trace, source: int) -> list[tuple[int, str]]:
    """Other tokens of the text to put in the place of the source: the most frequent whole words first."""
    ids, counts = np.unique(trace.token_ids, return_counts=True)
    tokenizer = compute.tokenizer(trace.model_name)
    found = []
    for token in ids[np.argsort(-counts, kind="stable")].tolist():
        label = tokenizer.text(token)
        if token != int(trace.token_ids[source]) and label.strip().isalpha() and len(label.strip()) > 2:
            found.append((token, label.strip()))
    return found[:OPTIONS]


def _token_of(trace: Trace, word: str) -> int:
    from mistral_core.analysis.push_back import single_token

    return single_token(compute.tokenizer(trace.model_name), word)
