"""From logits to the next token, stage by stage, every stage a value one can look at.

    logits -> repetition penalty -> temperature -> top-k -> top-p -> min-p -> unsaid -> choice

Each stage is a pure function on logits; what it cuts becomes -inf. Everything is numpy in
float64: the same functions serve the running model and a recorded trace, and need no torch.

The order matters: top-p depends on temperature. Randomness is counter-based: the number drawn
for position `p` under seed `s` is a function of `(s, p)` alone, so any step can be repeated, and
a branch that keeps the seed meets the same numbers.

The stage "unsaid" stands last, and a token is drawn from what is before it; only if that one is to be left unsaid, a
second number draws from what remains. A token then has p + P p / (1 - P) = p / (1 - P), with P the sum of what was
taken away: exactly the renormalised distribution, and a text in which no such token is met is the very same as without
the stage.

Source: top-p: Holtzman et al. 2020 (arXiv 1904.09751); min-p: Nguyen et al. 2024 (arXiv
2407.01082); repetition penalty: Keskar et al. 2019 (arXiv 1909.05858); Philox: Salmon et al. 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from mistral_core.config import brief

MAX_SEED = 2**64 - 1
"""Of the generator of random numbers, whose key has 64 bits."""

AGAIN = 1
"""Stream of the numbers that draw a second time (see `draw`)."""
UNSAID = "unsaid"
"""Name of the stage that leaves words unsaid (`mistral_core.unsaid` says which tokens it takes away)."""

ROWS = 16
"""Distributions that are made at once: they stay near the processor."""

Logits = Float[np.ndarray, " vocab_size"]
Held = Int[np.ndarray, " held"]


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How the next token is chosen. The defaults change nothing.

    Attributes:
        temperature: divides the logits; 0 = always the likeliest token.
        top_k: keep the k likeliest; 0 = off.
        top_p: keep the smallest set of likeliest tokens that holds this mass; 1 = off.
        min_p: keep tokens with at least this share of the likeliest token's probability; 0 = off.
        repetition_penalty: divides the positive logits of tokens already in the text and
            multiplies their negative ones; 1 = off.

    Raises:
        ValueError: a value outside its bounds.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name, bound, fine in _BOUNDS:
            value = getattr(self, name)
            if not (_is_number(value) and fine(value)):
                raise ValueError(f"{name} is {brief(value)}; it must be {bound}")


_BOUNDS: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    ("temperature", "0 or more (0 = always the likeliest)", lambda value: value >= 0),
    ("top_k", "a whole number, 0 or more (0 = off)", lambda value: isinstance(value, int) and value >= 0),
    ("top_p", "above 0 and at most 1 (1 = off)", lambda value: 0 < value <= 1),
    ("min_p", "from 0 (off) to 1", lambda value: 0 <= value <= 1),
    ("repetition_penalty", "above 0 (1 = off)", lambda value: value > 0),
)


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of more digits than floating point has room for
        return False


@dataclass(frozen=True)
class Stage:
    """The distribution after one stage.

    Attributes:
        name: "model", "repetition penalty", "temperature", "top-k", "top-p", "min-p" or "unsaid".
        logits: -inf where cut.
    """

    name: str
    logits: Logits

    @cached_property
    def probs(self) -> Float[np.ndarray, " vocab_size"]:
        """Softmax of the logits; exactly 0 where cut. Computed when first looked at."""
        return softmax(self.logits)

    @property
    def n_choices(self) -> int:
        """How many tokens can still be chosen."""
        return int(np.count_nonzero(self.probs))


def softmax(logits: Float[np.ndarray, "*batch vocab_size"]) -> Float[np.ndarray, "*batch vocab_size"]:
    """Probabilities; -inf gives exactly 0."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def entropy_bits(probs: Float[np.ndarray, "*batch vocab_size"]) -> Float[np.ndarray, "*batch"]:
    """Entropy of each distribution in bits; a probability of 0 counts nothing.

    >>> float(entropy_bits(np.array([0.5, 0.25, 0.25, 0.0])))
    1.5
    """
    return np.asarray(0.0 - (probs * np.log2(np.where(probs > 0, probs, 1.0))).sum(-1))


def entropy_of(logits: Float[np.ndarray, "*batch vocab_size"]) -> Float[np.ndarray, "*batch"]:
    """Entropy in bits of the softmax of logits, in one pass: with `s` = logits - max and `Z` = sum(exp s), it is
    `log2 Z - sum(s exp s) / (Z ln 2)`. A logit of -inf counts nothing.

    >>> float(entropy_of(np.zeros(8)))
    3.0
    """
    shifted = np.maximum(logits - logits.max(-1, keepdims=True), -700)  # exp of it is next to 0, and no 0 * inf
    weights = np.exp(shifted)
    total = weights.sum(-1)
    return np.asarray(np.log2(total) - np.einsum("...v,...v->...", weights, shifted) / (total * math.log(2)))


