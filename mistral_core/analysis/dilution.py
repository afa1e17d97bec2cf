"""The dilution of stacked windows: how far a word should be felt if layers do no more than average.

A layer that looks W back and averages spreads what a token says evenly over the W that see it. Without residuals the
weight of a token after k layers is the k-fold convolution of that even spread: its width grows like W sqrt(k), not
W k. With a residual stream of weight alpha beside the average,

    kernel of a layer    alpha x (0 back) + (1 - alpha) x (0 .. W-1 back, evenly)

a token h windows back must be taken over at least h times, each time with a weight 1 - alpha: the far part falls
exponentially, by a factor of about (1 - alpha) a window, whatever the number of layers:

    horizon    about (W - 1) ln(eps) / ln(1 - alpha)

The mixing weight of each layer is read from the running model (norm-based):

    1 - alpha  =  mean over positions of  |attn_out| / (|resid_pre| + |attn_out|)

The feed-forward adds to its own position alone and moves nothing sideways, so it is left out. What an attention layer
adds may point where the stream does not, and a trained one need not average: that is what is tested.

Source: Xiao, "Why Stacking Sliding Windows Can't See Very Far", 2025 (the argument; the definition of alpha from norms
is ours, after Kobayashi et al. 2021, arXiv 2109.07152).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.hooks import recording
from mistral_core.model import Transformer

HORIZON_SHARE = 0.99
"""A horizon holds so much of what is felt beyond the word's own place."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixing:
    """What the layers of a running model move sideways.

    Attributes:
        share: 1 - alpha of each layer.
        looks: the mean attention weight on the key `d` back, over heads and late positions; sums to 1.
    """

    share: Float[np.ndarray, " layer"]
    looks: Float[np.ndarray, "layer distance"]


def mixing(model: Transformer, texts: Sequence[Sequence[int]]) -> Mixing:
    """Reads the texts and gathers the mixing weight and the mean attention by distance of each layer.

    Only queries that see a whole window are counted; of a layer without one, those of the second half.

    Raises:
        ValueError: a text that is not longer than the widest window.
    """
    config = model.config
    widest = max((window for window in config.windows if window is not None), default=0)
    if not texts or min(map(len, texts)) <= max(widest, 2):
        raise ValueError(f"a text is not longer than the widest window, {widest}; take longer ones")
    n_layers, longest = config.n_layers, max(map(len, texts))
    shares, looks = np.zeros((len(texts), n_layers)), np.zeros((n_layers, longest))
    points = ("hook_resid_pre", "hook_attn_out", "attention.hook_pattern")
    for number, ids in enumerate(texts):
        names = [f"layers.{layer}.{point}" for layer in range(n_layers) for point in points]
        with recording(names) as seen, torch.inference_mode():
            model(torch.tensor([list(ids)]))
        for layer, window in enumerate(config.windows):
            stream, added, pattern = (seen[f"layers.{layer}.{point}"][0].double().cpu() for point in points)
            first = window - 1 if window is not None else len(ids) // 2
            a, b = added[first:].norm(dim=-1), stream[first:].norm(dim=-1)
            shares[number, layer] = float((a / (a + b)).mean())
            looks[layer, : len(ids)] += _by_distance(pattern.mean(0).numpy(), first) / len(texts)
    return Mixing(share=shares.mean(0), looks=looks)


def _by_distance(pattern: Float[np.ndarray, "query key"], first: int) -> Float[np.ndarray, " distance"]:
    """Mean weight on the key `d` back, over the queries from `first` on."""
    length = len(pattern)
    total = np.zeros(length)
    for query in range(first, length):
        total[: query + 1] += pattern[query, query::-1]
    return total / (length - first)


def evenly(window: int) -> Float[np.ndarray, " distance"]:
    """An average over the window: what the argument supposes of attention."""
    return np.full(window, 1 / window)


def kernel(
    share: Sequence[float] | np.ndarray, looks: Sequence[np.ndarray], length: int
) -> Float[np.ndarray, " distance"]:
    """Weight of a token at 0, 1, ... `length - 1` back, after all layers: their kernels convolved.

    Args:
        share: 1 - alpha of each layer; 1 = no residual stream.
        looks: attention by distance of each layer, such as `evenly(W)`.

    >>> kernel([1.0, 1.0], [evenly(2), evenly(2)], 4).tolist()
    [0.25, 0.5, 0.25, 0.0]
    >>> kernel([0.5], [evenly(2)], 3).tolist()
    [0.75, 0.25, 0.0]
    """
    out = np.zeros(length)
    out[0] = 1.0
    for mixed, look in zip(share, looks, strict=True):
        layer = mixed * np.asarray(look, np.float64)
        layer[0] += 1 - mixed
        out = np.convolve(out, layer)[:length]
    return out


def width(weights: Float[np.ndarray, " distance"]) -> float:
    """Standard deviation of the distance, in tokens; k even windows have sqrt(k (W^2 - 1) / 12)."""
    share = weights / weights.sum()
    back = np.arange(len(share))
    mean = float((share * back).sum())
    return math.sqrt(float((share * (back - mean) ** 2).sum()))


def barrier(share: float, window: int, eps: float = 1 - HORIZON_SHARE) -> float:
    """The horizon of the exponential, (W - 1) ln(eps) / ln(1 - alpha), in tokens; it knows no number of layers.

    >>> round(barrier(0.1, 101), 1)
    200.0

    Raises:
        ValueError: a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; attention's part of the stream must lie between 0 and 1")
    return (window - 1) * math.log(eps) / math.log(share)


def layers_for(length: int, window: int) -> int:
    """The least number of layers of one window after which the last of `length` tokens can depend on the first.

    Necessary, and far from sufficient.

    >>> layers_for(32_768, 4096), layers_for(131_041, 4096), layers_for(8_192, 4096)
    (9, 32, 3)

    Raises:
        ValueError: a window below 2, through which nothing moves, or no token.
    """
    if window < 2 or length < 1:
        raise ValueError(f"window is {window} and length {length}; a window moves something from 2 on, a text has 1")
    return math.ceil((length - 1) / (window - 1))
