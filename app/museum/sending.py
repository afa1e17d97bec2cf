"""What goes to the museum of mistakes: the stories, and the open one measured on the shown run's text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from app import compute
from app.museum.measure import ask_verify, checked_facts, measure
from app.museum.messages import Story
from app.museum.payload import museum_parts
from app.museum.sources import codes_of
from app.museum.state import MuseumState
from app.session.desk import Desk
from app.session.progress import writing
from app.session.rereading import refusal
from app.session.sentence import sentence
from app.session.visible import Payload, visible_run
from app.session.work import Work, Workshop
from mistral_core.analysis.accounting import parameter_count
from mistral_core.analysis.progress import Report
from mistral_core.museum.caught import unverifiable
from mistral_core.museum.exhibits import EXHIBITS, MOST, exhibit
from mistral_core.trace.trace import Trace

Result = TypeVar("Result")
PATIENCE = 0.2
"""Seconds that a picture waits for what ends soon."""
SMALL = 20_000_000
"""Parameters up to which verify is asked without being told to: half a minute of work."""
LATER = "What is measured comes when the text has been written."


def museum_payload(desk: Desk) -> Payload:
    """The stories, and what is known of the open one on the shown run; a text of one token has nothing to ask about."""
    visible = visible_run(desk, least=2)
    record, trace = visible.record, visible.trace
    page = desk.page_state(MuseumState)
    length = min(len(trace), MOST)
    stories = _stories(trace, length)
    lacking = next(story["problem"] for story in stories if story["name"] == page.mistake)
    refused = refusal(trace, "nothing can be read again")
    message, reading, checking = refused, None, None
    if not refused and not lacking and not visible.growing:
        try:
            reading = _reading(page, trace, record.name, length)
            checking = _checking(page, trace) if reading is None or not reading.running else None
        except ValueError as error:
            message = sentence(error)
    if visible.growing:
        message = message or LATER
    place = desk.at.get(record.name)
    caught = checking.result if checking else None
    parts = museum_parts(
        trace,
        stories,
        page.mistake,
        reading.result if reading else None,
        checked_facts(caught) if caught else None,
        run=record.name,
        length=length,
        growing=visible.growing,
        asked=page.number,
        message=message,
        can_measure=not refused,
        at=place["t"] if place else None,
        reading=reading.progress if reading and reading.running else None,
        stopped=page.mistake in page.stopped,
        checking=checking.progress if checking and checking.running else None,
        checkable=refused or _unverifiable(trace),
        codes=codes_of(exhibit(page.mistake)),
    )
    return Payload(parts, visible.waiting, unfinished=any(work and work.running for work in (reading, checking)))


def museum_busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or something is worked on."""
    page = desk.page_state(MuseumState)
    return desk.record is not None and (writing(desk) or page.readings.running or page.verdicts.running)


def _stories(trace: Trace, length: int) -> list[Story]:
    return [
        {
            "name": one.name,
            "title": one.title,
            "story": one.story,
            "lesson": one.lesson,
            "seen": list(one.seen),
            "problem": sentence(problem) if (problem := one.problem(trace.config, length)) else "",
        }
        for one in EXHIBITS
    ]


def _reading(page: MuseumState, trace: Trace, run: str, length: int) -> Work | None:
    if page.mistake in page.stopped:
        return None
    name = f"{run}/{trace.model_name}/{trace.model_hash[:8]}/{length}/{page.mistake}"
    return _started(page.readings, name, partial(measure, trace, page.mistake, length))


def _checking(page: MuseumState, trace: Trace) -> Work | None:
    small = parameter_count(trace.config)["total"] <= SMALL
    if _unverifiable(trace) or f"verify {page.mistake}" in page.stopped:
        return None
    if not small and page.mistake not in page.wanted:
        return None
    name = f"{trace.model_name}/{trace.model_hash[:8]}/{page.mistake}"
    return _started(page.verdicts, name, partial(ask_verify, trace, page.mistake))


def _unverifiable(trace: Trace) -> str:
    """Why verify cannot be asked about the model of a run, which is here; "" if it can."""
    problem = unverifiable(compute.engine().model(trace.model_name))
    return sentence(problem) if problem else ""


def _started(workshop: Workshop[Result], name: str, work: Callable[[Report], Result]) -> Work[Result]:
    """The work of this name.

    Raises:
        ValueError: it failed; the sentence says why.
    """
    started = workshop.begun(name, work, PATIENCE)
    started.raise_error()
    return started