def penalize_repetition(logits: Logits, history: Iterable[int] | np.ndarray, penalty: float) -> Logits:
    """Makes tokens of the history less likely (penalty > 1) by scaling their logits towards or below 0."""
    seen = np.unique(np.fromiter(history, dtype=np.int64))
    out = logits.copy()
    out[seen] = np.where(out[seen] > 0, out[seen] / penalty, out[seen] * penalty)
    return out


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Divides the logits; temperature 0 keeps the likeliest token alone (the lowest id on ties).

    So does a temperature so small that the quotients leave the range of float64.
    """
    if temperature > 0:
        with np.errstate(over="ignore"):
            scaled = logits / temperature
        if np.isfinite(scaled.max()):
            return scaled
    return _only(logits, np.array([int(logits.argmax())]))


def keep_top_k(logits: Logits, k: int) -> Logits:
    """Keeps exactly k tokens (0 = all); on ties the lower ids stay.

    >>> keep_top_k(np.array([1.0, 3.0, 3.0, 3.0]), 2).tolist()
    [-inf, 3.0, 3.0, -inf]
    """
    if k == 0 or k >= np.count_nonzero(logits > -np.inf):
        return logits
    threshold = np.partition(logits, -k)[-k]
    above = np.flatnonzero(logits > threshold)
    ties = np.flatnonzero(logits == threshold)[: k - len(above)]
    return _only(logits, np.concatenate((above, ties)))


def keep_top_p(logits: Logits, p: float) -> Logits:
    """Keeps the smallest set of likeliest tokens whose probabilities sum to at least `p`.

    The side of the boundary: a token stays while the mass **before** it is below `p`; the token
    that reaches `p` stays, the one after it goes even if the mass is exactly `p`. The likeliest
    token always stays. On ties the lower ids come first.

    >>> keep_top_p(np.log([0.5, 0.25, 0.25]), 0.5).tolist()[1:]
    [-inf, -inf]
    """
    if p >= 1:
        return logits
    weights = np.exp(logits - logits.max())
    floor = (1 - p) * weights.sum() / len(weights) * (1 - 1e-9)  # what lies below it sums to less than 1 - p
    likely = np.flatnonzero(weights >= floor)
    order = likely[np.argsort(-logits[likely], kind="stable")]
    before = np.concatenate(([0.0], np.cumsum(weights[order] / weights.sum())[:-1]))
    n_kept = int(np.searchsorted(before, p, side="left"))  # entries of `before` strictly below p
    return _only(logits, order[: max(n_kept, 1)])


def keep_min_p(logits: Logits, min_p: float) -> Logits:
    """Keeps tokens at least `min_p` times as likely as the likeliest one (0 = all)."""
    if min_p == 0:
        return logits
    return np.where(logits >= logits.max() + math.log(min_p), logits, -np.inf)


def _only(logits: Logits, ids: np.ndarray) -> Logits:
    out = np.full_like(logits, -np.inf)
    out[ids] = logits[ids]
    return out


def hold_back(logits: Logits, ids: Held) -> Logits:
    """Cuts these tokens; the very same array where all of them are cut already.

    >>> hold_back(np.array([1.0, 3.0, 2.0]), np.array([1])).tolist()
    [1.0, -inf, 2.0]
    """
    if not np.isfinite(logits[ids]).any():
        return logits
    out = logits.copy()
    out[ids] = -np.inf
    return out


def sampling_stages(
    logits: np.ndarray,
    settings: SamplingSettings,
    history: Iterable[int] | np.ndarray = (),
    held_back: Held | None = None,
) -> list[Stage]:
    """Every stage from the model's distribution to the one that is drawn from.

    The first stage is always "model", the last one is the distribution of what `draw` draws. A stage
    that is switched off is present too (it equals the one before), so that all steps have the same list;
    only the repetition penalty and "unsaid" are listed just when they are on. Where the other stages
    leave nothing but what is to be left unsaid (at temperature 0, say), the last one is what all of
    them make of the other tokens.

    Args:
        logits: `[vocab_size]`, any float type; computed in float64.
        history: ids of the text so far, for the repetition penalty.
        held_back: tokens that would complete a word that is left unsaid; `None` = nothing is.

    Raises:
        ValueError: a logit is NaN or +inf, none is finite, or all that are finite are held back.
    """
    wide = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(wide.max()):  # NaN if one is NaN, -inf if all are
        raise ValueError(
            f"the largest logit is {wide.max()}; the model's numbers overflowed, so nothing is drawn. "
            f"Check the weights, or run in float32 instead of a half precision"
        )
    stages = _stages(wide, settings, history)
    if held_back is not None:
        stages.append(Stage(UNSAID, _said(stages[-1].logits, wide, settings, history, held_back)))
    return stages


def _stages(wide: Logits, settings: SamplingSettings, history: Iterable[int] | np.ndarray) -> list[Stage]:
    """All but the last, in their order."""
    steps = [("model", wide)]
    if settings.repetition_penalty != 1:
        penalized = penalize_repetition(wide, history, settings.repetition_penalty)
        steps.append(("repetition penalty", penalized))
    steps.append(("temperature", apply_temperature(steps[-1][1], settings.temperature)))
    steps.append(("top-k", keep_top_k(steps[-1][1], settings.top_k)))
    steps.append(("top-p", keep_top_p(steps[-1][1], settings.top_p)))
    steps.append(("min-p", keep_min_p(steps[-1][1], settings.min_p)))
    return [Stage(name, values) for name, values in steps]


def _said(
    left: Logits, wide: Logits, settings: SamplingSettings, history: Iterable[int] | np.ndarray, held_back: Held
) -> Logits:
    """What is left without the tokens held back; if that is nothing, what all stages make of the others."""
    said = hold_back(left, held_back)
    if np.isfinite(said.max()):
        return said
    others = hold_back(wide, held_back)
    if not np.isfinite(others.max()):
        raise ValueError(
            f"each of the {np.count_nonzero(np.isfinite(wide))} tokens that the model leaves would complete a word "
            f"that is left unsaid; allow such words (--no-unsaid), or take another text"
        )
    return _stages(others, settings, history)[-1].logits


def uniform(seed: int, position: int, stream: int = 0) -> float:
    """The number in [0, 1) that belongs to a seed and a position, whatever was drawn before.

    Args:
        stream: 0 draws the tokens of a text; whatever else is drawn for a position takes a number of its own,
            and is independent of the token that stands there.

    Raises:
        ValueError: the seed is negative or does not fit 64 bits.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed is {brief(seed)}; it must be from 0 to {MAX_SEED}")
    return float(np.random.Generator(np.random.Philox(key=seed, counter=position + (stream << 64))).random())


