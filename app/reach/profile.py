"""Can see against does use: many words replaced one at a time, for the model and for random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app import compute
from app.session.desk import Desk
from app.session.progress import ACTIVE, trace_of
from app.session.runs import RunSpec
from mistral_core.analysis.progress import Report

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


def texts_of(desk: Desk) -> tuple[Text, ...]:
    """The beginnings of the finished texts that the chosen model wrote in this session, newest first, with names."""
    texts = []
    for record in reversed(desk.records.values()):
        trace = trace_of(record)
        finished = record.job is None or record.job.status not in ACTIVE
        if trace is not None and finished and trace.model_name == desk.model and len(trace) >= 4:
            texts.append((record.label, tuple(int(token) for token in trace.token_ids[:MAX_TOKENS])))
    return tuple(texts[:MAX_TEXTS])


def compared(name: str, texts: tuple[Text, ...], prompts: Mapping[str, str], report: Report) -> Compared:
    """The comparison.

    Args:
        texts: that are there already. prompts: by name, beginnings that the model first writes on.

    Raises:
        ValueError: no such model, or a text that is too short.
    """
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
    trained = distance_profile(
        model, ids, far, SOURCES, report=lambda done, total, what: report(total + done, 3 * total, what)
    )
    random = random_model(model.config, RANDOM_SEED, dtype=model.tok_embeddings.weight.dtype)
    untrained = distance_profile(
        random,
        ids,
        far,
        SOURCES,
        report=lambda done, total, what: report(2 * total + done, 3 * total, f"random weights, {what}"),
    )
    names = tuple(title for title, _ in written)
    return Compared(model=trained, untrained=untrained, config=model.config, names=names)


def _written(name: str, prompt: str) -> tuple[int, ...]:
    """A beginning, and what the model makes of it with the settings that every text starts with."""
    from mistral_core.generation import Run

    loaded = compute.engine().model(name)
    ids = tuple(loaded.tokenizer.encode(prompt))
    spec = RunSpec(model=name, text=prompt, new_tokens=max(MAX_TOKENS - len(ids), 0))
    run = Run(loaded.model, loaded.tokenizer, spec.request(ids))
    run.complete()
    return tuple(run.token_ids[: run.n_read].tolist())


def in_words(comparison: Compared) -> str:
    """What a typical word does, in one sentence: how near most of its effect lies, beside how far it could go."""
    trained, random = (_most(profile.kl_mean) for profile in (comparison.model, comparison.untrained))
    reach = comparison.config.exact_reach()
    if trained is None:
        return "Nothing is felt of these words after the position at which they stand."
    could = "though nothing bounds how far it could go" if reach is None else f"though it could go **{reach}**"
    beside = "" if random is None else f" With random weights it is {random}."
    return (
        f"A typical word: 90 % of what it changes in the predictions after it lies within **{trained} tokens**, "
        f"{could}.{beside}"
    )


def _most(values: np.ndarray) -> int | None:
    from mistral_core.analysis.distance import held_within

    return held_within(values, 0.9) if values[1:].any() else None


def table(comparison: Compared) -> list[dict[str, str]]:
    """The distances that hold 90 % and 99 %, with what is summed."""
    from mistral_core.analysis.distance import held_within

    rows = []
    for name, profile in (("this model", comparison.model), ("random weights", comparison.untrained)):
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
