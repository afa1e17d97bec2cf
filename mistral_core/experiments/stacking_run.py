"""The run of claim 5: the exact edge, the relay, what is used, and the dilution test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.dilution import HORIZON_SHARE, Mixing, barrier, evenly, kernel, layers_for, mixing, width
from mistral_core.analysis.distance import DistanceProfile, distance_profile, held_within
from mistral_core.analysis.mentions import pieces
from mistral_core.analysis.progress import Report, part_of
from mistral_core.analysis.relay import KEYS, RelayResult, measure_relay, relay_question, share_right
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.checkpoint.variants import in_dtype
from mistral_core.experiments.claims import Measured
from mistral_core.experiments.finding import Table
from mistral_core.experiments.held_out import held_out, text_table
from mistral_core.experiments.horizon import Edge, beats, edges, key_felt
from mistral_core.experiments.models import Load, needed
from mistral_core.experiments.stacking_criteria import StackingMeasured, stacking_values
from mistral_core.experiments.window_parts import FULL, WINDOWED, judged_length, window_of
from mistral_core.model import random_model

TEXTS, SOURCES = {True: 4, False: 24}, {True: 6, False: 12}
"""Pieces of text and replaced tokens in each, quick and long: the minimum of repeats."""
PAIRS = {True: 8, False: 64}
"""Of keys, put one for the other at every distance."""
ROUNDS = {True: 1, False: 4}
"""Sequences asked of each key and distance; the quick form takes three distances of each hop."""
RANDOM_STD = 0.1
"""Of random weights: large enough that scores differ."""
PARTS = 4
SHOWN = 15
"""Steps of distance in the table of curves, tokens."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Horizons:
    """Measured and predicted, of one model.

    Attributes:
        name: of the model. felt: mean relative change of the last state by distance. kl: of its prediction, nats.
        measured: tokens within which `HORIZON_SHARE` of `felt` lies, distance 0 left out; spread: over texts.
        mixed: its mixing weights and looks. averaging, looking: kernels with even averages and with its own looks.
        sources: replaced tokens.
    """

    name: str
    felt: Float[np.ndarray, " distance"]
    kl: Float[np.ndarray, " distance"]
    measured: int
    spread: tuple[int, int]
    mixed: Mixing
    averaging: Float[np.ndarray, " distance"]
    looking: Float[np.ndarray, " distance"]
    sources: int


def run_stacking(load: Load, *, quick: bool, report: Report) -> tuple[StackingMeasured, Measured]:
    """Measures all parts; what the criteria need, and everything for the finding.

    Args:
        load: a model by its name; `None` = it is not there.
        quick: fewer texts, questions and pairs.
    """
    text = held_out(quick)
    full, twin, relay = (needed(load, name) for name in (FULL, WINDOWED, "relay"))
    window, reach = window_of(twin), twin.config.exact_reach() or 0
    part_of(report, 0, PARTS)(0, 1, "one token is changed, and everything beyond the edge compared")
    with torch.inference_mode(False):  # a caller's inference mode would leave nothing to derive
        depths = {f"{one.name}, trained": edges(in_dtype(one.model, torch.float64)) for one in (twin, relay)}
        depths |= {
            f"random weights, seed {seed}": edges(random_model(twin.config, seed, RANDOM_STD, torch.float64))
            for seed in range(1 if quick else 3)
        }
    ids = pieces(twin.tokenizer, text.documents, judged_length(full))[: TEXTS[quick]]
    windowed = horizons(twin, ids, reach, SOURCES[quick], part_of(report, 1, PARTS))
    unlimited = horizons(full, ids, reach, SOURCES[quick], part_of(report, 2, PARTS))
    part_of(report, 3, PARTS)(0, 1, "the relay is asked")
    asked = relay_answers(relay, quick)
    handed = relay_horizon(relay, PAIRS[quick], quick)
    part_of(report, PARTS - 1, PARTS)(1, 1, "done")
    every = [edge for found in depths.values() for edge in found]
    hops = sorted({one.hops for one in asked if one.hops is not None})
    seen = StackingMeasured(
        at_edge=min(edge.derivative for edge in every),
        beyond=max(edge.beyond for edge in every),
        moved=min(edge.own for edge in every),
        checked=f"{len(every)} depths of {len(depths)} networks",
        relayed=tuple(share_right([one for one in asked if one.hops == hop]) for hop in hops),
        leaked=share_right([one for one in asked if one.hops is None]),
        asked=min(sum(one.asked for one in asked if one.hops == hop) for hop in hops),
        horizon=windowed.measured,
        horizon_spread=windowed.spread,
        full_horizon=unlimited.measured,
        reach=reach,
        predicted=held_within(windowed.averaging, HORIZON_SHARE),
        beats=handed.beats,
        sources=windowed.sources,
    )
    tables = (
        edge_table(depths),
        relay_table(asked),
        curves(windowed, unlimited, handed),
        horizon_table(windowed, unlimited, window),
        mixing_table(windowed, handed.mixed),
        spread_table(window, twin.config.n_layers),
        depth_table(),
        text_table(text),
    )
    hashes = {one.name: one.model_hash for one in (full, twin, relay)}
    return seen, Measured(values=stacking_values(seen), tables=tables, models=hashes)


