"""Claim 5, "k layers of window W reach k x W": what would have to be seen. Stated before anything was recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mistral_core.experiments.claims import Value
from mistral_core.experiments.finding import Source, Threshold

EDGE = Threshold(
    name="at the edge",
    says="least derivative (largest component, float64) of a state after k layers by the token k(W-1) back",
    role="claim",
    limit="nothing arrives from k(W-1) tokens back, so k layers do not reach so far",
    at_least=5e-324,  # not zero: the smallest number above it
)
BEYOND = Threshold(
    name="beyond it",
    says="largest change of a state more than k(W-1) tokens on, bit for bit, and largest derivative there",
    role="claim",
    limit="something arrives from beyond k(W-1), so this is not the reach",
    at_most=0.0,  # exactly nothing
)
MOVED = Threshold(
    name="own place moves",
    says="least change of the changed token's own state, all layers",
    role="control",
    limit="changing the token does not even change its own state, so equality beyond the reach proves nothing",
    at_least=1e-9,
)
RELAYED = Threshold(
    name="relay",
    says="share of keys that the relay model names, the least over the numbers of hops from 1 to k",
    role="claim",
    limit="the model that was trained to hand a key on does not bring it over all k windows",
    at_least=0.9,  # a guess is right once in 16
)
NO_LEAK = Threshold(
    name="relay beyond reach",
    says="share of keys that it names from beyond the reach",
    role="control",
    limit="the relay model names keys that it cannot have seen, so its right answers prove nothing",
    at_most=0.25,  # four times a guess of 1 in 16; few are asked
)
USED = Threshold(
    name="used",
    says="distance within which 99 % of what is felt of a word lies, as a share of the reach, windowed twin on stories",
    role="limit",
    limit="k(W-1) is a bound and no promise: a model of stories uses less than half of it",
    at_least=0.5,  # who says that k x W is reached means at least half of it
)
LANGUAGE = Threshold(
    name="same without a window",
    says="this distance of the full-attention twin over that of the windowed one, both within the windowed reach",
    role="limit",
    limit="without a window a word is felt farther: part of the decay is the window's and not the language's",
    at_most=1.25,  # a quarter more is about what texts differ by
)
THEORY = Threshold(
    name="dilution theory",
    says="how many doublings lie between the measured distance and that of averaging layers with the mixing weights "
    "read from the model",
    role="limit",
    limit="the dilution theory misses the trained model's horizon by more than a factor of two",
    at_most=1.0,  # a factor of two either way
)
BEATS = Threshold(
    name="relay beats dilution",
    says="what is felt of a key over the last hop relative to within one window, relay model, over what the dilution "
    "theory predicts from its mixing weights (geometric mean over distances)",
    role="limit",
    limit="the relay model carries no more than dilution allows",
    at_least=10.0,  # an order of magnitude: averaging could not explain it
)
THRESHOLDS = (EDGE, BEYOND, MOVED, RELAYED, NO_LEAK, USED, LANGUAGE, THEORY, BEATS)
ALWAYS = (
    "ceil((n-1)/(W-1)) layers are necessary for n tokens, never sufficient: 131k tokens for 32 layers of W = 4096 "
    "stand in the paper beside a context of 8k",
    "measured on networks of eight narrow layers; what 32 wide ones use is not shown here",
)
"""Limits that always apply."""


@dataclass(frozen=True, kw_only=True)
class StackingMeasured:
    """What the verdict is computed from.

    Attributes:
        at_edge, beyond, moved: see `EDGE`, `BEYOND`, `MOVED`; over all models and depths.
        checked: which models, in words.
        relayed: share right by number of hops; leaked: beyond all.
        asked: questions of each hop.
        horizon: measured, tokens, windowed twin; low, high over texts.
        full_horizon: of the full twin. reach: of the windowed twin, tokens.
        predicted: horizon of the theory, tokens.
        beats: see `BEATS`.
        sources: replaced tokens.
    """

    at_edge: float
    beyond: float
    moved: float
    checked: str
    relayed: tuple[float, ...]
    leaked: float
    asked: int
    horizon: int
    horizon_spread: tuple[int, int]
    full_horizon: int
    reach: int
    predicted: int
    beats: float
    sources: int


def stacking_values(seen: StackingMeasured) -> dict[str, Value]:
    """What was measured for every threshold, by its name."""
    low, high = (end / seen.reach for end in seen.horizon_spread)
    off = abs(math.log2(seen.horizon / seen.predicted)) if min(seen.horizon, seen.predicted) > 0 else math.nan
    language = seen.full_horizon / seen.horizon if seen.horizon > 0 else math.nan
    asked, words = f"{seen.asked} questions a hop", f"{seen.sources} words replaced"
    values: tuple[tuple[Threshold, float, tuple[float, float] | None, str, Source], ...] = (
        (EDGE, seen.at_edge, None, seen.checked, "derived"),
        (BEYOND, seen.beyond, None, seen.checked, "model"),
        (MOVED, seen.moved, None, seen.checked, "model"),
        (RELAYED, min(seen.relayed), (min(seen.relayed), max(seen.relayed)), asked, "model"),
        (NO_LEAK, seen.leaked, None, asked, "model"),
        (USED, seen.horizon / seen.reach, (low, high), words, "model"),
        (LANGUAGE, language, None, words, "model"),
        (THEORY, off, None, words, "derived"),
        (BEATS, seen.beats, None, asked, "derived"),
    )
    return {
        threshold.name: Value(
            measured=value,
            source=source,
            low=None if ends is None else ends[0],
            high=None if ends is None else ends[1],
            repeats=of,
        )
        for threshold, value, ends, of, source in values
    }
