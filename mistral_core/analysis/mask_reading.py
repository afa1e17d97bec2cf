"""The mask of a running model with the numbers that it acts on: queries and keys of every layer, by window.

A score is what the mask is laid over; the model never makes those that it masks visible, so they are derived here

    score(q, k) = q . k / sqrt(head_dim)            of the rotated query and the rotated key, for every pair
    weight      = softmax over the keys that `mask.allowed` lets through, 0 elsewhere

and compared with the weights that the model made itself (`MaskReading.error`). Another window changes no weight matrix,
but every state from the second layer on: the text is read anew for it, and `change` says what that does.

Source: `mistral_core.attention.Attention.attend`, "Mistral 7B" section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.gradients import log_probs
from mistral_core.analysis.influence import kl_divergence
from mistral_core.config import Window
from mistral_core.hooks import recording
from mistral_core.mask import allowed
from mistral_core.model import Transformer

MOST_TOKENS = 512
"""Of a dense pass: scores grow with the square of the text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskReading:
    """One dense pass over a text.

    Attributes:
        windows: of all layers. layers: those whose queries and keys were kept, from 0.
        queries, keys: rotated, as the scores use them.
        logits: row p is the prediction for token p + 1.
        error: largest absolute difference between the weights derived from them and the model's own.
    """

    windows: tuple[Window, ...]
    sinks: int
    layers: tuple[int, ...]
    queries: Float[np.ndarray, "kept pos n_heads head_dim"]
    keys: Float[np.ndarray, "kept pos n_kv_heads head_dim"]
    logits: Float[Tensor, "pos vocab_size"]
    error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LogitChange:
    """What another reading of the same text predicts otherwise.

    Attributes:
        largest: absolute difference of the logits, after each token. kl: KL(first || other) of the next token, nats.
    """

    largest: Float[np.ndarray, " pos"]
    kl: Float[np.ndarray, " pos"]


def read_mask(model: Transformer, token_ids: Sequence[int], layers: Sequence[int]) -> MaskReading:
    """Reads a text in one dense pass and keeps queries and keys of these layers.

    Raises:
        ValueError: no token, more than `MOST_TOKENS`, or a layer that does not exist.
    """
    config, length = model.config, len(token_ids)
    if not 1 <= length <= MOST_TOKENS:
        raise ValueError(f"the text has {length:,} tokens; a dense pass reads 1 to {MOST_TOKENS}")
    if bad := [layer for layer in layers if not 0 <= layer < config.n_layers]:
        raise ValueError(f"layer {bad[0]} does not exist; layers are 0 to {config.n_layers - 1}")
    points = ("hook_rot_q", "hook_rot_k", "hook_pattern")
    names = [f"layers.{layer}.attention.{point}" for layer in layers for point in points]
    with recording(names) as seen, torch.inference_mode():
        logits = model(torch.tensor([list(token_ids)]))[0]
    queries, keys, error = [], [], 0.0
    for layer in layers:
        q, k, own = (seen[f"layers.{layer}.attention.{point}"][0].float().cpu() for point in points)
        derived = derived_pattern(q, k, config.windows[layer], config.sinks)
        error = max(error, float((derived - own).abs().max()))
        queries.append(q.numpy())
        keys.append(k.numpy())
    return MaskReading(
        windows=config.windows,
        sinks=config.sinks,
        layers=tuple(layers),
        queries=_together(queries, (length, config.n_heads, config.head_dim)),
        keys=_together(keys, (length, config.n_kv_heads, config.head_dim)),
        logits=logits.float().cpu(),
        error=error,
    )


def _together(arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.array(arrays, np.float32).reshape(len(arrays), *shape)  # of no layer too


def derived_scores(
    queries: Float[Tensor, "pos n_heads head_dim"], keys: Float[Tensor, "pos n_kv_heads head_dim"]
) -> Float[Tensor, "n_heads pos pos"]:
    """`q . k / sqrt(head_dim)` of every pair, masked ones too; query head h reads key head h // repeats."""
    repeats = queries.shape[1] // keys.shape[1]
    shared = keys.repeat_interleave(repeats, dim=1)
    return torch.einsum("qhd,khd->hqk", queries, shared) * queries.shape[-1] ** -0.5


def derived_pattern(
    queries: Float[Tensor, "pos n_heads head_dim"],
    keys: Float[Tensor, "pos n_kv_heads head_dim"],
    window: Window,
    sinks: int = 0,
) -> Float[Tensor, "n_heads pos pos"]:
    """The weights that follow from queries and keys under a window."""
    positions = torch.arange(len(queries))[None]
    hidden = ~allowed(positions, positions, window, sinks)[0]
    return derived_scores(queries, keys).masked_fill(hidden, float("-inf")).softmax(-1)


def change(first: Float[Tensor, "pos vocab_size"], other: Float[Tensor, "pos vocab_size"]) -> LogitChange:
    """How far the predictions of two readings of one text lie apart, after each of its tokens."""
    largest = (first.double() - other.double()).abs().amax(-1)
    return LogitChange(largest=largest.numpy(), kl=kl_divergence(log_probs(first), log_probs(other)).numpy())