def horizons(loaded: LoadedModel, ids: Sequence[Sequence[int]], reach: int, sources: int, report: Report) -> Horizons:
    """Replaces tokens in float64 and predicts from the mixing weights; of all texts and of each."""
    model = in_dtype(loaded.model, torch.float64)
    profile = distance_profile(model, ids, reach, sources, report=report)
    mixed = mixing(model, ids)
    each = [held_within(one, HORIZON_SHARE) for one in profile.change_by_text]
    even = [evenly(window or len(ids[0])) for window in loaded.config.windows]
    return Horizons(
        name=loaded.name,
        felt=_felt(profile),
        kl=profile.kl_mean,
        measured=held_within(_felt(profile), HORIZON_SHARE),
        spread=(min(each), max(each)),
        mixed=mixed,
        averaging=kernel(mixed.share, even, reach + 1),
        looking=kernel(mixed.share, list(mixed.looks), reach + 1),
        sources=len(profile.replaced),
    )


def _felt(profile: DistanceProfile) -> Float[np.ndarray, " distance"]:
    return profile.change_mean[-1]


def relay_answers(relay: LoadedModel, quick: bool) -> list[RelayResult]:
    """Every hop, and just beyond the last; the quick form asks at the first, middle and last distance of each."""
    step, reach = window_of(relay) - 1, relay.config.exact_reach() or 0
    distances: Sequence[int] = range(1, reach + 3)
    if quick:
        ends = range(step, reach + 1, step)
        distances = sorted({*(end - step + 1 for end in ends), *(end - step // 2 for end in ends), *ends, reach + 1})
    return measure_relay(relay.model, relay.tokenizer, distances, rounds=ROUNDS[quick])


@dataclass(frozen=True, kw_only=True, eq=False)
class Handed:
    """What of a key is felt at the question, relay model.

    Attributes:
        distances: tokens. felt: relative change of the last state. predicted: the theory's kernel there.
        beats: see `horizon.beats`. mixed: the model's mixing weights.
    """

    distances: tuple[int, ...]
    felt: Float[np.ndarray, " distance"]
    predicted: Float[np.ndarray, " distance"]
    beats: float
    mixed: Mixing


def relay_horizon(relay: LoadedModel, pairs: int, quick: bool) -> Handed:
    """The key felt within one window and over the last hop, beside dilution with the relay's own mixing weights."""
    window, reach = window_of(relay), relay.config.exact_reach() or 0
    step = 5 if quick else 1
    near, far = range(1, window, step), range(reach, reach - window + 1, -step)
    between = range(window, reach - window + 2, SHOWN)
    distances = (*near, *between, *reversed(far))
    draw = random.Random(1)
    texts = [relay_question(draw.choice(KEYS), reach, draw) for _ in range(pairs)]
    mixed = mixing(relay.model, [relay.tokenizer.encode(one) for one in texts])
    even = [evenly(window)] * relay.config.n_layers
    predicted = kernel(mixed.share, even, reach + 1)[list(distances)]
    felt = key_felt(relay.model, relay.tokenizer, distances, pairs=pairs)
    return Handed(
        distances=distances,
        felt=felt,
        predicted=predicted,
        beats=beats(felt, predicted, slice(0, len(near)), slice(len(distances) - len(far), None)),
        mixed=mixed,
    )


def edge_table(depths: dict[str, list[Edge]]) -> Table:
    """A line for each network and depth."""
    rows = [
        (name, edge.layers, edge.edge, edge.derivative, edge.beyond) for name, found in depths.items() for edge in found
    ]
    return Table(
        name="edge",
        title="What arrives at k(W-1) and beyond, float64",
        source="derived",
        columns=("network", "layers k", "k(W-1), tokens", "largest derivative there", "largest change beyond"),
        rows=tuple(rows),
    )


def relay_table(asked: Sequence[RelayResult]) -> Table:
    """A line for each number of hops."""
    rows = []
    for hop in dict.fromkeys(one.hops for one in asked):
        some = [one for one in asked if one.hops == hop]
        rows.append(("beyond all" if hop is None else hop, sum(one.asked for one in some), share_right(some)))
    return Table(
        name="relay",
        title="Keys that the relay model names, by the hops that they need",
        source="model",
        columns=("hops", "asked", "share named"),
        rows=tuple(rows),
    )


def curves(windowed: Horizons, full: Horizons, handed: Handed) -> Table:
    """Measured influence beside the theory, by distance."""
    own = dict(zip(handed.distances, zip(handed.felt, handed.predicted, strict=True), strict=True))
    far = min(len(windowed.felt), len(full.felt))
    rows = []
    for distance in sorted({d for d in (*range(1, far), *handed.distances) if d < far or d in own}):
        felt, theory = own.get(distance, (None, None))
        inside = distance < far
        pair = [
            None if not inside else float(values[distance])
            for values in (windowed.felt, full.felt, windowed.kl, full.kl, windowed.averaging, windowed.looking)
        ]
        rows.append((distance, *pair, None if felt is None else float(felt), None if theory is None else float(theory)))
    return Table(
        name="curves",
        title="What is felt of one word, by distance (tokens), beside dilution",
        source="derived",
        columns=(
            "distance, tokens",
            f"{windowed.name}: relative change",
            f"{full.name}: relative change",
            f"{windowed.name}: KL, nats",
            f"{full.name}: KL, nats",
            "theory: even average",
            "theory: its own looks",
            "relay: relative change",
            "relay: theory, even average",
        ),
        rows=tuple(rows),
    )


def horizon_table(windowed: Horizons, full: Horizons, window: int) -> Table:
    """Horizons of 99 %, measured and predicted."""
    share = float(windowed.mixed.share.mean())
    rows = (
        (windowed.name, "measured, state", windowed.measured),
        (windowed.name, "measured, prediction (KL)", held_within(windowed.kl, HORIZON_SHARE)),
        (windowed.name, "theory: mixing weights, even average", held_within(windowed.averaging, HORIZON_SHARE)),
        (windowed.name, "theory: mixing weights, its own looks", held_within(windowed.looking, HORIZON_SHARE)),
        (windowed.name, "theory: (W-1) ln(0.01) / ln(1 - alpha), mean alpha", barrier(share, window)),
        (full.name, "measured, state", full.measured),
        (full.name, "measured, prediction (KL)", held_within(full.kl, HORIZON_SHARE)),
        (full.name, "theory: mixing weights, its own looks", held_within(full.looking, HORIZON_SHARE)),
    )
    return Table(
        name="horizons",
        title="Distance within which 99 % of what is felt of a word lies, its own place left out",
        source="derived",
        columns=("model", "how", "tokens"),
        rows=rows,
    )


def mixing_table(windowed: Horizons, relay: Mixing) -> Table:
    """1 - alpha of each layer."""
    rows = [
        (layer, float(a), float(b)) for layer, (a, b) in enumerate(zip(windowed.mixed.share, relay.share, strict=True))
    ]
    return Table(
        name="mixing",
        title="Mixing weight 1 - alpha: |attn_out| / (|resid_pre| + |attn_out|), mean over positions",
        source="derived",
        columns=("layer", windowed.name, "relay"),
        rows=tuple(rows),
    )


def spread_table(window: int, n_layers: int) -> Table:
    """The width of k even windows without residuals beside W sqrt(k / 12), and beside the reach."""
    rows = []
    for k in range(1, n_layers + 1):
        weights = kernel([1.0] * k, [evenly(window)] * k, k * (window - 1) + 1)
        rows.append((k, width(weights), window * (k / 12) ** 0.5, k * (window - 1)))
    return Table(
        name="spread",
        title=f"Without residuals: the width of k averaged windows of {window} (standard deviation, tokens)",
        source="theory",
        columns=("layers k", "width, convolved", "W sqrt(k / 12)", "reach k(W-1)"),
        rows=tuple(rows),
    )


def depth_table() -> Table:
    """Layers that are necessary for n tokens."""
    cases = ((8_192, 4096), (32_768, 4096), (131_041, 4096), (131_072, 4096))
    return Table(
        name="depth",
        title="Layers without which the last of n tokens cannot depend on the first: ceil((n-1)/(W-1))",
        source="theory",
        columns=("tokens n", "window W", "layers"),
        rows=tuple((length, window, layers_for(length, window)) for length, window in cases),
    )
