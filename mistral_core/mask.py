"""Who may look at whom: the one place that says so.

A query at position q sees the key at position k exactly if

    k >= 0          the slot is not empty (position -1)
    k <= q          the key is not in the future
    q - k < W       the key is not older than the window; W counts the query's own key
      or k < S      or it is one of the first S, which some keep in sight of every query (no Mistral does)

It is computed from positions, never from lengths or from the order of the keys. The same three
terms therefore serve a dense pass, a chunk of prefill beside the ring, and decoding from a ring
whose slots are not in the order of the text.

Source: "Mistral 7B" section 2, figure 1. The paper's wording i-W..i would be W+1 keys; its cache
holds W. An early one-file reference masked W+1 keys in prefill; here W is W everywhere.
"""

from __future__ import annotations

from jaxtyping import Bool, Int
from torch import Tensor


def allowed(
    query_positions: Int[Tensor, "batch query_pos"],
    key_positions: Int[Tensor, "batch key_pos"],
    window: int | None,
    sinks: int = 0,
) -> Bool[Tensor, "batch query_pos key_pos"]:
    """True where the query may look at the key.

    Args:
        query_positions: absolute positions; -1 marks padding, which sees nothing.
        key_positions: absolute positions in any order; -1 = empty slot or padding.
        window: keys visible to a query, itself included; `None` = all earlier ones.
        sinks: first positions that stay visible beside the window.

    >>> import torch
    >>> positions = torch.arange(5)[None]
    >>> allowed(positions, positions, 3)[0].int().tolist()[4]
    [0, 0, 1, 1, 1]
    >>> allowed(positions, positions, 3, sinks=1)[0].int().tolist()[4]
    [1, 0, 1, 1, 1]
    """
    q, k = query_positions[:, :, None], key_positions[:, None, :]
    visible = (k >= 0) & (k <= q)
    if window is None:
        return visible
    near = q - k < window
    return visible & (near | (k < sinks) if sinks else near)
