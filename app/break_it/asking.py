"""What the picture of break_it is asked: by a link, by a hand on it, by its buttons.

A question that cannot be answered leaves the last picture and puts one sentence beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from app.break_it.making import check_words
from app.break_it.messages import Act, Ask, AskFrom
from app.break_it.question import Choice, choice_from_query
from app.break_it.state import BreakState, RunQuestions
from app.session.actions import settle
from app.session.desk import Desk
from app.session.sentence import sentence
from app.session.visible import run_named


def opening(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over what a URL asks; called once for each link that is followed."""
    record = desk.record
    if record is None:
        return
    try:
        choice = choice_from_query(query)
    except ValueError as error:
        desk.notice = str(error)
        return
    if choice is not None:
        desk.page_state(BreakState).runs[record.name] = RunQuestions(choice=choice, own=True)


def question_address(desk: Desk) -> dict[str, str]:
    """What is asked of the shown run, as the parameters of a URL."""
    if desk.record is None:
        return {}
    questions = desk.page_state(BreakState).of(desk.record.name)
    if questions.choice is None or not questions.own:
        return {}
    return (replace(questions.choice, changes=None) if questions.filled else questions.choice).query()


def ask(desk: Desk, event: Ask | AskFrom) -> None:
    """Takes a question of the browser; one that makes no sense changes nothing but the sentence."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    questions = desk.page_state(BreakState).of(record.name)
    questions.number, questions.message = event["n"], ""
    if "at" in event:
        settle(desk, {"run": event["run"], **cast(AskFrom, event)["at"]})
        if not questions.own:
            questions.choice = None
        return
    changes = event["changes"]
    try:
        choice = Choice(
            target=event["target"],
            level=event["level"],
            changes=None if changes is None else tuple(changes),
            writing=event["writing"],
        ).inside(trace.config, len(trace))
        check_words(trace, choice)
    except ValueError as error:
        questions.message = sentence(error)
        return
    questions.choice, questions.stopped, questions.own, questions.filled = choice, None, True, False
    place = desk.at.get(record.name)
    rest = {"layer": place["layer"], "head": place["head"]} if place else {"layer": 0, "head": -1}
    desk.at[record.name] = {"t": choice.target, "layer": rest["layer"], "head": rest["head"]}


def act(desk: Desk, event: Act) -> None:
    """A button in the picture: stop measuring, measure after all."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    page = desk.page_state(BreakState)
    questions = page.of(run[0].name)
    if event["what"] == "again":
        questions.stopped = None
        return
    questions.stopped = questions.choice
    page.end()
