"""The loss of the network, computed another way: attention block by block, nothing watched.

The modules of `mistral_core` hold the weights and stay as they are; here the same formulas are
written for whole batches of long sequences. A query sees at most W keys, so the sequence is cut
into blocks of W and each block of queries meets two blocks of keys, its own and the one before:

    queries   [ block 0 ][ block 1 ][ block 2 ]
    keys      [ none | 0 ][ 0 | 1  ][ 1 | 2   ]        2W keys a query in place of T

What may be seen inside is said by `mask.allowed`, as everywhere. Rotation is done with real
cosines and sines, since compilers know no complex numbers. A test compares logits and all
gradients with `Transformer.forward` in float64.

Dropout is here and not in the network: the application's model has none. Which features are kept is
drawn before the computation and handed in, so a compiled network and a plain one drop the same.

Source: block-local attention as in Child et al. 2019 (arXiv 1904.10509) and Beltagy et al. 2020
(Longformer, arXiv 2004.05150); dropout on what each layer adds: Vaswani et al. 2017.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mistral_core.attention import Attention
from mistral_core.block import Block
from mistral_core.config import MistralConfig, Window
from mistral_core.feed_forward import FeedForward
from mistral_core.mask import allowed
from mistral_core.model import Transformer
from mistral_core.norm import RMSNorm
from mistral_core.rope import inverse_frequencies

LEAST_BLOCK = 16
"""Positions of a block at least: smaller ones cost more to start than they save."""
EMBEDDING_STD = 0.02


def initialise(model: Transformer, seed: int) -> None:
    """Draws weights to start from: normal with deviation 0.02, gains 1.

    wo and w2, which write into the residual stream, are divided by sqrt(2 n_layers), so that the stream does
    not grow with depth.

    Source: Radford et al. 2019 (GPT-2), section 2.3.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
                continue
            part = name.split(".")[-2]
            scale = 1 / math.sqrt(2 * model.config.n_layers) if part in ("wo", "w2") else 1.0
            drawn = torch.empty(parameter.shape).normal_(0.0, EMBEDDING_STD * scale, generator=generator)
            parameter.copy_(drawn)


