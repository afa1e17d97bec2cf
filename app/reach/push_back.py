"""Push it back: a swapped word, more and more neutral text after it, and a visitor who predicts where it fades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import compute
from app.reach.push_back_figure import Ordinary, Point, push_back_figure
from app.session import state
from app.session.actions import sentence
from app.session.state import Desk
from app.shared.frame import chart, watch
from app.theme import percent
from mistral_core.serving.task import Task

if TYPE_CHECKING:
    from mistral_core.analysis.push_back import PushBack, Typical
    from mistral_core.analysis.swap import Case

GONE = 0.01
"""Nats: a KL below it is called gone in practice. Said beside the slider."""
MAX_EXPERIMENTS = 4
MAX_LETTERS = 600


def push_it_back(desk: Desk) -> None:
    """The experiment: the words, the prediction, then what the model does."""
    st.subheader("Push it back: when is a word forgotten?")
    st.write(
        "One word of the first sentence decides how the last one goes on. Put neutral sentences in between, and it "
        "moves back, out of every ring, further and further. Does the model still know it?"
    )
    case = _case()
    if case is None:
        return
    config = compute.config(desk.model)
    reach = config.exact_reach() or 512
    st.markdown(
        f"> {case.opening.replace('{}', f'**{case.words[0]}** (or **{case.words[1]}**)')} *… neutral sentences …* "
        f"{case.question} **{case.answers[0]}** or **{case.answers[1]}**?"
    )
    guess = st.slider(
        f"You first: how many tokens back is it gone in practice (KL below {GONE} nats)?",
        1,
        reach + 10,
        reach // 2,
        key=state.PUSH_GUESS,
    )
    key = f"push {desk.model} {case}"
    task = desk.experiments.get(key)
    if task is None or (not task.running and task.result is None):
        if task is not None and task.error:
            st.warning(sentence(task.error))
        if st.button("Push it back", type="primary", icon=":material/play_arrow:", key="push back"):
            start(desk, key, case)
            st.rerun()
    elif task.running:
        watch(task, "push")
    elif task.result is not None:
        found, typical = task.result
        _result(found, typical, int(guess or 0))


def start(desk: Desk, key: str, case: Case) -> None:
    """Starts the experiment in the background; old ones make room."""
    name = desk.model

    def work(report: Any) -> tuple[PushBack, tuple[Typical, ...]]:
        from mistral_core.analysis.push_back import push_back, typical_beside

        report(0, 1, "loading the model")
        model, tokenizer = compute.exact_model(name), compute.tokenizer(name)
        found = push_back(model, tokenizer, case, lambda done, total, what: report(done, 2 * total, what))

        def beside(done: int, total: int, what: str) -> None:
            report(total + done, 2 * total, f"ordinary words beside it, {what}")

        return found, typical_beside(model, tokenizer, found, report=beside)

    keep(desk, key, Task(work))


def keep(desk: Desk, key: str, task: Task[Any]) -> None:
    """Keeps an experiment; one of the same kind that still runs is ended, and the oldest make room."""
    kind = key.partition(" ")[0]
    for other, running in desk.experiments.items():
        if other.partition(" ")[0] == kind:
            running.cancel()
    desk.experiments[key] = task
    for old in list(desk.experiments)[:-MAX_EXPERIMENTS]:
        desk.experiments.pop(old).cancel()


def faded_at(found: PushBack, below: float = GONE) -> int | None:
    """The first measured distance from which on the KL stays below a bound; `None` = at none."""
    faded = None
    for swap in reversed(found.swaps):
        if swap.kl >= below:
            break
        faded = swap.distance
    return faded


def beside(found: PushBack, typical: Sequence[Typical]) -> str:
    """What ordinary words do where the chosen one does most, in a sentence."""
    top = max(range(len(typical)), key=lambda index: found.swaps[index].kl)
    swap, row = found.swaps[top], typical[top]
    return (
        f"Chosen for effect: at {swap.distance} tokens the swap changes the prediction by **{swap.kl:.2g} nats**. "
        f"{row.count} other words of the same text, each replaced by one drawn from it, change it at that distance by "
        f"{row.median:.2g} (median), {row.mean:.2g} (mean) and at most {row.largest:.2g} nats."
    )


def _case() -> Case | None:
    from mistral_core.analysis.cases import GIRL, NEUTRAL
    from mistral_core.analysis.swap import Case

    with st.popover("Your own pair and sentence", icon=":material/edit:"):
        opening = st.text_input(
            "first sentence, {} = the word", GIRL.opening, max_chars=MAX_LETTERS, key="push opening"
        )
        first, second = st.columns(2)
        words = (
            first.text_input("word", GIRL.words[0], key="push word"),
            second.text_input("its swap", GIRL.words[1], key="push swap"),
        )
        answers = (
            first.text_input("answer after the word", GIRL.answers[0], key="push answer"),
            second.text_input("answer after the swap", GIRL.answers[1], key="push other answer"),
        )
        question = st.text_input(
            "last sentence, to be continued", GIRL.question, max_chars=MAX_LETTERS, key="push last"
        )
    try:
        return Case(
            opening=opening.strip(),
            words=(words[0].strip(), words[1].strip()),
            answers=(answers[0].strip(), answers[1].strip()),
            question=question.strip(),
            fillers=NEUTRAL,
        )
    except ValueError as error:
        st.warning(sentence(error))
        return None


def _result(found: PushBack, typical: Sequence[Typical], guess: int) -> None:
    case = found.case
    points = [Point(distance=swap.distance, kl=swap.kl, first=swap.first, swapped=swap.swapped) for swap in found.swaps]
    faded = faded_at(found)
    near = found.swaps[0]
    gone = (
        f"the KL stays below {GONE} nats from **{faded}** tokens on"
        if faded is not None
        else (f"the KL is still above {GONE} nats at {found.swaps[-1].distance} tokens")
    )
    edge = f"; nothing at all is possible beyond **{found.reach}**" if found.reach is not None else ""
    st.markdown(
        f"You said **{guess}**: {gone}{edge}. At {near.distance} tokens p({case.answers[0]}) is "
        f"{percent(near.first[0])} after *{case.words[0]}* and {percent(near.swapped[0])} after *{case.words[1]}*."
    )
    st.markdown(beside(found, typical))
    rows = [Ordinary(distance=row.distance, median=row.median, mean=row.mean, count=row.count) for row in typical]
    chart(
        lambda theme: push_back_figure(points, case.words, case.answers, found.marks, found.reach, guess, theme, rows),
        key="push figure",
        alt="Probabilities of the two answers, and KL falling over decades, against the distance of the swapped word; "
        "median and mean of ordinary words beside it",
    )
    st.caption(
        "model: measured now, in float64, one text a mark. Ordinary words: of the longest of these texts, felt at the "
        "same distances. k × W is a bound, not a promise. The same numbers: `python -m mistral_core push-back`."
    )
