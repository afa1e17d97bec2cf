"""Can see against does use: many words replaced one at a time, for the model and for random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app import compute
from app.reach.profile_figure import Curves, profile_figure
from app.reach.push_back import keep
from app.session import actions
from app.session.runs import RunSpec
from app.session.state import Desk
from app.shared.frame import EXAMPLES, chart, watch
from mistral_core.serving.task import Task

if TYPE_CHECKING:
    from mistral_core.analysis.distance import DistanceProfile
    from mistral_core.config import MistralConfig

SOURCES = 4
"""Words replaced in each text."""
MAX_TOKENS = 256
"""Of each text that are read."""
MAX_TEXTS = 2
"""Of the visitor's own; the examples come on top, each written on by the model."""
FARTHEST = 400
"""Tokens after the replaced one that are looked at, if the reach does not end before."""
RANDOM_SEED = 0
KL = "KL of the prediction (nats)"
Text = tuple[str, tuple[int, ...]]
"""A name and token ids."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """The profile of the model and of random weights of its shape, over the same replacements."""

    model: DistanceProfile
    untrained: DistanceProfile
    config: MistralConfig
    names: tuple[str, ...]


def can_see_does_use(desk: Desk) -> None:
    """The comparison, on demand, over the bundled examples and the texts of this session that the model wrote."""
    st.subheader("Can see, does use: a typical word")
    texts = texts_of(desk)
    st.write(
        f"The girl was chosen for effect. What does an ordinary word do? Words of {len(EXAMPLES)} example texts, "
        "written on by the model, and of your own are replaced one at a time, and the change is averaged by distance. "
        "The same is done with random weights: what is left then comes from the shape of the network alone."
    )
    key = f"profile {desk.model} {hash(texts)}"
    task = desk.experiments.get(key)
    if task is None or (not task.running and task.result is None):
        if task is not None and task.error:
            st.warning(task.error)
        words = SOURCES * (len(texts) + len(EXAMPLES))
        st.button(
            f"Measure {words} words",
            icon=":material/analytics:",
            key="profile",
            on_click=_begin,
            args=(desk, key, texts),
        )
    elif task.running:
        watch(task, "profile")
    elif task.result is not None:
        _result(task.result)


def _begin(desk: Desk, key: str, texts: tuple[Text, ...]) -> None:
    keep(desk, key, start(desk.model, texts, EXAMPLES))


def texts_of(desk: Desk) -> tuple[Text, ...]:
    """The beginnings of the finished texts that the chosen model wrote in this session, newest first, with names."""
    found = []
    for record in reversed(desk.records.values()):
        trace = actions.trace_of(record)
        finished = record.job is None or record.job.status not in actions.ACTIVE
        if trace is not None and finished and trace.model_name == desk.model and len(trace) >= 4:
            found.append((record.label, tuple(int(token) for token in trace.token_ids[:MAX_TOKENS])))
    return tuple(found[:MAX_TEXTS])


def start(name: str, texts: tuple[Text, ...], prompts: Mapping[str, str]) -> Task[Compared]:
    """Starts the comparison in the background.

    Args:
        texts: that are there already. prompts: by name, beginnings that the model first writes on.
    """

    def work(report: Any) -> Compared:
        from mistral_core.analysis.distance import distance_profile
        from mistral_core.model import random_model

        report(0, 1, "loading the model")
        model = compute.exact_model(name)
        written = [*texts]
        for number, (title, prompt) in enumerate(prompts.items()):
            report(number, 3 * len(prompts), f"writing: {title}")
            written.append((title, _written(name, prompt)))
        ids = [text for _, text in written]
        reach = model.config.exact_reach()
        far = FARTHEST if reach is None else min(reach + 5, FARTHEST)
        found = distance_profile(
            model, ids, far, SOURCES, report=lambda done, total, what: report(total + done, 3 * total, what)
        )
        untrained = random_model(model.config, RANDOM_SEED, dtype=model.tok_embeddings.weight.dtype)
        beside = distance_profile(
            untrained,
            ids,
            far,
            SOURCES,
            report=lambda done, total, what: report(2 * total + done, 3 * total, f"random weights, {what}"),
        )
        names = tuple(title for title, _ in written)
        return Compared(model=found, untrained=beside, config=model.config, names=names)

    return Task(work)


def _written(name: str, prompt: str) -> tuple[int, ...]:
    """A beginning, and what the model makes of it with the settings that every text starts with."""
    from mistral_core.generation import Run

    loaded = compute.engine().model(name)
    ids = tuple(loaded.tokenizer.encode(prompt))
    spec = RunSpec(model=name, text=prompt, new_tokens=max(MAX_TOKENS - len(ids), 0))
    run = Run(loaded.model, loaded.tokenizer, spec.request(ids))
    run.complete()
    return tuple(run.token_ids[: run.n_read].tolist())


def table(found: Compared) -> list[dict[str, str]]:
    """The distances that hold 90 % and 99 %, with what is summed."""
    from mistral_core.analysis.distance import held_within

    rows = []
    for name, profile in (("this model", found.model), ("random weights", found.untrained)):
        summed = {KL: profile.kl_mean, "relative change of the last state (L2)": profile.change_mean[-1]}
        for what, values in summed.items():
            within = [held_within(values, share) if values[1:].any() else None for share in (0.9, 0.99)]
            cells = [f"{tokens} tokens" if tokens is not None else "nothing is felt" for tokens in within]
            by_text = profile.kl_by_text if what == KL else profile.change_by_text
            rows.append(
                {
                    "": name,
                    "summed over distances": what,
                    "90 % within": cells[0],
                    "99 % within": cells[1],
                    "90 %, text by text": _range(by_text),
                }
            )
    return rows


def _range(by_text: np.ndarray) -> str:
    """Least and largest of the distances that hold 90 % in each text."""
    from mistral_core.analysis.distance import held_within

    known = [np.nan_to_num(values) for values in by_text]  # a text that ends sooner has nothing there
    within = [held_within(values, 0.9) for values in known if values[1:].any()]
    if not within:
        return "nothing is felt"
    return f"{min(within)} to {max(within)} tokens" if min(within) < max(within) else f"{within[0]} tokens"


def _result(found: Compared) -> None:
    widths = [window for window in found.config.windows if window is not None]
    marks = [k * max(widths) for k in (1, 2, 3)] if widths else []
    by_text = dict(zip(found.names, found.model.change_by_text, strict=True))
    chart(
        lambda theme: profile_figure(
            _curves(found.model), _curves(found.untrained), marks, found.config.exact_reach(), theme, by_text
        ),
        key="profile figure",
        alt="Mean relative change of the state against distance for each layer, beside random weights",
    )
    st.dataframe(table(found), hide_index=True)
    st.caption(
        f"model: measured now, in float64: {len(found.model.replaced)} words of {len(found.names)} texts "
        f"({', '.join(found.names)}), each replaced by another word of its text. Mean over all words; the band holds "
        "80 % of them. Distance 0 is not counted. Random weights: the same shape and the same replacements."
    )


def _curves(profile: DistanceProfile) -> Curves:
    return Curves(mean=profile.change_mean, low=profile.change_low, high=profile.change_high)
