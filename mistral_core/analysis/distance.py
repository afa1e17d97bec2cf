"""Influence against distance over many replaced tokens: what can be seen, and what is used.

Tokens of texts are replaced one at a time, and what is felt is gathered by distance, for each row of
the state grid. A share ("90 % lie within d") states what is summed and whether distance 0 counts.

Source: the readings are those of `influence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mistral_core.analysis.influence import default_replacement, forward_influence, read
from mistral_core.analysis.progress import Report, silent
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True, eq=False)
class DistanceProfile:
    """Influence against distance over many replaced tokens. Index `d` = `d` tokens after the replaced one.

    Attributes:
        change_mean, change_low, change_median, change_high: relative change of the state, for each row of
            the grid: mean, 10 % quantile, median, 90 % quantile over the sources.
        kl_mean, kl_median, kl_max: of the next-token distribution, nats.
        kl_by_text, change_by_text: the means of each text, the latter after the last layer; NaN where none of its
            sources has a token at that distance.
        count: how many sources have a token at that distance.
        replaced: (text, position, replacement) of every source.
    """

    change_mean: Float[np.ndarray, "rows distance"]
    change_low: Float[np.ndarray, "rows distance"]
    change_median: Float[np.ndarray, "rows distance"]
    change_high: Float[np.ndarray, "rows distance"]
    kl_mean: Float[np.ndarray, " distance"]
    kl_median: Float[np.ndarray, " distance"]
    kl_max: Float[np.ndarray, " distance"]
    kl_by_text: Float[np.ndarray, "text distance"]
    change_by_text: Float[np.ndarray, "text distance"]
    count: Int[np.ndarray, " distance"]
    replaced: tuple[tuple[int, int, int], ...]


def distance_profile(
    model: Transformer,
    texts: Sequence[Sequence[int]],
    max_distance: int,
    sources_per_text: int = 8,
    *,
    sources: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    report: Report = silent,
) -> DistanceProfile:
    """Replaces tokens one at a time and gathers what is felt at each distance.

    The sources of a text stand evenly between its second token and the last that has `max_distance`
    tokens after it (or its middle, if it is shorter); replacements by `default_replacement`.

    Args:
        texts: token ids of each. max_distance: how far to look. seed: of the replacements.
        sources: of each text, in place of those that stand evenly.

    Raises:
        ValueError: no text, one of fewer than four tokens, or a number below 1.
    """
    if not texts or min(map(len, texts)) < 4 or max_distance < 1 or sources_per_text < 1:
        raise ValueError("a profile needs texts of at least four tokens, and at least distance 1 and one source")
    grids: list[np.ndarray] = []
    kls: list[np.ndarray] = []
    replaced = []
    chosen = sources or [_evenly(len(ids), max_distance, sources_per_text) for ids in texts]
    total = sum(map(len, chosen))
    for text, ids in enumerate(texts):
        original = read(model, ids)
        for source in chosen[text]:
            report(len(kls), total, f"text {text + 1}, position {source}")
            replacement = default_replacement(ids, source, seed)
            felt = forward_influence(model, ids, source, replacement, original=original)
            grids.append(_aligned(felt.change, source, max_distance))
            kls.append(_aligned(felt.kl[None], source, max_distance)[0])
            replaced.append((text, source, replacement))
    report(total, total, "done")
    return _profile(np.array(grids), np.array(kls), tuple(replaced))


def held_within(values: Sequence[float] | np.ndarray, share: float, include_own: bool = False) -> int:
    """The least distance within which `share` of the summed influence lies.

    Args:
        values: influence at distance 0, 1, ...: `change_mean[row]` (ratios of L2 norms) or `kl_mean`.
        share: such as 0.9, above 0 and at most 1.
        include_own: whether the replaced token's own column (distance 0) counts.

    Raises:
        ValueError: a share out of bounds, or nothing to share.
    """
    counted = np.array(values, np.float64)
    if not include_own:
        counted[:1] = 0.0
    total = counted.sum()
    if not 0 < share <= 1 or not total > 0:
        raise ValueError(f"share is {share} of {total}; it must be above 0 and at most 1, of more than nothing")
    return int(np.searchsorted(counted.cumsum(), share * total * (1 - 1e-12)))


def _evenly(length: int, max_distance: int, count: int) -> list[int]:
    last = max(length - 1 - max_distance, length // 2)
    places: list[int] = np.unique(np.linspace(1, last, count).round().astype(int)).tolist()
    return places


def _by_text(values: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Mean over the sources of each text."""
    means = np.full((texts.max() + 1, values.shape[1]), np.nan)
    for text in range(len(means)):
        rows = values[texts == text]
        known = ~np.isnan(rows).all(0)
        means[text, known] = np.nanmean(rows[:, known], 0)
    return means


def _aligned(values: np.ndarray, source: int, max_distance: int) -> np.ndarray:
    """The columns at distance 0 to `max_distance`, NaN where the text has ended."""
    out = np.full((len(values), max_distance + 1), np.nan)
    part = values[:, source : source + max_distance + 1]
    out[:, : part.shape[1]] = part
    return out


def _profile(grids: np.ndarray, kls: np.ndarray, replaced: tuple[tuple[int, int, int], ...]) -> DistanceProfile:
    count = (~np.isnan(kls)).sum(0)
    reached = slice(0, int(np.flatnonzero(count)[-1]) + 1)  # the texts may all be shorter than max_distance
    grids, kls = grids[:, :, reached], kls[:, reached]
    text = np.array([where[0] for where in replaced])
    low, median, high = np.nanquantile(grids, (0.1, 0.5, 0.9), axis=0)
    return DistanceProfile(
        change_mean=np.nanmean(grids, 0),
        change_low=low,
        change_median=median,
        change_high=high,
        kl_mean=np.nanmean(kls, 0),
        kl_median=np.nanmedian(kls, 0),
        kl_max=np.nanmax(kls, 0),
        kl_by_text=_by_text(kls, text),
        change_by_text=_by_text(grids[:, -1], text),
        count=count[reached],
        replaced=replaced,
    )
