"""What one key/value head is good for: it is taken away, and all that changes is measured.

The key/value head's row of `hook_k` and `hook_v` is made 0 at every position, where keys and values are made and
before they are stored, so a ring holds the same zeros. What follows by the formula of attention:

    values 0            z = sum of weights x 0 = 0 for every query head of the group
    keys 0, values left every score is 0, so the weights of all keys in sight are equal: the group's heads fetch the
                        plain mean of the values, whatever they ask

In the layer itself no other query head reads this key/value head, so their z stays the same bit for bit; every later
layer works with what has changed. Both passes have the same shape, so an equality of bits is one of the network.

Source: the group of a key/value head: Ainslie et al. 2023 (arXiv 2305.13245), figure 2; ablation: Michel et al. 2019
(arXiv 1905.10650).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mistral_core.analysis.gradients import log_probs
from mistral_core.analysis.influence import CHUNK, MAX_BYTES, kl_divergence, read
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.sharing_bytes import group_of
from mistral_core.config import brief
from mistral_core.hooks import Capture, Replacing, Sinks
from mistral_core.model import Transformer
from mistral_core.trace.shapes import layer_hook

Takes = Literal["both", "keys"]
"""What is taken away: keys and values, or the keys alone."""
K, V, Z = "attention.hook_k", "attention.hook_v", "attention.hook_z"
CANDIDATES = 6
"""Of each prediction, how many next tokens are kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WithoutKvHead:
    """A text, read with a key/value head and without it.

    Attributes:
        layer, kv_head: from 0. takes: one of `Takes`.
        moved: by how much what each query head fetches has changed, `norm(d z) / norm(z)`; exactly 0 where no bit has.
        kl: KL(as it is || without) of the next-token distribution after each position, in nats.
        before, after: log-probability of the actual next token in nats; NaN at the last position, which has none.
        candidates: ids of the next tokens that are likeliest in either reading, the actual one among them.
        likely: probability of each as it is, and without.
    """

    layer: int
    kv_head: int
    takes: str
    moved: Float[np.ndarray, "pos n_layers n_heads"]
    kl: Float[np.ndarray, " pos"]
    before: Float[np.ndarray, " pos"]
    after: Float[np.ndarray, " pos"]
    candidates: Int[np.ndarray, "pos candidates"]
    likely: Float[np.ndarray, "pos candidates 2"]

    @property
    def same(self) -> Bool[np.ndarray, "n_layers n_heads"]:
        """Heads that fetch the same, bit for bit, at every position."""
        return np.asarray((self.moved == 0).all(0))


def without_kv_head(
    model: Transformer, token_ids: Sequence[int], layer: int, kv_head: int, takes: str = "both", report: Report = silent
) -> WithoutKvHead:
    """Reads a text twice, with a key/value head of a layer and without it.

    Raises:
        ValueError: no such layer, key/value head or part, no token, or a text that is too long to be held twice.
    """
    config, length = model.config, len(token_ids)
    names = [layer_hook(index, Z) for index in range(config.n_layers)]
    fetched = config.n_layers * config.n_heads * config.head_dim
    needed = 2 * length * fetched * model.dtype.itemsize
    if needed > MAX_BYTES:
        raise ValueError(
            f"{length:,} tokens need {needed:,} bytes for what the heads fetch in two readings; at most "
            f"{MAX_BYTES:,} are used, so give at most {length * MAX_BYTES // needed:,} tokens"
        )
    taking = _taking(model, layer, kv_head, takes)
    as_it_is, without = Capture(names), Capture(names)
    original = read(model, token_ids, report=report, sink=as_it_is)
    changed = read(model, token_ids, report=report, sink=Sinks(taking, without))
    rows = [
        _predictions(original.logits[start : start + CHUNK], changed.logits[start : start + CHUNK], token_ids[start:])
        for start in range(0, length, CHUNK)
    ]
    kl, before, after, ids, likely = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    before[-1] = after[-1] = np.nan
    moved = np.stack([_moved(as_it_is.values[name], without.values[name]) for name in names], axis=1)
    return WithoutKvHead(
        layer=layer,
        kv_head=kv_head,
        takes=takes,
        moved=moved,
        kl=kl,
        before=before,
        after=after,
        candidates=ids,
        likely=likely,
    )


def _taking(model: Transformer, layer: int, kv_head: int, takes: str) -> Replacing:
    """A sink that makes the key/value head's keys, or keys and values, 0."""
    config = model.config
    if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < config.n_layers:
        raise ValueError(f"layer {brief(layer)} is not in this model; it has layers 0 to {config.n_layers - 1}")
    group_of(config, kv_head)
    if takes not in get_args(Takes):
        raise ValueError(f"takes is {brief(takes)}; it must be one of {', '.join(get_args(Takes))}")

    def zero(value: Tensor) -> Tensor:
        new = value.clone()
        new[:, :, kv_head] = 0
        return new

    return Replacing({layer_hook(layer, hook): zero for hook in ((K, V) if takes == "both" else (K,))})


def _moved(as_it_is: list[Tensor], without: list[Tensor]) -> Float[np.ndarray, "pos n_heads"]:
    """Relative change of what each head of a layer fetches."""
    before, after = (torch.cat(parts, 1)[0].double() for parts in (as_it_is, without))
    change, size = (after - before).norm(dim=-1).cpu().numpy(), before.norm(dim=-1).cpu().numpy()
    with np.errstate(divide="ignore"):
        return np.divide(change, size, out=np.zeros_like(change), where=change != 0)


def _predictions(as_it_is: Tensor, without: Tensor, token_ids: Sequence[int]) -> tuple[np.ndarray, ...]:
    """KL, both log-probabilities of the actual next token, the likeliest ids and their probabilities, row by row."""
    p, q = log_probs(as_it_is), log_probs(without)
    following = torch.tensor([*token_ids[1 : len(p) + 1], 0], device=p.device)[: len(p), None]
    either = torch.maximum(p, q).scatter(1, following, torch.inf)  # the actual one comes first
    ids = either.topk(min(CANDIDATES, p.shape[1]), dim=1).indices
    likely = torch.stack((p.gather(1, ids), q.gather(1, ids)), -1).exp()
    chosen = (one.gather(1, following)[:, 0] for one in (p, q))
    return tuple(one.cpu().numpy() for one in (kl_divergence(p, q), *chosen, ids, likely))
