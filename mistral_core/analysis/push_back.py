"""A fact is pushed back until it is gone: "can see" against "does use", measured on text.

push back   Neutral sentences are put between a swapped word and the question that depends on it, one
            by one. Each pushes the word further back, and what is left of its effect is measured.
typical     Beside it, ordinary words of the same text (see `distance`), so that what was chosen for
            effect can be seen to be.

Source: the annotated claim "k x W" of "Mistral 7B" section 2: a bound, not a promise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mistral_core.analysis.distance import distance_profile
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.swap import Case, Swap, measure_swap
from mistral_core.config import Window
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class PushBack:
    """The experiment, nearest first.

    Attributes:
        windows: of the layers. reach: exact, `None` = unbounded.
        marks: W, 2W, 3W of the widest window; none without a window.
    """

    case: Case
    swaps: tuple[Swap, ...]
    windows: tuple[Window, ...]
    marks: tuple[int, ...]
    reach: int | None


@dataclass(frozen=True, kw_only=True)
class Typical:
    """What an ordinary word does at one distance: KL in nats over `count` words of a text, replaced one at a time."""

    distance: int
    median: float
    mean: float
    largest: float
    count: int


TYPICAL_WORDS = 16
"""Replaced beside a chosen word, at most: some places are taken once where two would fall on them."""


def push_back(model: Transformer, tokenizer: Tokenizer, case: Case, report: Report = silent) -> PushBack:
    """The swap with no neutral sentence in between, with one, with two, up to all.

    Use a float64 model: far back the change drowns in float32's rounding.

    Raises:
        ValueError: as `measure_swap`.
    """
    swaps, total = [], len(case.fillers) + 1
    for n_fillers in range(total):
        report(n_fillers, total, f"{n_fillers} sentences in between")
        swaps.append(measure_swap(model, tokenizer, case, n_fillers))
    report(total, total, "done")
    config = model.config
    widths = [window for window in config.windows if window is not None]
    marks = tuple(k * max(widths) for k in (1, 2, 3)) if widths else ()
    return PushBack(case=case, swaps=tuple(swaps), windows=config.windows, marks=marks, reach=config.exact_reach())


def typical_beside(
    model: Transformer, tokenizer: Tokenizer, measured: PushBack, seed: int = 0, report: Report = silent
) -> tuple[Typical, ...]:
    """Words of the longest text of the experiment replaced one at a time, felt at the distances of its swaps.

    Half of the words stand no later than the swapped one, so that the farthest distance has some too;
    replacements by `default_replacement`. A chosen word is to be seen beside these.
    """
    last = measured.swaps[-1]
    ids = tokenizer.encode(measured.case.text(0, last.n_fillers))
    early = np.linspace(1, last.position, TYPICAL_WORDS // 2)
    spread = np.linspace(1, max(len(ids) // 2, 1), TYPICAL_WORDS - TYPICAL_WORDS // 2)
    sources = np.unique(np.concatenate((early, spread)).round().astype(int)).tolist()
    if last.position > 1:  # the chosen word is not among those it is compared with, where there is an earlier one
        sources = [source for source in sources if source != last.position]
    profile = distance_profile(model, [ids], last.distance, sources=[sources], seed=seed, report=report)
    return tuple(
        Typical(
            distance=swap.distance,
            median=float(profile.kl_median[swap.distance]),
            mean=float(profile.kl_mean[swap.distance]),
            largest=float(profile.kl_max[swap.distance]),
            count=int(profile.count[swap.distance]),
        )
        for swap in measured.swaps
    )
