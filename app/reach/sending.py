"""What goes to the picture of reach: the whole text with one reading, measured in the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app import compute
from app.reach.asking import longer
from app.reach.measure import measure
from app.reach.payload import Measured, reach_parts
from app.reach.question import Choice, first_choice
from app.reach.state import Answer, Measuring, ReachState, RunQuestions
from app.session.desk import Desk
from app.session.progress import writing
from app.session.rereading import refusal
from app.session.runs import Record
from app.session.sentence import sentence
from app.session.visible import Payload, VisibleRun, visible_run
from app.session.work import Workshop
from mistral_core.trace.trace import Trace

OPTIONS = 24
"""Words that are offered in the place of the source."""
THEORY = "only theory is shown"
"""Where the model that wrote a text is not here."""
PATIENCE = 1.0
"""Seconds that a picture waits for its measurement; after them theory is shown, and how far the work is."""


@dataclass(frozen=True)
class Reply:
    """What is shown: a choice, its measurement if there is one, the printable replacement, and whether more comes."""

    choice: Choice
    measured: Measured | None = None
    replacement: str = ""
    pending: bool = False


def reach_payload(desk: Desk) -> Payload:
    """The shown run with its reading; a text of one token has nothing to ask about."""
    visible = visible_run(desk, least=2)
    record, trace = visible.record, visible.trace
    page = desk.page_state(ReachState)
    questions = page.of(record.name)
    reply = _reply(desk, visible, questions, page.answers)
    place = desk.at.get(record.name)
    problem = refusal(trace, THEORY)
    parts = reach_parts(
        trace,
        reply.choice,
        reply.measured,
        run=record.name,
        asked=questions.number,
        status="running" if visible.growing else "done",
        message=questions.message or problem,
        layer=place["layer"] + 1 if place else None,
        replacement=reply.replacement,
        options=options(trace, reply.choice.source) if not problem else (),
        can_measure=not problem,
        goes_on=longer(record, trace, 0) is not None,
        doing=questions.measuring.work.progress if reply.pending and questions.measuring else None,
        stopped=questions.stopped == reply.choice,
    )
    return Payload(parts, visible.waiting, unfinished=reply.pending)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or an answer about the shown run is being worked on."""
    if desk.record is None:
        return False
    measuring = desk.page_state(ReachState).of(desk.record.name).measuring
    return writing(desk) or (measuring is not None and measuring.work.running)


def _reply(desk: Desk, visible: VisibleRun, questions: RunQuestions, answers: Workshop[Answer]) -> Reply:
    """What was asked, else what was answered before, else where a visitor starts.

    A link may ask for a place that is still being written: it keeps its turn, and comes when the text is there.
    """
    record, trace, growing = visible.record, visible.trace, visible.growing
    place = desk.at.get(record.name)
    at = place["t"] if place else None
    start = first_choice(trace.config, len(trace), trace.n_prompt, at)
    unread = growing and questions.choice is None and (at or 0) >= len(trace)
    later = unread or (growing and _comes_later(record, trace, questions.choice))
    for choice in (None if later else questions.choice, questions.answered, start):
        if choice is None:
            continue
        try:
            choice.inside(trace.config, len(trace))
            reply = Reply(choice) if refusal(trace, THEORY) else _measured(visible, choice, questions, answers)
        except ValueError as error:
            questions.message = questions.message or sentence(error)
            continue
        if not unread and (reply.measured is not None or refusal(trace, THEORY)):
            questions.answered = choice
        if not later:
            questions.choice = choice
        return reply
    return Reply(start)


def _comes_later(record: Record, trace: Trace, choice: Choice | None) -> bool:
    """Whether a choice lies beyond what is written so far, but not beyond what will be."""
    if choice is None or record.spec is None or max(choice.source, choice.target) < len(trace):
        return False
    try:
        choice.inside(trace.config, trace.n_prompt + record.spec.new_tokens)
    except ValueError:
        return False
    return True


def _measured(visible: VisibleRun, choice: Choice, questions: RunQuestions, answers: Workshop[Answer]) -> Reply:
    """The answer if it is there, or comes soon; what is still being worked on for another question is ended.

    While a text grows, the work on a shorter one is let come to its end: else it never would.

    Raises:
        ValueError: as `measure`.
    """
    trace, growing = visible.trace, visible.growing
    measuring = questions.measuring
    if measuring is not None and not _serves(measuring, choice, len(trace), growing):
        measuring.work.cancel()
        measuring = questions.measuring = None
    if questions.stopped == choice:
        return Reply(choice)
    if measuring is None:
        name = f"{visible.record.name}/{choice}/{len(trace)}"
        work = answers.start(name, lambda report: measure(trace, choice, growing=growing, report=report))
        measuring = questions.measuring = Measuring(choice, len(trace), work)
    measuring.work.task.join(PATIENCE)
    pending = measuring.work.running  # before the result is read: what ends in between is shown at the next look
    if measuring.work.error:
        raise ValueError(measuring.work.error)
    if measuring.work.result is not None:
        questions.answer = (choice, measuring.work.result)
    before = questions.answer
    measured, label = before[1] if before is not None and before[0] == choice else (None, "")
    return Reply(choice, measured, label, pending)


def _serves(measuring: Measuring, choice: Choice, length: int, growing: bool) -> bool:
    """Whether a piece of work is on this choice, and was not ended for the sake of another run."""
    if measuring.choice != choice or measuring.work.cancelled:
        return False
    return measuring.length == length or (growing and measuring.work.running)


def options(trace: Trace, source: int) -> list[tuple[int, str]]:
    """Other tokens of the text to put in the place of the source: the most frequent whole words first."""
    ids, counts = np.unique(trace.token_ids, return_counts=True)
    tokenizer = compute.tokenizer(trace.model_name)
    words = []
    for token in ids[np.argsort(-counts, kind="stable")].tolist():
        label = tokenizer.text(token)
        if token != int(trace.token_ids[source]) and label.strip().isalpha() and len(label.strip()) > 2:
            words.append((token, label.strip()))
    return words[:OPTIONS]
