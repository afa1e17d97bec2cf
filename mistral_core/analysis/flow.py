"""Attention of all layers and heads in one picture: mean, maximum, rollout. Derived, and no influence.

Everything is banded: `[pos, width]` by offset, where column `o` of query `q` stands for the key
at `q - o`. Mean and maximum have the width of the widest window. Rollout follows attention
through the layers,

    A_l = (1 - residual) x mean over heads + residual x identity,    R_l = A_l R_{l-1},    R_0 = identity

so its band grows by W - 1 a layer and ends where the exact reach ends. First positions that are kept beside the
window have columns of their own behind it in mean and maximum (`trace/shapes.py`), and lie where they are in
rollout, whose band is then as wide as the run. Attention weights say where
values are fetched from, not what they do: the figures say so, and `disagreement` shows a case.

Source: Abnar & Zuidema 2020 (arXiv 2005.00928), section 3, "Attention rollout"; residual = 0.5 there.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num

from mistral_core.config import Window
from mistral_core.trace.shapes import key_positions
from mistral_core.trace.trace import Trace

RESIDUAL = 0.5
"""Share of the residual stream in rollout: attention and stream count alike."""

Band = Float[np.ndarray, "pos width"]


def mean_attention(trace: Trace) -> Band:
    """Average over layers and heads; each row sums to 1.

    Raises:
        KeyError: a layer's attention was not recorded.
    """
    layers = _layers(trace)
    return np.mean([layer.mean(1) for layer in layers], axis=0)


def max_attention(trace: Trace) -> Band:
    """The largest weight of any layer and head on each key.

    Raises:
        KeyError: a layer's attention was not recorded.
    """
    layers = _layers(trace)
    return np.max([layer.max(1) for layer in layers], axis=0)


def rollout(trace: Trace, residual: float = RESIDUAL) -> list[Band]:
    """Attention multiplied through the layers, the residual stream included.

    Args:
        residual: share that stays in its own column in each layer, 0 to 1.

    Returns:
        A band for each row of the state grid, the identity first; every row sums to 1. A band is as wide
        as its exact reach + 1, at most the run; with kept first positions as the run.

    Raises:
        ValueError: `residual` is not a share.
        KeyError: a layer's attention was not recorded.
    """
    if not 0 <= residual <= 1:
        raise ValueError(f"residual is {residual}; it is a share and must be between 0 and 1")
    length = len(trace)
    if trace.config.sinks:
        return _dense_rollout(trace, residual)
    bands = [np.ones((length, 1))]
    for layer in range(trace.config.n_layers):
        mean = np.asarray(trace.pattern(layer), np.float64).mean(1)[:, :length]
        bands.append(_multiply(beside_stream(mean, residual), bands[-1]))
    return bands


def beside_stream(pattern: Band, residual: float = RESIDUAL) -> Band:
    """Attention by offset with the residual stream beside it: a share of each row stays in its own column."""
    mixed = (1 - residual) * pattern
    mixed[:, 0] += residual
    return mixed


def square(pattern: Num[np.ndarray, "pos n_heads width"], window: Window = None) -> Num[np.ndarray, "n_heads pos pos"]:
    """A pattern by offset as the usual triangle: rows = from (query), columns = looks at (key).

    Keys outside the window get 0, as the softmax gives them. For display of short runs: the square
    of a long one is large, the band is not.

    Args:
        window: of the layer; what lies behind it are kept first positions.
    """
    length, n_heads, width = pattern.shape
    out = np.zeros((n_heads, length, length), pattern.dtype)
    keys = key_positions(np.arange(length), width, window)
    query, column = np.nonzero(keys >= 0)
    out[:, query, keys[query, column]] = pattern[query, :, column].T
    return out


def in_two(pattern: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The columns of one layer by offset, and those of the kept first positions behind them (perhaps none)."""
    inside = pattern.shape[-1] if window is None else min(window, pattern.shape[-1])
    return pattern[..., :inside], pattern[..., inside:]


def _layers(trace: Trace) -> list[np.ndarray]:
    """The patterns in float64, padded to the widest window, and behind it the kept first positions outside that."""
    windows = trace.config.windows
    patterns = [np.asarray(trace.pattern(layer), np.float64) for layer in range(len(windows))]
    parts = [in_two(pattern, window) for pattern, window in zip(patterns, windows, strict=True)]
    widest, kept = (max(part[side].shape[2] for part in parts) for side in (0, 1))
    if not kept:
        return [np.pad(pattern, ((0, 0), (0, 0), (0, widest - pattern.shape[2]))) for pattern in patterns]
    return [_wider(pattern, window, widest, kept) for pattern, window in zip(patterns, windows, strict=True)]


def _wider(pattern: np.ndarray, window: Window, widest: int, kept: int) -> np.ndarray:
    """The same weights in the columns of a wider window: what is outside one layer's may be inside another's."""
    length, n_heads, width = pattern.shape
    keys = key_positions(np.arange(length), width, window)
    query, column = np.nonzero(keys >= 0)
    key = keys[query, column]
    out = np.zeros((length, n_heads, widest + kept))
    out[query, :, np.where(query - key < widest, query - key, widest + key)] = pattern[query, :, column]
    return out


def _dense_rollout(trace: Trace, residual: float) -> list[Band]:
    """Rollout where a key may be any number of positions back: squares, and each of them as a band in the end."""
    length = len(trace)
    rolled = [np.eye(length)]
    for layer, window in enumerate(trace.config.windows):
        mean = np.asarray(trace.pattern(layer), np.float64).mean(1, keepdims=True)
        mixed = (1 - residual) * square(mean, window)[0] + residual * np.eye(length)
        rolled.append(mixed @ rolled[-1])
    query = np.arange(length)
    back = query[:, None] - query
    return [np.where(back >= 0, dense[query[:, None], np.maximum(back, 0)], 0.0) for dense in rolled]


def _multiply(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """The product of two banded matrices by offset: `out[q, a + b] += later[q, a] x earlier[q - a, b]`."""
    length = len(later)
    out = np.zeros((length, min(later.shape[1] + earlier.shape[1] - 1, length)))
    for offset in range(min(later.shape[1], length)):
        width = min(earlier.shape[1], out.shape[1] - offset)
        out[offset:, offset : offset + width] += later[offset:, offset, None] * earlier[: length - offset, :width]
    return out
