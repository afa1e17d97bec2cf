"""Direct logit attribution: what every part of the network adds to the logit of a token.

The last row of the stream is a sum, and with the scale s of the final norm taken as it was, what follows is linear:

    logit(t) = sum over parts c of   c . (gain * output[t]) / s       c: embedding, attn_out and mlp_out of each layer

Attention is a sum again, of its heads: `wo_h z_h`. The difference of two tokens' logits is the sum of the differences,
part by part: that is the number to read where a part adds to all tokens alike.

It is the direct effect alone: what a part does by way of later layers counts as theirs, and s would be another one
without it. Computed in float64 from what was stored; `error` says by how much the sums miss the model's logits.

Source: Elhage et al. 2021 (transformer-circuits.pub/2021/framework); Wang et al. 2022 (arXiv 2211.00593), section 3;
promoted tokens with ranks: Tufanov et al. 2024 (arXiv 2404.07004), LM Transparency Tool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.logit_lens import check_tokens, lens_logits, ranks, widened
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.stream import Stream
from mistral_core.block import Block
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    """What parts add to the logits of some tokens at every position, as numbers of logit.

    Attributes:
        parts: embedding, then attention and MLP of each layer: `1 + 2 * n_layers` of them.
        heads: what each head's share of its layer's attention adds.
        logits: the model's own. error: `max |sum - logit| / max |logit|`, over all positions and tokens.
        heads_error: the same for the heads' sums and their attention.
    """

    parts: Float[np.ndarray, "pos tokens parts"]
    heads: Float[np.ndarray, "pos tokens n_layers n_heads"]
    logits: Float[np.ndarray, "pos tokens"]
    error: float
    heads_error: float


def attribute(
    model: Transformer, stream: Stream, tokens: Int[np.ndarray, "pos tokens"] | Sequence[Sequence[int]]
) -> Attribution:
    """Takes the logits of some tokens apart, at each position those that are named for it.

    Raises:
        ValueError: a token that does not exist, or not as many rows of them as positions.
    """
    ids = torch.as_tensor(np.asarray(tokens), dtype=torch.long, device=stream.states.device)
    if ids.ndim != 2 or len(ids) != len(stream):
        raise ValueError(f"tokens are {tuple(ids.shape)}; give a row for each of the {len(stream)} positions")
    check_tokens(model, ids.unique().tolist())
    reading = _directions(model, stream, ids)  # [pos, tokens, dim]
    parts = torch.stack([torch.einsum("pd,ptd->pt", part.double(), reading) for part in _parts(stream)], -1)
    heads = torch.stack([_heads(model, stream, layer, reading) for layer in range(model.config.n_layers)], -2)
    logits = stream.logits.double().gather(1, ids)
    return Attribution(
        parts=parts.cpu().numpy(),
        heads=heads.cpu().numpy(),
        logits=logits.cpu().numpy(),
        error=_relative(parts.sum(-1), logits),
        heads_error=_relative(heads.sum(-1), parts[..., 1::2]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """What each part promotes and suppresses at some positions, by what it adds to the logits.

    Parts as in `Attribution`, without the embedding: attention and MLP of each layer. Of `2 * each` tokens the first
    half is promoted, strongest first, the other half suppressed.

    Attributes:
        added: to the logit. before, after: rank in the stream that the part reads from and adds to, by the lens.
    """

    tokens: Int[np.ndarray, "pos parts words"]
    added: Float[np.ndarray, "pos parts words"]
    before: Int[np.ndarray, "pos parts words"]
    after: Int[np.ndarray, "pos parts words"]


def promoted(
    model: Transformer, stream: Stream, first: int, stop: int, *, each: int = 5, report: Report = silent
) -> Words:
    """The tokens whose logits each part moves most, at positions `[first, stop)` of the text.

    Raises:
        ValueError: positions that the stream does not hold, or more tokens than half the vocabulary.
    """
    at = slice(first - stream.first, stop - stream.first)
    if not 0 <= at.start < at.stop <= len(stream):
        held = f"{stream.first} to {stream.first + len(stream) - 1}"
        raise ValueError(f"positions {first} to {stop - 1} are not in the stream; it holds {held}")
    if not 1 <= each <= model.config.vocab_size // 2:
        raise ValueError(f"each is {each}; it must be 1 to {model.config.vocab_size // 2}, half the vocabulary")
    scale, made = stream.scale[at], list[tuple[Tensor, ...]]()
    for layer in range(model.config.n_layers):
        report(layer, model.config.n_layers, "which words parts promote")
        stream_of = (stream.states[layer], stream.middle(layer), stream.states[layer + 1])
        before, middle, after = lens_logits(model, torch.stack([x[at] for x in stream_of]))
        for part, (low, high) in zip(
            (stream.attention[layer], stream.mlp[layer]), ((before, middle), (middle, after)), strict=True
        ):
            made.append(_moved(_added(model, part[at], scale), low, high, each))
    return Words(
        **{
            name: torch.stack([one[i] for one in made], 1).cpu().numpy()
            for i, name in enumerate(("tokens", "added", "before", "after"))
        }
    )


def _parts(stream: Stream) -> list[Float[Tensor, "pos dim"]]:
    """What was added to the stream, in order."""
    parts = [stream.states[0]]
    for attention, mlp in zip(stream.attention, stream.mlp, strict=True):
        parts += [attention, mlp]
    return parts


def _directions(model: Transformer, stream: Stream, ids: Int[Tensor, "pos tokens"]) -> Float[Tensor, "pos tokens dim"]:
    """`gain * output[t] / s`: what a vector of the stream is multiplied by to give its share of a logit."""
    output = model.tok_embeddings if model.output is None else model.output
    rows = output.weight[ids].double()
    return rows * model.norm.weight.double() / stream.scale.double()[:, None]


def _heads(
    model: Transformer, stream: Stream, layer: int, reading: Float[Tensor, "pos tokens dim"]
) -> Float[Tensor, "pos tokens n_heads"]:
    """What each head adds: `wo_h z_h` along the directions, multiplied from the right so that no head is ever wide."""
    attention = cast(Block, model.layers[layer]).attention
    heads = attention.wo.weight.double().unflatten(1, (attention.n_heads, attention.head_dim))
    asked = torch.einsum("ptd,dhe->pthe", reading, heads)
    return torch.einsum("pthe,phe->pth", asked, stream.z[layer].double())


def _added(
    model: Transformer, part: Float[Tensor, "pos dim"], scale: Float[Tensor, "pos 1"]
) -> Float[Tensor, "pos vocab_size"]:
    """What a part adds to every logit."""
    with torch.inference_mode():
        return widened(model.unembed((part / scale.to(part.dtype) * model.norm.weight)[None]))[0]


def _moved(added: Tensor, low: Tensor, high: Tensor, each: int) -> tuple[Tensor, ...]:
    up, down = added.topk(each), (-added).topk(each)
    tokens = torch.cat((up.indices, down.indices), 1)
    return tokens, added.gather(1, tokens), ranks(low, tokens), ranks(high, tokens)


def _relative(total: Tensor, stored: Tensor) -> float:
    return float((total - stored).abs().max() / stored.abs().max().clamp_min(1e-30))
