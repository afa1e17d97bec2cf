"""Push it back, on the page: the words, the visitor's prediction, then what the model does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import compute
from app.reach.push_back import beside_ordinary, faded_at, pushed_back
from app.reach.push_back_figure import LOWEST, Ordinary, Point, push_back_figure
from app.reach.state import ReachState
from app.session import state
from app.session.desk import Desk
from app.session.sentence import sentence
from app.shared.chart import chart, lowest_drawn
from app.shared.decades import GONE
from app.shared.work_panel import work_panel
from app.theme import percent

if TYPE_CHECKING:
    from mistral_core.analysis.push_back import PushBack, Typical
    from mistral_core.analysis.swap import Case

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
        f"You first: how many tokens back is it gone in practice (KL below {GONE} nats: it changes by about 1 %)?",
        1,
        reach + 10,
        reach // 2,
        key=state.PUSH_GUESS,
    )
    model = desk.model
    result = work_panel(
        desk.page_state(ReachState).push_backs,
        f"{model} {case}",
        lambda report: pushed_back(model, case, report),
        key=state.PUSH,
        label="Push it back",
        type="primary",
        icon=":material/play_arrow:",
    )
    if result is not None:
        _result(*result, int(guess or 0))


def _case() -> Case | None:
    from mistral_core.analysis.cases import GIRL, NEUTRAL
    from mistral_core.analysis.swap import Case

    with st.popover("Your own pair and sentence", icon=":material/edit:"):
        opening = st.text_input(
            "first sentence, {} = the word", GIRL.opening, max_chars=MAX_LETTERS, key=state.PUSH_OPENING
        )
        first, second = st.columns(2)
        words = (
            first.text_input("word", GIRL.words[0], key=state.PUSH_WORD),
            second.text_input("its swap", GIRL.words[1], key=state.PUSH_SWAP),
        )
        answers = (
            first.text_input("answer after the word", GIRL.answers[0], key=state.PUSH_ANSWER),
            second.text_input("answer after the swap", GIRL.answers[1], key=state.PUSH_OTHER_ANSWER),
        )
        question = st.text_input(
            "last sentence, to be continued", GIRL.question, max_chars=MAX_LETTERS, key=state.PUSH_LAST
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


def _result(experiment: PushBack, typical: Sequence[Typical], guess: int) -> None:
    case = experiment.case
    points = [
        Point(distance=swap.distance, kl=swap.kl, first=swap.first, swapped=swap.swapped) for swap in experiment.swaps
    ]
    faded = faded_at(experiment)
    near = experiment.swaps[0]
    gone = (
        f"the KL stays below {GONE} nats from **{faded}** tokens on"
        if faded is not None
        else (f"the KL is still above {GONE} nats at {experiment.swaps[-1].distance} tokens")
    )
    edge = f"; nothing at all is possible beyond **{experiment.reach}**" if experiment.reach is not None else ""
    st.markdown(
        f"You said **{guess}**: {gone}{edge}. At {near.distance} tokens p({case.answers[0]}) is "
        f"{percent(near.first[0])} after *{case.words[0]}* and {percent(near.swapped[0])} after *{case.words[1]}*."
    )
    if near.first[1] > near.first[0]:
        st.markdown(
            f"The model prefers *{case.answers[1]}* to *{case.answers[0]}* even after *{case.words[0]}*: that is its "
            "habit, whatever stands before. What it still knows of the word is the difference between the two."
        )
    st.markdown(beside_ordinary(experiment, typical))
    rows = [Ordinary(distance=row.distance, median=row.median, mean=row.mean, count=row.count) for row in typical]
    lowest = lowest_drawn(state.PUSH_SCALE, LOWEST)
    chart(
        lambda theme: push_back_figure(
            points, case.words, case.answers, experiment.marks, experiment.reach, guess, theme, rows, lowest
        ),
        key=state.PUSH_FIGURE,
        alt=f"Probabilities of the two answers, and KL on a log scale from {lowest:g} on, against the distance of the "
        "swapped word; median and mean of ordinary words beside it",
    )
    st.caption(
        "model: measured now, in float64 (16 digits), one text a mark. Ordinary words: of the longest of these texts, "
        "felt at the same distances. The exact reach, k × (W − 1) after k layers, is a bound, not a promise. The same "
        "numbers: `python -m mistral_core push-back`."
    )
