"""Why this attention score? One score as a sum: over the rotary pairs, and over the layers that made query and key.

A score is a dot product of two turned vectors, `s = q . k / sqrt(head_dim)`, so it is a sum over their pairs. A pair
that turns slowly compares meaning however far apart the tokens are; one that turns fast depends on their distance.

Query and key are linear in the normalised stream, and the stream is the sum of the embedding and of what every layer
before has added. With the norm's divisor held as it was stored, each part of the stream makes its own part of the query
and of the key, and the score is the sum over all pairs of parts:

    q = sum over parts c of q_c,   q_c = R(t) Wq (g * c_t / scale_t),   k likewise at its own position
    s = sum over c, c' of q_c . k_c' / sqrt(head_dim)

Holding the divisor is a convention: without a part it would have been another one. What is stored but not made of these
parts (something was put into a changed network) is a part of its own, `rest`.

Source: pairs: Barbero et al. 2024 (arXiv 2410.06205); parts of the stream: Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits"; the divisor held: TransformerLens, `apply_ln_to_stack`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.inside import Inside
from mistral_core.analysis.worked_cell import SCORES
from mistral_core.block import Block
from mistral_core.model import Transformer
from mistral_core.rope import rotate, rotation
from mistral_core.trace.shapes import KEYS

ROUNDING = 1e-4
"""A rest below this share of the vector's length is rounding and no part."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreSplit:
    """One score of a query on a key.

    Attributes:
        score: as stored; minus infinity where it is masked.
        by_pair: what each pair adds to it. Sums to the score.
        parts: names of the rows and columns: "embedding", "layer 1", ..., perhaps "rest".
        by_layer: row = part of the query, column = part of the key. Sums to the score.
    """

    score: float
    by_pair: Float[np.ndarray, " pairs"]
    parts: tuple[str, ...]
    by_layer: Float[np.ndarray, "query_parts key_parts"]

    @property
    def error(self) -> float:
        """How far either sum is from the score, at most."""
        return max(abs(float(self.by_pair.sum()) - self.score), abs(float(self.by_layer.sum()) - self.score))


def split_score(model: Transformer, inside: Inside, layer: int, position: int, head: int, key: int) -> ScoreSplit:
    """Takes one score apart.

    Args:
        position: of the query. key: position of the key.

    Raises:
        ValueError: the key is not seen from there, or what its token made is not kept.
    """
    seen = inside.seen(layer, position)
    if key not in seen:
        raise ValueError(f"position {key} is not seen from {position} in layer {layer}; seen are {_range(seen)}")
    if not inside.has(key):
        raise ValueError(
            f"what token {key} made is not kept, only that of {inside.first} to {inside.stop - 1}: choose a nearer key"
        )
    config = inside.config
    group, by = head // (config.n_heads // config.n_kv_heads), config.head_dim**-0.5
    q = inside.of(layer, "attention.hook_rot_q", position)[head].astype(np.float64)
    k = inside.of(layer, KEYS, key)[group].astype(np.float64)
    queries = _parts(model, inside, layer, position, "wq", head, q)
    keys = _parts(model, inside, layer, key, "wk", group, k)
    names = ["embedding", *(f"layer {before + 1}" for before in range(layer)), "rest"]
    rest = any(
        np.linalg.norm(parts[-1]) > ROUNDING * np.linalg.norm(whole) for parts, whole in ((queries, q), (keys, k))
    )
    count = len(names) - (not rest)
    return ScoreSplit(
        score=float(inside.by_key(layer, SCORES, position)[head, np.flatnonzero(seen == key)[0]]),
        by_pair=(q * k).reshape(-1, 2).sum(1) * by,
        parts=tuple(names[:count]),
        by_layer=queries[:count] @ keys[:count].T * by,
    )


def _parts(
    model: Transformer, inside: Inside, layer: int, position: int, matrix: str, head: int, stored: np.ndarray
) -> Float[np.ndarray, "parts head_dim"]:
    """What each part of the stream adds to one head's turned query or key, and last what is left of the stored one."""
    config = inside.config
    block = cast(Block, model.layers[layer])
    added = [inside.at("hook_embed", position)]
    for before in range(layer):
        made = (inside.of(before, hook, position).astype(np.float64) for hook in ("hook_attn_out", "hook_mlp_out"))
        added.append(sum(made, np.zeros(config.dim)))
    scale = float(inside.of(layer, "attention_norm.hook_scale", position)[0])
    normalized = (
        torch.from_numpy(np.stack(added).astype(np.float64)) / scale * block.attention_norm.weight.double().cpu()
    )
    weight = cast(Tensor, getattr(block.attention, matrix).weight)
    rows = weight[head * config.head_dim : (head + 1) * config.head_dim].double().cpu()
    projected = normalized @ rows.T  # [parts, head_dim]
    turn = rotation(torch.tensor([[position]]), config.head_dim, config.rope_theta, torch.float64)
    turned = rotate(projected[None, None], turn)[0, 0].numpy()
    return np.concatenate((turned, (stored - turned.sum(0))[None]))


def wavelengths(head_dim: int, theta: float) -> Float[np.ndarray, " pairs"]:
    """Tokens after which each pair has turned once round: `2 pi theta^(2i / head_dim)`.

    >>> wavelengths(4, 10_000.0).round(2).tolist()
    [6.28, 628.32]
    """
    return 2 * np.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)


def _range(seen: np.ndarray) -> str:
    return ", ".join(map(str, seen.tolist())) if len(seen) <= 20 else f"{seen[0]} to {seen[-1]}"