class TrainingNetwork(nn.Module):
    """A `Transformer`'s weights behind the training computation.

    Args:
        model: whose weights are used and trained.
        dropout: share of features dropped after the embedding, each attention and each feed-forward.
    """

    def __init__(self, model: Transformer, dropout: float = 0.0) -> None:
        super().__init__()
        self.model, self.dropout = model, dropout
        frequencies = inverse_frequencies(model.config.head_dim, model.config.rope_theta)
        self.register_buffer("frequencies", frequencies.to(model.tok_embeddings.weight.device), persistent=False)

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        targets: Int[Tensor, "batch pos"],
        kept: Bool[Tensor, "places batch pos dim"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean of `-ln p` of the targets, in nats.

        Args:
            kept: what `draw` drew; `None` = every feature.
        """
        logits = self.logits(tokens, kept)
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return F.cross_entropy(wide.flatten(0, 1), targets.flatten())

    def draw(
        self, tokens: Int[Tensor, "batch pos"], generator: torch.Generator
    ) -> Bool[Tensor, "places batch pos dim"] | None:
        """Which features stay at each place where some are dropped; `None` without dropout."""
        if not self.dropout:
            return None
        config = self.model.config
        shape = (1 + 2 * config.n_layers, *tokens.shape, config.dim)
        words = torch.empty(-(-math.prod(shape) // 4), dtype=torch.int64, device=tokens.device)
        # four draws of 16 bits in one of 64: twice as fast as bernoulli_, and exact to 1 / 65,536
        bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[: math.prod(shape)]
        return (bits >= round(self.dropout * 2**16) - 2**15).view(shape)

    def logits(
        self, tokens: Int[Tensor, "batch pos"], kept: Bool[Tensor, "places batch pos dim"] | None = None
    ) -> Float[Tensor, "batch pos vocab_size"]:
        """What `Transformer.forward` gives for whole texts; ids are not checked."""
        model = self.model
        config: MistralConfig = model.config
        x = self._drop(model.tok_embeddings(tokens), kept, 0)
        turn = _turns(tokens.shape[1], cast(Tensor, self.frequencies), x)
        for number, (layer, window) in enumerate(zip(model.layers, config.windows, strict=True)):
            block = cast(Block, layer)
            added = _attention(block.attention, _norm(block.attention_norm, x), turn, window)
            x = x + self._drop(added, kept, 2 * number + 1)
            added = _feed_forward(block.feed_forward, _norm(block.ffn_norm, x))
            x = x + self._drop(added, kept, 2 * number + 2)
        weight = model.tok_embeddings.weight if model.output is None else model.output.weight
        return F.linear(_norm(model.norm, x), weight)

    def _drop(self, x: Tensor, kept: Tensor | None, place: int) -> Tensor:
        """What is kept is scaled up, so that its mean stays."""
        return x if kept is None else x * kept[place] * (1 / (1 - self.dropout))


def local_attention(
    q: Float[Tensor, "batch pos n_heads head_dim"],
    k: Float[Tensor, "batch pos n_kv_heads head_dim"],
    v: Float[Tensor, "batch pos n_kv_heads head_dim"],
    window: Window,
) -> Float[Tensor, "batch pos n_heads head_dim"]:
    """`softmax(q k^T / sqrt(head_dim) + mask) v` over the keys that a window lets each query see.

    Without a window, or with one as long as the text, it is torch's fused causal attention.
    """
    batch, length, n_heads, head_dim = q.shape
    if window is None or window >= length:
        z = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, enable_gqa=True
        )
        return z.transpose(1, 2)
    size = max(window, LEAST_BLOCK)
    n_blocks, groups = -(-length // size), k.shape[2]
    repeats = n_heads // groups
    padding = n_blocks * size - length
    rows = batch * n_blocks * groups
    q = F.pad(q, (0, 0, 0, 0, 0, padding)).view(batch, n_blocks, size, groups, repeats, head_dim)
    q = q.permute(0, 1, 3, 4, 2, 5).reshape(rows, repeats * size, head_dim)
    keys = _two_blocks(k, n_blocks, size, padding).reshape(rows, 2 * size, head_dim)
    values = _two_blocks(v, n_blocks, size, padding).reshape(rows, 2 * size, head_dim)
    scores = torch.bmm(q, keys.transpose(1, 2)).view(batch, n_blocks, groups, repeats, size, 2 * size)
    scores = (scores * head_dim**-0.5).masked_fill(_hidden(n_blocks, size, window, q.device), float("-inf"))
    wide = torch.float64 if scores.dtype == torch.float64 else torch.float32
    pattern = scores.softmax(-1, dtype=wide).to(values.dtype).view(rows, repeats * size, 2 * size)
    z = torch.bmm(pattern, values).view(batch, n_blocks, groups, repeats, size, head_dim)
    z = z.permute(0, 1, 4, 2, 3, 5).reshape(batch, n_blocks * size, n_heads, head_dim)
    return z[:, :length]


def _two_blocks(x: Tensor, n_blocks: int, size: int, padding: int) -> Tensor:
    """Each block behind the one before it: `[batch, n_blocks, heads, 2 size, head_dim]`."""
    batch, _, heads, head_dim = x.shape
    blocks = F.pad(x, (0, 0, 0, 0, size, padding)).view(batch, n_blocks + 1, size, heads, head_dim)
    return torch.cat((blocks[:, :-1], blocks[:, 1:]), dim=2).transpose(2, 3)


def _hidden(n_blocks: int, size: int, window: int, device: torch.device) -> Tensor:
    """What a query does not see: `[n_blocks, 1, 1, size, 2 size]`; before the text, positions are -1 (empty)."""
    starts = torch.arange(n_blocks, device=device)[:, None] * size
    queries = starts + torch.arange(size, device=device)
    keys = (starts + torch.arange(-size, size, device=device)).clamp(min=-1)
    return ~allowed(queries, keys, window)[:, None, None]


def _turns(length: int, frequencies: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every rotary angle, `[length, 1, pairs]`."""
    positions = torch.arange(length, dtype=torch.float64, device=x.device)
    angles = positions[:, None, None] * frequencies
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    return angles.cos().to(wide), angles.sin().to(wide)


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Each adjacent pair `(a, b)` becomes `(a cos - b sin, a sin + b cos)`."""
    cos, sin = turn
    a, b = x.to(cos.dtype).unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2).to(x.dtype)


def _norm(norm: RMSNorm, x: Tensor) -> Tensor:
    wide = x if x.dtype == torch.float64 else x.float()
    return (wide * (wide.square().mean(-1, keepdim=True) + norm.eps).rsqrt()).to(x.dtype) * norm.weight


def _attention(part: Attention, x: Tensor, turn: tuple[Tensor, Tensor], window: Window) -> Tensor:
    heads = (-1, part.head_dim)
    q = _rotate(F.linear(x, part.wq.weight).unflatten(-1, heads), turn)
    k = _rotate(F.linear(x, part.wk.weight).unflatten(-1, heads), turn)
    v = F.linear(x, part.wv.weight).unflatten(-1, heads)
    return F.linear(local_attention(q, k, v, window).flatten(-2), part.wo.weight)


def _feed_forward(part: FeedForward, x: Tensor) -> Tensor:
    return F.linear(F.silu(F.linear(x, part.w1.weight)) * F.linear(x, part.w3.weight), part.w2.weight)
