"""Rotary position embeddings, in Mistral's layout: adjacent features form a pair.

Pair `i` of a query or key at position `p` is turned by the angle `p * theta^(-2i / head_dim)`.
The dot product of a turned query and a turned key then depends on the positions only through
their difference. Mistral turns the features (0,1), (2,3), ...; Hugging Face's files are permuted
so that (0, d/2), (1, d/2+1), ... are turned ("half-split"). `checkpoint/tensors.py` converts at load.

No table of angles is stored between calls, so none can be stale or too short.

Source: Su et al. 2021 (RoFormer, arXiv 2104.09864); mistral-inference `rope.py`.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor


@lru_cache(maxsize=16)  # keyed by both arguments; a key without theta would hand out another model's table
def inverse_frequencies(head_dim: int, theta: float) -> Float[Tensor, " pairs"]:
    """`theta^(-2i / head_dim)` for each pair `i`, in radians per position, float64.

    >>> inverse_frequencies(4, 10_000.0).tolist()
    [1.0, 0.01]
    """
    return theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)


def rotation(
    positions: Int[Tensor, "batch pos"], head_dim: int, theta: float, dtype: torch.dtype
) -> Complex[Tensor, "batch pos 1 pairs"]:
    """`cos + i sin` of every angle, with an axis of 1 for the heads.

    The angles are float64: at position 50,000 a float32 angle is off by 0.003 radians.
    The result has at least float32 parts.
    """
    angles = positions.to(torch.float64)[..., None, None] * inverse_frequencies(head_dim, theta).to(positions.device)
    turn = torch.polar(torch.ones_like(angles), angles)
    return turn if dtype == torch.float64 else turn.to(torch.complex64)


def rotate(
    x: Float[Tensor, "batch pos heads head_dim"], turn: Complex[Tensor, "batch pos 1 pairs"]
) -> Float[Tensor, "batch pos heads head_dim"]:
    """Turns each adjacent pair `(a, b)` into `(a cos - b sin, a sin + b cos)`.

    Written as one complex product, `(a + ib) (cos + i sin)`, as Mistral's code does: a third of the time.
    """
    wide = x.to(turn.real.dtype).contiguous()
    pairs = torch.view_as_complex(wide.view(*x.shape[:-1], -1, 2))  # [batch, pos, heads, pairs]
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)
