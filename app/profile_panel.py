"""Can see against does use: many words replaced one at a time, for the model and for random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import compute
from app import desk as actions
from app.figures.reach_profile import Curves, profile_figure
from app.push_back_panel import make_room
from app.state import Desk
from mistral_core.serving.task import Task

if TYPE_CHECKING:
    from mistral_core.analysis.push_back import DistanceProfile
    from mistral_core.config import MistralConfig

SOURCES = 6
"""Words replaced in each text."""
MAX_TOKENS = 256
"""Of each text that are read."""
MAX_TEXTS = 3
FARTHEST = 400
"""Tokens after the replaced one that are looked at, if the reach does not end before."""
RANDOM_SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """The profile of the model and of random weights of its shape, over the same replacements."""

    model: DistanceProfile
    untrained: DistanceProfile
    config: MistralConfig
    n_texts: int


def can_see_does_use(desk: Desk) -> None:
    """The comparison, on demand, over the texts of this session that the model wrote."""
    st.subheader("Can see, does use: a typical word")
    texts = texts_of(desk)
    st.write(
        "The girl was chosen for effect. What does an ordinary word do? Words of your texts are replaced one at a "
        "time, and the change is averaged by distance. The same is done with random weights: what is left then comes "
        "from the shape of the network alone."
    )
    if not texts:
        st.caption("There is no text of this model here yet. Write one, and this becomes possible.")
        return
    key = f"profile {desk.model} {hash(texts)}"
    task = desk.experiments.get(key)
    if task is None or (not task.running and task.result is None):
        if task is not None and task.error:
            st.warning(task.error)
        if st.button(f"Measure {SOURCES * len(texts)} words", icon=":material/analytics:", key="profile"):
            desk.experiments[key] = start(desk.model, texts)
            make_room(desk)
            st.rerun()
    elif task.running:
        _watch(task)
    elif task.result is not None:
        _result(task.result)


def texts_of(desk: Desk) -> tuple[tuple[int, ...], ...]:
    """The beginnings of the finished texts that the chosen model wrote in this session, newest first."""
    found = []
    for record in reversed(desk.records.values()):
        trace = actions.trace_of(record)
        finished = record.job is None or record.job.status not in actions.ACTIVE
        if trace is not None and finished and trace.model_name == desk.model and len(trace) >= 4:
            found.append(tuple(int(token) for token in trace.token_ids[:MAX_TOKENS]))
    return tuple(found[:MAX_TEXTS])


def start(name: str, texts: tuple[tuple[int, ...], ...]) -> Task[Any]:
    """Starts the comparison in the background."""

    def work(report: Any) -> Compared:
        from mistral_core.analysis.push_back import distance_profile
        from mistral_core.model import random_model

        report(0, 1, "loading the model")
        model = compute.exact_model(name)
        reach = model.config.exact_reach()
        far = FARTHEST if reach is None else min(reach + 5, FARTHEST)
        found = distance_profile(
            model, texts, far, SOURCES, report=lambda done, total, what: report(done, 2 * total, what)
        )
        untrained = random_model(model.config, RANDOM_SEED, dtype=model.tok_embeddings.weight.dtype)
        beside = distance_profile(
            untrained, texts, far, SOURCES,
            report=lambda done, total, what: report(total + done, 2 * total, f"random weights, {what}"),
        )  # fmt: skip
        return Compared(model=found, untrained=beside, config=model.config, n_texts=len(texts))

    return Task(work)


def table(found: Compared) -> list[dict[str, str]]:
    """The distances that hold 90 % and 99 %, with what is summed."""
    from mistral_core.analysis.push_back import held_within

    rows = []
    for name, profile in (("this model", found.model), ("random weights", found.untrained)):
        summed = {"KL of the prediction": profile.kl_mean, "relative change, L2": profile.change_mean[-1]}
        for what, values in summed.items():
            within = [held_within(values, share) if values[1:].any() else None for share in (0.9, 0.99)]
            cells = [f"{tokens} tokens" if tokens is not None else "nothing is felt" for tokens in within]
            rows.append({"": name, "summed over distances": what, "90 % within": cells[0], "99 % within": cells[1]})
    return rows


@st.fragment(run_every=0.3)
def _watch(task: Task[Any]) -> None:
    st.progress(min(task.done / max(task.total, 1), 1.0), text=f"{task.doing or 'loading the model'} …")
    if st.button("Cancel", key="profile cancel"):
        task.cancel()
    if not task.running:
        st.rerun()


def _result(found: Compared) -> None:
    widths = [window for window in found.config.windows if window is not None]
    marks = [k * max(widths) for k in (1, 2, 3)] if widths else []
    theme = "dark" if st.context.theme.type == "dark" else "light"
    st.plotly_chart(
        profile_figure(_curves(found.model), _curves(found.untrained), marks, found.config.exact_reach(), theme),
        key="profile figure", theme=None, config={"displayModeBar": False},
        alt="Mean relative change of the state against distance for each layer, beside random weights",
    )  # fmt: skip
    st.dataframe(table(found), hide_index=True)
    st.caption(
        f"model: measured now, in float64: {len(found.model.replaced)} words of {found.n_texts} text(s), each replaced "
        "by another word of its text. Random weights: the same shape and the same replacements."
    )


def _curves(profile: DistanceProfile) -> Curves:
    return Curves(mean=profile.change_mean, low=profile.change_low, high=profile.change_high)
