"""Padding and neighbours: a prompt alone, padded on either side, and beside others in a batch.

A padded place has position -1: `mask.allowed` lets nobody look at it, the ring does not store it, and the positions of
the real tokens are counted without it. So it must make no difference; what is left is rounding, since products of
another shape are summed in another order.

Source: `mistral_core.mask`, `mistral_core.kv_cache`; what goes wrong elsewhere: positions that count the padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.hooks import watching
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True)
class Company:
    """One way in which the prompt is read.

    Attributes:
        what: in words. rows: of the batch. width: its columns.
        dense, cached: largest absolute difference of the prompt's logits to those that it has alone: in one pass, and
            through the rings.
        first: whether the likeliest next token is the same after every token, both ways.
    """

    what: str
    rows: int
    width: int
    dense: float
    cached: float
    first: bool


def in_company(
    model: Transformer, token_ids: Sequence[int], others: Sequence[Sequence[int]], padding: int = 5
) -> list[Company]:
    """The prompt padded left, padded right, and beside other texts, compared with itself alone.

    Args:
        others: token ids of the texts beside it, of any lengths.
        padding: columns of padding where it is read by itself.

    Raises:
        ValueError: no token, or less than 1 column of padding.
    """
    if not token_ids or padding < 1:
        raise ValueError(f"{len(token_ids)} tokens and {padding} columns of padding; each must be at least 1")
    own, beside = list(token_ids), [list(text) for text in others]
    width = max(map(len, [own, *beside]))
    cases = [
        (f"padded on the left, {padding} columns", [own], len(own) + padding, True),
        (f"padded on the right, {padding} columns", [own], len(own) + padding, False),
        (f"beside {len(beside)} others, padded on the left", [own, *beside], width, True),
        (f"beside {len(beside)} others, padded on the right", [own, *beside], width, False),
    ]
    alone = _read(model, *_padded([own], len(own), left=True), cached=False)[0]
    out = []
    for what, rows, columns, left in cases:
        tokens, positions = _padded(rows, columns, left=left)
        mine = positions[0] >= 0
        dense, cached = (_read(model, tokens, positions, cached=way)[0][mine] for way in (False, True))
        out.append(
            Company(
                what=what,
                rows=len(rows),
                width=columns,
                dense=float((dense - alone).abs().max()),
                cached=float((cached - alone).abs().max()),
                first=all(torch.equal(one.argmax(-1), alone.argmax(-1)) for one in (dense, cached)),
            )
        )
    return out


def _padded(
    rows: Sequence[Sequence[int]], width: int, *, left: bool
) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
    """Token ids and positions, -1 where a row is padded."""
    tokens, positions = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -1)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        tokens[number, place] = torch.tensor(list(row))
        positions[number, place] = torch.arange(len(row))
    return tokens, positions


def _read(
    model: Transformer, tokens: Int[Tensor, "batch pos"], positions: Int[Tensor, "batch pos"], *, cached: bool
) -> Float[Tensor, "batch pos vocab_size"]:
    kv_cache = model.empty_kv_cache(len(tokens), max_context=tokens.shape[1]) if cached else None
    with watching(None), torch.inference_mode():
        logits: Tensor = model(tokens, positions=positions, kv_cache=kv_cache)
    return logits
