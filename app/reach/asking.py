"""What the picture of reach is asked: by a link, by a hand on it, by its buttons.

A question that cannot be answered leaves the last picture and puts one sentence beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from app import compute
from app.reach.messages import Act, Ask, AskFrom
from app.reach.question import Choice, choice_from_query, first_choice
from app.reach.room import too_short
from app.reach.state import ReachState, RunQuestions
from app.session.actions import choose, press, settle, write
from app.session.desk import Desk
from app.session.files import spec_of
from app.session.runs import Record, RunSpec
from app.session.sentence import sentence
from app.session.visible import run_named
from mistral_core.trace.trace import Trace


def opening(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over the reading that a URL names; called once for each link that is followed."""
    record = desk.record
    if record is None or "reading" not in query:
        return
    try:
        choice = choice_from_query(query)
    except ValueError as error:
        desk.notice = str(error)
        return
    questions = desk.page_state(ReachState).of(record.name)
    questions.choice, questions.number, questions.message, questions.own = choice, 0, "", True


def question_address(desk: Desk) -> dict[str, str]:
    """What is asked of the shown run, as the parameters of a URL."""
    if desk.record is None:
        return {}
    choice = desk.page_state(ReachState).of(desk.record.name).choice
    return choice.query() if choice is not None else {}


def ask(desk: Desk, event: Ask | AskFrom) -> None:
    """Takes a question of the browser; one that makes no sense changes nothing but the sentence."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    questions = desk.page_state(ReachState).of(record.name)
    questions.number, questions.message = event["n"], ""
    if "at" in event:
        _begin_at(desk, cast(AskFrom, event), questions)
        return
    try:
        choice = Choice(
            reading=event["reading"],
            source=event["source"],
            target=event["target"],
            replacement=event["replacement"],
            cut=event["cut"],
            window=event["window"],
            sinks=event["sinks"],
        ).inside(trace.config, len(trace))
        if word := event.get("word"):
            choice = replace(choice, replacement=_token_of(trace, word))
    except ValueError as error:
        questions.message = sentence(error)
        return
    questions.choice, questions.stopped, questions.own = choice, None, True
    place = desk.at.get(record.name)
    desk.at[record.name] = {
        "t": choice.anchor,
        "layer": min(max(event["layer"] - 1, 0), trace.config.n_layers - 1),  # row 0 is below the first layer
        "head": place["head"] if place else -1,
    }


def _begin_at(desk: Desk, event: AskFrom, questions: RunQuestions) -> None:
    """The place on the page before, heard late: what nobody asked for begins anew, at the place."""
    settle(desk, {"run": event["run"], **event["at"]})
    if not questions.own:
        questions.choice = questions.answered = None


def act(desk: Desk, event: Act) -> None:
    """A button in the picture: have more of the text written, stop measuring, measure after all."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    questions = desk.page_state(ReachState).of(record.name)
    if event["what"] == "write":
        _write_on(desk, record, trace, questions)
    elif event["what"] == "again":
        questions.stopped = None
    elif questions.measuring is not None:
        questions.stopped = questions.measuring.choice
        questions.measuring.work.cancel()
        questions.measuring = None


def _write_on(desk: Desk, record: Record, trace: Trace, questions: RunQuestions) -> None:
    """The same run, longer, with the same question; written anew, it begins with the same tokens."""
    if record.job is not None and record.job.status == "paused":
        press(desk, "resume")
        return
    choice = questions.choice or first_choice(trace.config, len(trace), trace.n_prompt, None)
    short = too_short(trace.config, choice, len(trace))
    spec = longer(record, trace, short["more"] if short is not None else 0)
    if spec is None or short is None or not short["more"]:
        return
    desk.page_state(ReachState).runs[spec.name] = RunQuestions(choice=choice, own=True)
    if record.name in desk.at:
        desk.at[spec.name] = desk.at[record.name]
    if spec.name in desk.records:
        choose(desk, spec.name)
    else:
        write(desk, spec)


def longer(record: Record, trace: Trace, more: int) -> RunSpec | None:
    """The run that goes on for `more` tokens; `None` = its model is not here, or it has come to its own end."""
    spec = spec_of(record)
    if spec is not None and record.job is not None and record.job.status == "paused":
        return spec
    if spec is None or len(trace) < trace.n_prompt + spec.new_tokens:
        return None
    return replace(spec, new_tokens=spec.new_tokens + more)


def _token_of(trace: Trace, word: str) -> int:
    from mistral_core.tokenizer import single_token

    return single_token(compute.tokenizer(trace.model_name), word)
