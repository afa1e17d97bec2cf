"""What goes to the picture of the residual stream: the lens first, then what is asked of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from app.residual.measure import Span, followed, lens_spans, lensed, patched, worded, words_span
from app.residual.payload import Followed, Lensed, Measured, Patched, Worded, residual_parts
from app.residual.state import ResidualState, RunQuestions
from app.session.desk import Desk
from app.session.progress import writing
from app.session.rereading import refusal
from app.session.visible import Payload, VisibleRun, visible_run
from app.session.work import Work, Workshop
from app.shared.messages import Place
from mistral_core.analysis.progress import Report
from mistral_core.trace.trace import Trace

Result = TypeVar("Result")

PATIENCE = 0.4
"""Seconds that a picture waits for all that is measured; after them it says how far the work is. Much less than the
page takes to look again: a look that the next one overtakes takes the picture off the page."""
LATER = "What every layer would say is read when the text has been written."


def residual_payload(desk: Desk) -> Payload:
    """The shown run and its stream."""
    visible = visible_run(desk, least=2)
    record, trace = visible.record, visible.trace
    page = desk.page_state(ResidualState)
    questions = page.of(record.name)
    problem = refusal(trace, "its layers cannot be asked")
    at = _place(desk, visible)
    measured, working = Measured(held=questions.held), None
    if not (visible.growing or problem):
        measured, working = _measured(trace, record.name, at["t"], questions, page)
    parts = residual_parts(
        trace,
        measured,
        run=record.name,
        at=at,
        pins=questions.pins,
        asked=questions.number,
        status="running" if visible.growing else "done",
        message=questions.message or problem or (LATER if visible.growing else ""),
        can_measure=not problem,
        working=working,
    )
    return Payload(parts, visible.waiting, unfinished=working is not None)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or something is worked on."""
    return desk.record is not None and (writing(desk) or desk.page_state(ResidualState).running)


def _place(desk: Desk, visible: VisibleRun) -> Place:
    """Where the visitor is; at first a few words after the prompt, half way up."""
    trace = visible.trace
    place = desk.at.get(visible.record.name)
    if place is not None and 0 <= place["t"] < len(trace):
        return {**place, "layer": min(place["layer"], trace.config.n_layers - 1)}
    t = max(0, min(trace.n_prompt + 4, len(trace) - 2))
    return {"t": t, "layer": (trace.config.n_layers - 1) // 2, "head": -1}


def _measured(
    trace: Trace, run: str, t: int, questions: RunQuestions, page: ResidualState
) -> tuple[Measured, tuple[int, int, str] | None]:
    """What is known, and how far the first work is that is still under way; what failed leaves its sentence."""
    of = f"{run}/{trace.model_hash[:8]}/{len(trace)}"
    soon, whole = lens_spans(trace.config, len(trace), t)
    until = time.monotonic() + PATIENCE
    works: list[Work[Lensed] | Work[Worded] | Work[Followed] | Work[Patched]] = []

    def begun(workshop: Workshop[Result], name: str, made: Callable[[str, Report], Result]) -> Result | None:
        seconds = max(0.0, until - time.monotonic())
        work = workshop.begun(name, lambda report: made(name, report), seconds)
        if work.running:
            works.append(work)  # type: ignore[arg-type]
        elif work.error and not work.cancelled:
            questions.message = questions.message or work.error
        return work.result

    def read(span: Span) -> Lensed | None:
        return begun(page.lenses, f"{of}/{_said(span)}", lambda key, report: lensed(trace, span, key, report))

    done = page.lenses.get(f"{of}/{_said(whole)}")
    if done is not None and done.result is not None:
        lens: Lensed | None = done.result
    else:
        lens = read(soon)
        if lens is not None:
            if questions.held.get("lens") != lens.facts["key"]:
                until = 0.0  # what is there is shown at once
            lens = read(whole) or lens
    words = pinned = patch = None
    if lens is not None:
        span = (lens.facts["first"], lens.facts["first"] + lens.facts["count"])
        near = words_span(trace.config, span, t)
        pins, lender, cell = questions.pins, questions.lender, questions.cell
        words = begun(page.words, f"{of}/{_said(near)}", lambda key, report: worded(trace, lens, near, key, report))
        if pins:
            name = f"{of}/{_said(span)}/{pins}"
            pinned = begun(page.pins, name, lambda key, report: followed(trace, lens, pins, key, report))
        if lender is not None:
            name = f"{of}/{_said(span)}/{lender}/{cell}"
            patch = begun(page.patches, name, lambda key, report: patched(trace, span, lender, cell, key, report))
    measured = Measured(lens=lens, words=words, pinned=pinned, patch=patch, held=questions.held)
    return measured, works[0].progress if works else None


def _said(span: Span) -> str:
    return f"{span[0]}-{span[1]}"
