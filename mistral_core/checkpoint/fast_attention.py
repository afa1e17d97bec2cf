"""Attention in blocks of queries: a chunk of a prompt is compared with the keys that it can see, and few others.

A chunk of 256 tokens behind a window of 128 meets 384 keys, and each of its queries sees 128 of them. All at once, two
thirds of the scores are made to be masked away. Its first 64 queries see keys of a part of the columns, the next 64 of
another part; each block is multiplied by its part alone. Which part that is, the mask itself says, so that whatever
masks (a window, another window, a mistake of the museum) is obeyed.

Hooks are given whole tensors, made of the parts; what they do not change goes on as it was, so watching changes no bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from mistral_core.attention import Attention
from mistral_core.hooks import HookPoint

QUERIES = 64
"""Of a block."""
WORTH_IT = 0.75
"""Share of the scores above which they are all made at once."""


class Block(NamedTuple):
    """Queries, and the columns from the first to the last key that one of them sees.

    Attributes:
        mask: what is added to their scores: 0 where a key is seen, else -inf.
    """

    queries: slice
    keys: slice
    mask: Float[Tensor, "*any"]


EVERYTHING = (Block(slice(None), slice(None), torch.zeros(())),)
_blocks: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""By mask: the layers of one pass share it."""


class BlockAttention(Attention):
    """The same scores, pattern and sums, block by block."""

    def attend(
        self,
        q: Float[Tensor, "batch pos n_heads head_dim"],
        keys: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
        values: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
        positions: Int[Tensor, "batch pos"],
        key_positions: Int[Tensor, "batch key_pos"],
        hidden: Bool[Tensor, "batch 1 pos key_pos"],
    ) -> Float[Tensor, "batch pos n_heads head_dim"]:
        """As `Attention.attend`."""
        blocks = blocks_of(hidden)
        if len(blocks) == 1 or q.dtype == torch.float16:  # a hidden score of inf plus -inf would be no number
            return super().attend(q, keys, values, positions, key_positions, hidden)
        where = positions, key_positions
        wide = torch.float64 if q.dtype == torch.float64 else torch.float32
        scores = [self._scores(q, keys, block) for block in blocks]
        scores, blocks = shown(self.hook_attn_scores, scores, blocks, float("-inf"), where)
        patterns = [part.softmax(-1, dtype=wide).to(q.dtype) for part in scores]
        patterns, blocks = shown(self.hook_pattern, patterns, blocks, 0.0, where)
        sums = [self._sums(part, values[:, :, block.keys]) for part, block in zip(patterns, blocks, strict=True)]
        return self.hook_z(torch.cat(sums, dim=2).transpose(1, 2))

    def _scores(self, q: Tensor, keys: Tensor, block: Block) -> Float[Tensor, "batch n_heads block_pos seen_pos"]:
        """Scaled and masked, where they lie."""
        some = q[:, block.queries].unflatten(2, (self.n_kv_heads, -1)).permute(0, 2, 3, 1, 4)
        stacked = some.reshape(len(q) * self.n_kv_heads, -1, self.head_dim)
        scores = torch.bmm(stacked, keys[:, :, block.keys].flatten(0, 1).transpose(1, 2))
        return scores.view(len(q), self.n_heads, some.shape[3], -1).mul_(self.head_dim**-0.5).add_(block.mask)

    def _sums(self, pattern: Tensor, values: Tensor) -> Float[Tensor, "batch n_heads block_pos head_dim"]:
        """The values, weighted by a pattern."""
        batch, _, n_queries, n_keys = pattern.shape
        stacked = pattern.reshape(batch * self.n_kv_heads, -1, n_keys)
        return torch.bmm(stacked, values.flatten(0, 1)).view(batch, self.n_heads, n_queries, self.head_dim)


def shown(
    hook: HookPoint, parts: list[Tensor], blocks: Sequence[Block], elsewhere: float, where: tuple[Tensor, Tensor]
) -> tuple[list[Tensor], Sequence[Block]]:
    """Gives a hook the whole of which these are parts; parts and blocks with which it goes on."""
    if not hook.wanted():
        return parts, blocks
    positions, key_positions = where
    whole = parts[0].new_full((*parts[0].shape[:2], positions.shape[1], key_positions.shape[1]), elsewhere)
    for part, block in zip(parts, blocks, strict=True):
        whole[:, :, block.queries, block.keys] = part
    changed = hook(whole, positions, key_positions)
    return (parts, blocks) if changed is whole else ([changed], EVERYTHING)


def blocks_of(hidden: Bool[Tensor, "batch 1 pos key_pos"]) -> Sequence[Block]:
    """The blocks of a chunk; one of everything where that saves little, and for several texts at once.

    What one text sees must not decide how another one's sums are rounded.
    """
    if hidden.shape[2] <= QUERIES or len(hidden) > 1 or not hidden.is_cpu:
        return EVERYTHING
    known: Sequence[Block] | None = _blocks.get(hidden)
    if known is None:
        known = _blocks[hidden] = _cut(hidden)
    return known


def _cut(hidden: Bool[Tensor, "1 1 pos key_pos"]) -> Sequence[Block]:
    n_queries, n_keys = hidden.shape[2:]
    cuts, scores = [], 0
    for start in range(0, n_queries, QUERIES):
        some = slice(start, min(start + QUERIES, n_queries))
        columns = np.flatnonzero(~hidden[0, 0, some].numpy().all(0))
        seen = slice(int(columns[0]), int(columns[-1]) + 1) if len(columns) else slice(0, n_keys)
        cuts.append((some, seen))
        scores += (some.stop - some.start) * (seen.stop - seen.start)
    if scores > WORTH_IT * n_queries * n_keys:
        return EVERYTHING
    return [Block(some, seen, _added(hidden[:, :, some, seen])) for some, seen in cuts]


def _added(hidden: Bool[Tensor, "1 1 block_pos seen_pos"]) -> Float[Tensor, "1 1 block_pos seen_pos"]:
    return torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))
