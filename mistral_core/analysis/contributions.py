"""What each state of the grid is made of, and how much each part counts: information flow, measured.

A state is a sum. With `a` the weight of query i on key j in head h,

    resid_mid_i  = resid_pre_i  +  sum over h, j of  a[h, i, j] wo_h v_j        stream, and one term a head and key
    resid_post_i = resid_mid_i  +  mlp_out_i                                    what attention made, and the MLP

How much a term z counts in a sum y is how much nearer to y it brings, as a share of all terms of that sum:

    proximity(z, y) = max(0, |y|_1 - |z - y|_1),      importance = proximity / sum of the proximities

It is read off one pass and says nothing of what would be without a term: `route_check` cuts and looks.

Everything with a key axis is banded: column `o` of query `q` stands for the key at `q - o`.

Source: Ferrando & Voita 2024 (arXiv 2403.00824), sections 2 and 3; the terms: Kobayashi et al. 2021 (arXiv 2109.07152).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.progress import Report, silent
from mistral_core.block import Block
from mistral_core.hooks import Capture, watching
from mistral_core.model import Transformer
from mistral_core.trace.shapes import layer_hook

MAX_BYTES = 2**30
"""What the patterns of one pass may hold, and a block of terms."""
BLOCK_BYTES = 2**26
_OF_LAYER = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_mlp_out")
_PATTERN, _VALUES = "attention.hook_pattern", "attention.hook_v"


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """Importance of every term in every state of a run.

    Attributes:
        attention: of each head and key in what the state is after attention, a band a layer; with `stream` a query's
            sum to 1.
        stream: of what the state was before the layer.
        mlp: of the MLP in the state after it; the rest is what attention made.
        mean_pattern: attention weights, mean over the heads, by offset: for rollout.
        error: how far the terms are from the state that they sum to, at most: `norm(sum - state) / norm(state)`.
    """

    attention: tuple[Float[np.ndarray, "pos n_heads _width"], ...]
    stream: Float[np.ndarray, "n_layers pos"]
    mlp: Float[np.ndarray, "n_layers pos"]
    mean_pattern: tuple[Float[np.ndarray, "pos _width"], ...]
    error: float

    def edges(self, layer: int) -> Float[np.ndarray, "pos width"]:
        """Importance of every cell below for every cell after the layer, by offset: rows sum to 1.

        Column 0 is the position itself: its stream and what it fetches from its own key.
        """
        edges = self.attention[layer].sum(1)
        edges[:, 0] += self.stream[layer]
        return edges


def contributions(
    model: Transformer, token_ids: Sequence[int], report: Report = silent, first: int = 0
) -> Contributions:
    """Takes every state of one dense pass apart.

    Args:
        first: position of the first token, if what comes before it is left out.

    Raises:
        ValueError: a text whose attention does not fit into memory, or a token that does not exist.
    """
    config, length = model.config, len(token_ids)
    needed = 2 * config.n_layers * config.n_heads * length**2 * model.dtype.itemsize
    if needed > MAX_BYTES:
        raise ValueError(
            f"the attention of {length:,} tokens needs {needed:,} bytes; at most {MAX_BYTES:,} are used, so choose "
            f"a text of at most {int(length * (MAX_BYTES / needed) ** 0.5):,} tokens"
        )
    hooks = (*_OF_LAYER, _PATTERN, _VALUES)
    capture = Capture([layer_hook(layer, hook) for layer in range(config.n_layers) for hook in hooks])
    report(0, config.n_layers + 1, "reading the text")
    with watching(capture), torch.inference_mode():
        model(torch.tensor([list(token_ids)]), torch.arange(first, first + length)[None], last_only=True)
    attention, patterns, stream, mlp, errors = [], [], [], [], []
    for layer in range(config.n_layers):
        report(layer + 1, config.n_layers + 1, f"taking layer {layer + 1} of {config.n_layers} apart")
        of = {hook: capture[layer_hook(layer, hook)][0] for hook in hooks}
        width = min(length, config.windows[layer] or length) if not config.sinks else length
        pattern = by_offset(of[_PATTERN], width)
        fetched = head_outputs(model, layer, of[_VALUES])
        made, own, error = _attention_shares(pattern, fetched, of["hook_resid_pre"], of["hook_resid_mid"])
        terms = torch.stack((of["hook_resid_mid"], of["hook_mlp_out"]), 1)
        total = of["hook_resid_post"]
        errors += [error, _distance(terms.sum(1), total)]
        attention.append(made.cpu().double().numpy())
        stream.append(own.cpu().double().numpy())
        mlp.append(_shares(proximity(terms, total))[:, 1].cpu().double().numpy())
        patterns.append(pattern.double().mean(1).cpu().numpy())
    report(config.n_layers + 1, config.n_layers + 1, "done")
    return Contributions(
        attention=tuple(attention),
        stream=np.array(stream),
        mlp=np.array(mlp),
        mean_pattern=tuple(patterns),
        error=max(errors),
    )


def head_outputs(
    model: Transformer, layer: int, values: Float[Tensor, "pos n_kv_heads head_dim"]
) -> Float[Tensor, "pos n_heads dim"]:
    """`wo_h v_j`: what each head would add to the stream if it looked at one key alone."""
    attention = cast(Block, model.layers[layer]).attention
    heads = attention.wo.weight.to(values.dtype).unflatten(1, (attention.n_heads, attention.head_dim))
    shared = values.repeat_interleave(attention.n_heads // attention.n_kv_heads, 1)
    return torch.einsum("jhd,ehd->jhe", shared, heads)


def proximity(terms: Float[Tensor, "*any terms dim"], total: Float[Tensor, "*any dim"]) -> Float[Tensor, "*any terms"]:
    """How much nearer to the sum a term brings: `max(0, |total|_1 - |term - total|_1)`."""
    away = (terms - total[..., None, :]).abs().sum(-1)
    return (total.abs().sum(-1, keepdim=True) - away).clamp_min(0)


def by_offset(square: Float[Tensor, "n_heads pos key_pos"], width: int) -> Float[Tensor, "pos n_heads width"]:
    """The pattern of a dense pass by offset; 0 where there is no key."""
    length = square.shape[1]
    keys = torch.arange(length)[:, None] - torch.arange(width)
    band = square.transpose(0, 1).gather(
        2, keys.clamp_min(0)[:, None].expand(-1, square.shape[0], -1).to(square.device)
    )
    return band.masked_fill((keys < 0)[:, None].to(square.device), 0.0)


def _attention_shares(
    pattern: Float[Tensor, "pos n_heads width"],
    fetched: Float[Tensor, "pos n_heads dim"],
    before: Float[Tensor, "pos dim"],
    after: Float[Tensor, "pos dim"],
) -> tuple[Float[Tensor, "pos n_heads width"], Float[Tensor, " pos"], float]:
    """Importance of every head and key, and of the stream, in the state after attention; and the error of the sum."""
    length, n_heads, width = pattern.shape
    made, own, errors = torch.zeros_like(pattern), torch.zeros_like(before[:, 0]), []
    at_once = max(1, BLOCK_BYTES // (n_heads * width * before.shape[1] * before.itemsize))
    for start in range(0, length, at_once):
        queries = torch.arange(start, min(start + at_once, length), device=pattern.device)
        keys = (queries[:, None] - torch.arange(width, device=pattern.device)).clamp_min(0)
        heads = pattern[queries][..., None] * fetched[keys].transpose(1, 2)  # [queries, n_heads, width, dim]
        terms = torch.cat((before[queries][:, None], heads.flatten(1, 2)), 1)
        shares = _shares(proximity(terms, after[queries]))
        own[queries], made[queries] = shares[:, 0], shares[:, 1:].unflatten(1, (n_heads, width))
        errors.append(_distance(terms.sum(1), after[queries]))
    return made, own, max(errors)


def _shares(near: Float[Tensor, "pos terms"]) -> Float[Tensor, "pos terms"]:
    """Of their sum; where no term is any nearer than nothing, all count alike."""
    total = near.sum(-1, keepdim=True)
    return torch.where(total > 0, near / total, torch.full_like(near, 1 / near.shape[-1]))


def _distance(total: Float[Tensor, "pos dim"], state: Float[Tensor, "pos dim"]) -> float:
    return float(((total - state).norm(dim=-1) / state.norm(dim=-1)).max())
