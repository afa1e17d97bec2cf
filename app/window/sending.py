"""What goes to the picture of the page window, and what is done about what it says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from app.session.desk import Desk
from app.session.progress import writing
from app.session.rereading import refusal
from app.session.sentence import sentence
from app.session.visible import Payload, VisibleRun, run_named, visible_run
from app.session.work import Work
from app.shared.messages import Code
from app.shared.source import source_of
from app.window.measure import cases, measure
from app.window.messages import Ask
from app.window.payload import MOST_TOKENS, Measured, layers_sent, window_parts
from app.window.question import Choice, choice_from_query
from app.window.state import RunQuestions, WindowState

SEEN = {
    "allowed": "near = q - k < window",
    "kept": "(k < sinks)",
    "future": "(k <= q)",
    "older": "near = q - k < window",
}
"""By why a key is seen or not, the line of `mask.allowed` that says so."""
STORED = {"stored": "self._plan(positions, after, window)"}
PATIENCE = 0.25
"""Seconds that a picture waits for a reading; after them it says how far the work is."""
LATER = "Scores come when the text has been written."


def window_payload(desk: Desk) -> Payload:
    """The shown run, read with the chosen window."""
    visible = visible_run(desk, least=2)
    record, trace = visible.record, visible.trace
    page = desk.page_state(WindowState)
    questions = page.of(record.name)
    problem = refusal(trace, "its scores cannot be computed")
    work = None if problem or visible.growing else _reading(visible, questions, page, _layer(desk, visible, questions))
    if work is not None and work.result is not None:
        questions.latest = work.result
    failed = work.error if work is not None and not work.running else ""
    long = f"The first {MOST_TOKENS} tokens of {len(trace):,} are shown." if len(trace) > MOST_TOKENS else ""
    parts = window_parts(
        trace,
        questions.choice,
        None if visible.growing or problem else questions.latest,
        cases(),
        run=record.name,
        asked=questions.number,
        status="running" if visible.growing else "done",
        message=questions.message or problem or failed or (LATER if visible.growing else long),
        can_measure=not problem,
        at=desk.at.get(record.name),
        reading=work.progress if work is not None and work.running else None,
        codes=codes(),
    )
    return Payload(parts, visible.waiting, unfinished=work is not None and work.running)


@lru_cache(maxsize=1)
def codes() -> tuple[Code, Code]:
    """The source of the function that masks, and of the one that says what is stored."""
    from mistral_core.kv_cache import KVCache
    from mistral_core.mask import allowed

    return source_of(allowed, SEEN), source_of(KVCache.plan, STORED)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or is read."""
    return desk.record is not None and (writing(desk) or desk.page_state(WindowState).readings.running)


def ask(desk: Desk, event: Ask) -> None:
    """Takes a question of the browser; one that makes no sense changes nothing but the sentence."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    questions = desk.page_state(WindowState).of(record.name)
    questions.number, questions.message = event["n"], ""
    questions.layer = min(max(0, event["layer"]), trace.config.n_layers - 1)
    try:
        questions.choice = Choice(window=event["window"], plus=event["plus"]).inside(trace.config)
    except ValueError as error:
        questions.message = sentence(error)


def opening(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over what a URL asks; called once for each link that is followed."""
    if desk.record is None:
        return
    try:
        choice = choice_from_query(query)
    except ValueError as error:
        desk.notice = sentence(error)
        return
    if choice is not None:
        desk.page_state(WindowState).of(desk.record.name).choice = choice


def choice_address(desk: Desk) -> dict[str, str]:
    """What is asked of the shown run, as the parameters of a URL."""
    return {} if desk.record is None else desk.page_state(WindowState).of(desk.record.name).choice.query()


def _layer(desk: Desk, visible: VisibleRun, questions: RunQuestions) -> int:
    """Whose numbers are wanted: what the browser asked for, else where the visitor was."""
    place = desk.at.get(visible.record.name)
    return questions.layer if questions.number or place is None else place["layer"]


def _reading(visible: VisibleRun, questions: RunQuestions, page: WindowState, layer: int) -> Work[Measured]:
    """The reading that is asked for, begun if it is not there; what ends soon is waited for."""
    trace = visible.trace
    try:
        choice = questions.choice.inside(trace.config)
    except ValueError as error:  # of a link
        questions.message = sentence(error)
        choice = questions.choice = Choice()
    sent = layers_sent(trace.config, min(len(trace), MOST_TOKENS), layer)
    name = f"{visible.record.name}/{trace.model_hash[:8]}/{len(trace)}/{choice}/{sent}"
    return page.readings.begun(name, lambda report: measure(trace, choice, layer, report), PATIENCE)