def choose(probs: Float[np.ndarray, " vocab_size"], u: float) -> int:
    """The token whose share of [0, 1), laid out by id, holds `u`.

    >>> choose(np.array([0.25, 0.0, 0.75]), 0.25)
    2
    """
    alive = np.flatnonzero(probs)
    if len(alive) == 1:
        return int(alive[0])
    ends = np.cumsum(probs)
    token = int(np.searchsorted(ends, u * ends[-1], side="right"))
    return min(token, int(alive[-1]))  # u * total can round up to the total


def draw(stages: Sequence[Stage], seed: int, position: int) -> int:
    """The token of a position: as the stages before "unsaid" draw it, once more if it is one of those taken away."""
    last = stages[-1]
    asked = stages[-2] if last.name == UNSAID and last.logits is not stages[-2].logits else last
    token = choose(asked.probs, uniform(seed, position))
    return token if last.probs[token] > 0 else choose(last.probs, uniform(seed, position, stream=AGAIN))


def judged(
    logits: Float[np.ndarray, "pos vocab_size"], tokens: Int[np.ndarray, " pos"]
) -> tuple[Float[np.ndarray, " pos"], Int[np.ndarray, " pos"]]:
    """What was expected of tokens that came: the probability of each, in float64, and its rank.

    Some rows at a time, in one piece of memory: a long prompt has thousands of them.
    """
    probability, rank = np.empty(len(tokens)), np.empty(len(tokens), np.int64)
    wide = np.empty((min(len(tokens), ROWS), logits.shape[-1]))
    for start in range(0, len(tokens), ROWS):
        rows, here = logits[start : start + ROWS], tokens[start : start + ROWS]
        weights = wide[: len(rows)]
        np.subtract(rows, rows.max(-1, keepdims=True), out=weights, dtype=np.float64)
        np.exp(weights, out=weights)
        probability[start : start + ROWS] = weights[np.arange(len(here)), here] / weights.sum(-1)
        rank[start : start + ROWS] = [rank_of(row, token) for row, token in zip(rows, here.tolist(), strict=True)]
    return probability, rank


def rank_of(logits: np.ndarray, token: int) -> int:
    """How many tokens are likelier; ties count by id. 0 = the likeliest."""
    value = logits[token]
    return int(np.count_nonzero(logits > value) + np.count_nonzero(logits[:token] == value))
