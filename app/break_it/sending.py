"""What goes to the picture of break_it: the whole text, the map of one prediction, and the changed run beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from app import compute
from app.break_it.making import check_words
from app.break_it.measure import change, map_of
from app.break_it.messages import Level
from app.break_it.payload import Changed, Mapped, break_parts
from app.break_it.question import Choice, first_choice
from app.break_it.state import BreakState, RunQuestions
from app.session.desk import Desk
from app.session.progress import writing
from app.session.rereading import refusal
from app.session.sentence import sentence
from app.session.visible import Payload, VisibleRun, visible_run
from app.session.work import Work, Workshop
from mistral_core.analysis.progress import Report
from mistral_core.trace.trace import Trace

Result = TypeVar("Result")

PATIENCE = 0.2
"""Seconds that a picture waits for the map, and for the changed run; after them it says how far the work is. Together
much less than the page takes to look again: a look that the next one overtakes takes the picture off the page."""
LATER = "What is measured comes when the text has been written."


@dataclass(frozen=True)
class Reply:
    """What is shown: a choice, what is known of it, and the work under way."""

    choice: Choice
    mapped: Mapped | None = None
    changed: Changed | None = None
    mapping: Work[Mapped] | None = None
    changing: Work[Changed] | None = None


def break_payload(desk: Desk) -> Payload:
    """The shown run with its map and its changed copy; a text of one token has nothing to ask about."""
    visible = visible_run(desk, least=2)
    record, trace = visible.record, visible.trace
    page = desk.page_state(BreakState)
    questions = page.of(record.name)
    problem = refusal(trace, "nothing can be changed in it")
    reply = _reply(desk, visible, questions, page, can_measure=not problem)
    running = [work for work in (reply.mapping, reply.changing) if work is not None]
    parts = break_parts(
        trace,
        reply.choice,
        reply.mapped,
        reply.changed,
        run=record.name,
        asked=questions.number,
        status="running" if visible.growing else "done",
        message=questions.message or problem or (LATER if visible.growing else ""),
        can_measure=not problem,
        chosen_for=questions.filled or reply.choice.changes is None,
        mapping=reply.mapping.progress if reply.mapping else None,
        changing=reply.changing.progress if reply.changing else None,
        stopped=questions.stopped is not None and questions.stopped == questions.choice,
        label=_label(trace, reply),
    )
    return Payload(parts, visible.waiting, unfinished=bool(running))


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or something is worked on."""
    page = desk.page_state(BreakState)
    return desk.record is not None and (writing(desk) or page.maps.running or page.effects.running)


def _reply(desk: Desk, visible: VisibleRun, questions: RunQuestions, page: BreakState, *, can_measure: bool) -> Reply:
    """What was asked, else where a visitor starts; measured if the run is complete and its model is here."""
    record, trace = visible.record, visible.trace
    place = desk.at.get(record.name)
    start = first_choice(len(trace), trace.n_prompt, place["t"] if place else None)
    if questions.choice is not None:
        try:
            asked = questions.choice.inside(trace.config, len(trace))
            if can_measure:
                check_words(trace, asked)
            start = asked
        except ValueError as error:
            if visible.growing:  # a link may ask for a place that is still being written
                return Reply(start)
            questions.message = questions.message or sentence(error)
            questions.choice = None
    if visible.growing or not can_measure:
        return Reply(start)
    choice = questions.choice = start
    if questions.stopped == choice:
        return Reply(choice)
    try:
        return _measured(trace, f"{record.name}/{trace.model_hash[:8]}/{len(trace)}", choice, questions, page)
    except ValueError as error:
        questions.message = questions.message or sentence(error)
        return Reply(questions.choice)


def _measured(trace: Trace, name: str, choice: Choice, questions: RunQuestions, page: BreakState) -> Reply:
    """The map first; where nothing is chosen, its strongest head is; then the changed run.

    Raises:
        ValueError: what the work failed with.
    """
    level = cast(Level, choice.level)
    mapping = _started(
        page.maps, f"{name}/{choice.target}/{level}", lambda report: map_of(trace, choice.target, level, report)
    )
    mapped = mapping.result
    if choice.changes is None and mapped is not None:
        choice, questions.filled = replace(choice, changes=(mapped.strongest(),)), True
        questions.choice = choice
    changing = None
    if choice.changes:
        changing = _started(page.effects, f"{name}/{choice}", lambda report: change(trace, choice, report))
    return Reply(
        choice,
        mapped,
        changing.result if changing else None,
        mapping if mapping.running else None,
        changing if changing and changing.running else None,
    )


def _started(workshop: Workshop[Result], name: str, work: Callable[[Report], Result]) -> Work[Result]:
    """The work of this name.

    Raises:
        ValueError: it failed; the sentence says why.
    """
    started = workshop.begun(name, work, PATIENCE)
    started.raise_error()
    return started


def _label(trace: Trace, reply: Reply) -> str:
    """The token that is meant, printable; "" while it is not known."""
    at = reply.choice.target + 1
    if at < len(trace):
        return trace.token_labels[at]
    return compute.tokenizer(trace.model_name).label(reply.mapped.token) if reply.mapped else ""
