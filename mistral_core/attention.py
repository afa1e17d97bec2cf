"""Grouped-query attention with a sliding window, every intermediate a tensor one can look at.

    x -> wq -> q -- RoPE -> rot_q --+
    x -> wk -> k -- RoPE -> rot_k --+-> attn_scores -> softmax -> pattern --+
    x -> wv -> v ---------------------------------------------------------- +-> z -> wo -> out

`n_heads` queries share `n_kv_heads` keys and values: query heads `g * repeats` to
`(g + 1) * repeats - 1` read key/value head `g`. The sharing is done by shape: the queries of a
group are stacked on the query axis, so keys are never copied.

Scores, softmax and weighted sum are explicit, not fused, because they are the point; `verify`
compares them with `F.scaled_dot_product_attention`.

Source: "Mistral 7B" section 2; GQA: Ainslie et al. 2023 (arXiv 2305.13245); mistral-inference
`transformer_layers.py`, class Attention.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor, nn

from mistral_core.config import MistralConfig, Window
from mistral_core.hooks import HookPoint
from mistral_core.kv_cache import Ring, WritePlan
from mistral_core.mask import allowed
from mistral_core.rope import rotate


class Attention(nn.Module):
    """Attention of one layer.

    Hooks: `hook_q/k/v` before rotation, `hook_rot_q/k` after it, `hook_attn_scores` scaled and
    masked, `hook_pattern` after softmax, `hook_z` the weighted sum per head, and `hook_result`
    each head's share of the output (made only when asked for).
    """

    def __init__(self, config: MistralConfig, window: Window) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = config.n_heads, config.n_kv_heads, config.head_dim
        self.window, self.sinks = window, config.sinks
        self.wq = nn.Linear(config.dim, config.n_heads * config.head_dim, bias=False)
        self.wk = nn.Linear(config.dim, config.n_kv_heads * config.head_dim, bias=False)
        self.wv = nn.Linear(config.dim, config.n_kv_heads * config.head_dim, bias=False)
        self.wo = nn.Linear(config.n_heads * config.head_dim, config.dim, bias=False)
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_rot_q, self.hook_rot_k = HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern = HookPoint(), HookPoint()
        self.hook_z, self.hook_result = HookPoint(), HookPoint()

    def forward(
        self,
        x: Float[Tensor, "batch pos dim"],
        turn: Complex[Tensor, "batch pos 1 pairs"],
        positions: Int[Tensor, "batch pos"],
        ring: Ring | None = None,
        plan: WritePlan | None = None,
        hidden: Bool[Tensor, "batch 1 query_pos key_pos"] | None = None,
    ) -> Float[Tensor, "batch pos dim"]:
        """What attention adds to the residual stream.

        Args:
            x: the normalised stream. turn: `rotation` of each position.
            positions: absolute positions, -1 for padding.
            ring: this layer's slots; `None` = the keys are those of `x` alone.
            plan: what to write into the ring; needed with one.
            hidden: `hidden_keys` of these positions, if already known (it is the same for equal windows).
        """
        batch, n_tokens = positions.shape
        q, k, v = self.project(x)
        q = self.hook_q(q.view(batch, n_tokens, self.n_heads, self.head_dim))
        k = self.hook_k(k.view(batch, n_tokens, self.n_kv_heads, self.head_dim))
        v = self.hook_v(v.view(batch, n_tokens, self.n_kv_heads, self.head_dim))
        q = self.hook_rot_q(rotate(q, turn))
        k = self.hook_rot_k(rotate(k, turn))
        if ring is None or plan is None:
            keys, values, key_positions = k.transpose(1, 2), v.transpose(1, 2), positions
        else:
            keys, values, key_positions = read_and_write(ring, k, v, positions, plan)
        if hidden is None:
            hidden = hidden_keys(positions, key_positions, self.window, self.sinks)
        z = self.attend(q, keys, values, positions, key_positions, hidden)
        if self.hook_result.wanted():
            heads = self.wo.weight.to(z.dtype).unflatten(1, (self.n_heads, self.head_dim))
            made = torch.einsum("bphd,ehd->bphe", z, heads)
            result = self.hook_result(made)
            if result is not made:  # summing head by head rounds otherwise, and watching must change no bit
                return result.sum(2)
        return self.wo(z.flatten(-2))

    def project(self, x: Float[Tensor, "batch pos dim"]) -> tuple[Tensor, ...]:
        """Queries, keys and values, the heads still side by side: `wq x`, `wk x`, `wv x`."""
        return self.wq(x), self.wk(x), self.wv(x)

    def attend(
        self,
        q: Float[Tensor, "batch pos n_heads head_dim"],
        keys: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
        values: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
        positions: Int[Tensor, "batch pos"],
        key_positions: Int[Tensor, "batch key_pos"],
        hidden: Bool[Tensor, "batch 1 pos key_pos"],
    ) -> Float[Tensor, "batch pos n_heads head_dim"]:
        """Scores, mask, softmax, weighted sum: `softmax(q k^T / sqrt(head_dim) + mask) v`."""
        batch, n_queries = positions.shape
        repeats = self.n_heads // self.n_kv_heads
        grouped = q.view(batch, n_queries, self.n_kv_heads, repeats, self.head_dim).permute(0, 2, 3, 1, 4)
        grouped = grouped.reshape(batch * self.n_kv_heads, repeats * n_queries, self.head_dim)
        scores = torch.bmm(grouped, keys.flatten(0, 1).transpose(1, 2))  # [batch * n_kv_heads, repeats * pos, key_pos]
        scores = scores.view(batch, self.n_heads, n_queries, -1) * self.head_dim**-0.5
        scores = self.hook_attn_scores(scores.masked_fill(hidden, float("-inf")), positions, key_positions)
        wide = torch.float64 if scores.dtype == torch.float64 else torch.float32
        pattern = self.hook_pattern(scores.softmax(-1, dtype=wide).to(q.dtype), positions, key_positions)
        z = torch.bmm(pattern.reshape(batch * self.n_kv_heads, repeats * n_queries, -1), values.flatten(0, 1))
        return self.hook_z(z.view(batch, self.n_heads, n_queries, self.head_dim).transpose(1, 2))


def hidden_keys(
    positions: Int[Tensor, "batch pos"], key_positions: Int[Tensor, "batch key_pos"], window: Window, sinks: int = 0
) -> Bool[Tensor, "batch 1 pos key_pos"]:
    """True where a key is masked, with an axis of 1 for the heads.

    Padding queries (position -1) may look anywhere: their output is discarded, but an empty row
    would be 0/0 and spread.
    """
    visible = allowed(positions, key_positions, window, sinks)
    return ~(visible | (positions < 0)[..., None])[:, None]


def read_and_write(
    ring: Ring,
    k: Float[Tensor, "batch pos n_kv_heads head_dim"],
    v: Float[Tensor, "batch pos n_kv_heads head_dim"],
    positions: Int[Tensor, "batch pos"],
    plan: WritePlan,
) -> tuple[
    Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    Int[Tensor, "batch key_pos"],
]:
    """Keys, values and their positions for a chunk, and the chunk's own stored in the ring.

    One token: write, then read the slots in ring order. More: read (ring + chunk), then write;
    writing first would overwrite keys that the chunk's early queries still see.
    """
    if positions.shape[1] == 1:
        ring.write(k, v, plan)
        return ring.keys, ring.values, plan.key_positions
    keys = torch.cat((ring.keys, k.transpose(1, 2)), dim=2)
    values = torch.cat((ring.values, v.transpose(1, 2)), dim=2)
    ring.write(k, v, plan)
    return keys, values, plan.key_positions
