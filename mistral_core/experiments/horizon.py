"""The horizon of a running model, and the exact edge of what can arrive: measured, to be laid beside theory.

edge       one token is changed; after k layers nothing may move more than the sum of W - 1 positions on, bit for bit,
           and the derivative (float64) at that edge is not zero
key felt   in sequences of the relay one key is put for another; how much the state at the question moves, by distance
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.relay import KEYS, relay_question
from mistral_core.hooks import recording
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer
from mistral_core.verification import operations

SOURCE = 4
"""Position of the token that is changed; what stands before it must not move either."""
PAST = 12
"""Tokens read beyond the farthest edge."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What was seen at the edge of one depth.

    Attributes:
        layers: depth k. edge: k(W-1), or the sum of W - 1 of the layers, tokens.
        derivative: largest component at the edge, float64.
        beyond: largest change or derivative outside, which must be exactly 0.
        own: largest change of the changed token's own state.
    """

    layers: int
    edge: int
    derivative: float
    beyond: float
    own: float


def edges(model: Transformer) -> list[Edge]:
    """Every depth of a float64 model with a window in each layer.

    Raises:
        ValueError: another dtype, or a layer without a window.
    """
    depths = [model.config.exact_reach(k) for k in range(1, model.config.n_layers + 1)]
    reach = depths[-1]
    if model.dtype != torch.float64 or reach is None:
        raise ValueError(
            f"the model computes in {model.dtype} and reaches {reach}; an edge is looked for in float64 and with a "
            f"window in every layer, so convert it or impose one"
        )
    tokens = torch.arange(SOURCE + reach + PAST)[None] * 7919 % model.config.vocab_size
    changed = tokens.clone()
    changed[0, SOURCE] = (tokens[0, SOURCE] + 1) % model.config.vocab_size
    before, after = operations.streams(model, tokens), operations.streams(model, changed)
    queries = [SOURCE + (edge or 0) for edge in depths]
    gradients = operations.derivatives(model, tokens, queries)
    found = []
    for depth, (query, a, b, gradient) in enumerate(zip(queries, before, after, gradients, strict=True), start=1):
        size, moved = gradient.abs().amax(1), (b - a).abs().amax(1)
        outside = torch.cat((moved[:SOURCE], moved[query + 1 :], size[:SOURCE], size[query + 1 :]))
        found.append(
            Edge(
                layers=depth,
                edge=query - SOURCE,
                derivative=float(size[SOURCE]),
                beyond=float(outside.max()),
                own=float(moved[SOURCE]),
            )
        )
    return found


def key_felt(
    model: Transformer, tokenizer: Tokenizer, distances: Sequence[int], *, pairs: int, seed: int = 0
) -> Float[np.ndarray, " distance"]:
    """Mean relative change of the last state at the question, one key put for another, at each distance.

    Args:
        model: of the relay. distances: from key to question, tokens.
        pairs: of keys at each distance, with other fillers each.
    """
    draw = random.Random(seed)
    name = f"layers.{model.config.n_layers - 1}.hook_resid_post"
    felt = []
    for distance in distances:
        texts = []
        for _ in range(pairs):
            first, second = draw.sample(KEYS, 2)
            text = relay_question(first, distance, draw)
            texts += [text, second + text[1:]]
        with torch.inference_mode(), recording([name]) as seen:
            model(torch.tensor([tokenizer.encode(text) for text in texts]))
        last = seen[name][:, -1].double()
        felt.append(float(((last[0::2] - last[1::2]).norm(dim=-1) / last[0::2].norm(dim=-1)).mean()))
    return np.array(felt)


def beats(
    felt: Float[np.ndarray, " distance"], predicted: Float[np.ndarray, " distance"], near: slice, far: slice
) -> float:
    """(felt far / felt near) over (predicted far / predicted near): geometric mean over the far distances.

    Both are relative to their own mean over the near ones, so units cancel; where nothing is predicted or felt at a
    distance, that distance says nothing and is left out.
    """
    measured, theory = felt[far] / felt[near].mean(), predicted[far] / predicted[near].mean()
    known = (measured > 0) & (theory > 0)
    return float(np.exp(np.log(measured[known] / theory[known]).mean())) if known.any() else float("nan")
