"""Attention is not influence, shown on a run: a key much looked at that does not matter, and the reverse.

For one query, each earlier visible key gets two numbers:

    attention   its weight, averaged over the heads of all layers (or of the one chosen)
    removal     KL(prediction || prediction without the edge key -> query), in nats: its scores
                become -inf in all layers (or in the one), the other weights grow in proportion

A removed edge changes nothing before its query, so the keys of the query's step are those of the
run: each removal is one decode step from the same ring, and a batch of them costs little more
than one. The query's own key cannot be removed (a query that sees nothing has no attention).

A disagreement is a pair of edges, of one query or of one run: the first has more attention and its
removal hardly changes the prediction, the second has less and its removal does. Its factor is the
ratio of the two attentions, and the largest is taken.

Source: Serrano & Smith 2019 (arXiv 1906.03731) for removal with renormalised weights; Jain &
Wallace 2019 (arXiv 1902.10186) for the claim.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.influence import captured, kl_divergence, log_probs
from mistral_core.analysis.progress import Report, silent
from mistral_core.hooks import Capture, Sinks, watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer

HARDLY = 0.01
"""KL in nats up to which a removal counts as one that hardly changes the prediction."""
MATTERS = 0.1
"""KL in nats from which a removal counts as one that changes it."""
ROWS = 32
"""Removals of one pass."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Removals:
    """What every key of one query gets by attention and does by removal.

    Attributes:
        query: position. keys: the earlier visible ones, oldest first.
        attention: mean weight of each. kl: change of the next-token distribution without it, in nats.
        layer: in which alone the edge was removed and attention averaged; `None` = in all.
    """

    query: int
    keys: Int[np.ndarray, " keys"]
    attention: Float[np.ndarray, " keys"]
    kl: Float[np.ndarray, " keys"]
    layer: int | None


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One key of one query: its attention, and the KL in nats that its removal makes."""

    query: int
    key: int
    attention: float
    kl: float


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Two edges: the first has more attention, the second does more.

    Attributes:
        watched: much attention, no consequence. decisive: little attention, a consequence.
        factor: attention of the first over that of the second; infinite where the second has none.
        layer: as in `Removals`.
    """

    watched: Edge
    decisive: Edge
    factor: float
    layer: int | None


class _RowCuts:
    """In row `i` of a batch, the edges to the key at `cut[i]` are taken away; -2 = none."""

    def __init__(self, layers: Sequence[int], cut: Int[Tensor, " batch"]) -> None:
        self.names = {f"layers.{layer}.attention.hook_attn_scores" for layer in layers}
        self.cut = cut

    def wants(self, name: str) -> bool:
        return name in self.names

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        if key_positions is None:
            return value
        return value.masked_fill((key_positions == self.cut[:, None])[:, None, None], float("-inf"))


def removals(
    model: Transformer,
    token_ids: Sequence[int],
    queries: Sequence[int] | None = None,
    *,
    layer: int | None = None,
    report: Report = silent,
) -> Iterator[Removals]:
    """Measures every key of the given queries.

    Args:
        queries: positions; default: all that see an earlier key.
        layer: remove and average in this layer alone; `None` = in all.

    Raises:
        ValueError: a position or layer that does not exist.
    """
    config = model.config
    if layer is not None and not 0 <= layer < config.n_layers:
        raise ValueError(f"layer {layer} is not in this model; it has layers 0 to {config.n_layers - 1}")
    queries = range(1, len(token_ids)) if queries is None else queries
    if bad := [query for query in queries if not 0 <= query < len(token_ids)]:
        raise ValueError(f"query {bad[0]} is not in the text; positions are 0 to {len(token_ids) - 1}")
    stored = _stored(model, token_ids[: max(queries, default=0) + 1])
    layers = range(config.n_layers) if layer is None else (layer,)
    for done, query in enumerate(queries):
        report(done, len(queries), f"removing the keys of position {query}")
        yield _of_query(model, token_ids, query, stored, layers, layer)
    report(len(queries), len(queries), "done")


def strongest(measured: Sequence[Removals], hardly: float = HARDLY, matters: float = MATTERS) -> Disagreement | None:
    """The pair with the largest factor among all edges handed in; `None` if attention and removal agree.

    Args:
        measured: of one query, or of several: then the two edges may belong to different ones.
        hardly: KL up to which a removal does not count. matters: KL from which it does.

    Raises:
        ValueError: `hardly` is not below `matters`.
    """
    if not 0 <= hardly < matters:
        raise ValueError(f"hardly is {hardly} and matters {matters}; a removal that hardly changes changes less")
    edges = [
        Edge(query=one.query, key=int(key), attention=float(weight), kl=float(kl))
        for one in measured
        for key, weight, kl in zip(one.keys, one.attention, one.kl, strict=True)
    ]
    # The factor is a ratio, so the best pair is made of the largest and the smallest.
    watched = max((edge for edge in edges if edge.kl <= hardly), key=lambda edge: edge.attention, default=None)
    decisive = min((edge for edge in edges if edge.kl >= matters), key=lambda edge: edge.attention, default=None)
    if watched is None or decisive is None or watched.attention <= decisive.attention:
        return None
    factor = watched.attention / decisive.attention if decisive.attention else math.inf
    return Disagreement(watched=watched, decisive=decisive, factor=factor, layer=measured[0].layer)


def strongest_of_one_query(
    measured: Sequence[Removals], hardly: float = HARDLY, matters: float = MATTERS
) -> Disagreement | None:
    """The pair with the largest factor whose two keys are of the same query: they compete for the same attention and
    change the same prediction. `None` if no query has one.

    Args:
        measured, hardly, matters: as of `strongest`.

    Raises:
        ValueError: as `strongest`.
    """
    pairs = [pair for one in measured if (pair := strongest([one], hardly, matters)) is not None]
    return max(pairs, key=lambda pair: pair.factor, default=None)


def _stored(model: Transformer, token_ids: Sequence[int]) -> dict[str, Tensor]:
    """Rotated keys and values of every position: `[pos, n_kv_heads, head_dim]` by hook name."""
    names = [
        f"layers.{layer}.attention.{kind}"
        for layer in range(model.config.n_layers)
        for kind in ("hook_rot_k", "hook_v")
    ]
    capture = captured(model, token_ids, names)
    return {name: capture[name][0] for name in names}


def _of_query(
    model: Transformer,
    token_ids: Sequence[int],
    query: int,
    stored: dict[str, Tensor],
    layers: Sequence[int],
    layer: int | None,
) -> Removals:
    """One query: a decode step for each key that is removed, beside one in which none is."""
    windows = [model.config.windows[index] for index in layers]
    widest = query if None in windows else max(window - 1 for window in windows if window is not None)
    first = max(0, query - widest)
    keys = np.concatenate((np.arange(min(model.config.sinks, first)), np.arange(first, query)))
    kl, attention = [np.zeros(0)], np.zeros(len(keys))
    for start in range(0, len(keys), ROWS):
        cut = torch.tensor([-2, *keys[start : start + ROWS].tolist()])
        logits, patterns = _decode(model, token_ids[query], query, stored, layers, cut)
        p = log_probs(logits)
        kl.append(kl_divergence(p[:1].expand(len(cut) - 1, -1), p[1:]).cpu().numpy())
        attention = patterns[keys]
    return Removals(query=query, keys=keys, attention=attention, kl=np.concatenate(kl), layer=layer)


def _decode(
    model: Transformer,
    token: int,
    query: int,
    stored: dict[str, Tensor],
    layers: Sequence[int],
    cut: Int[Tensor, " batch"],
) -> tuple[Float[Tensor, "batch vocab_size"], Float[np.ndarray, " seen"]]:
    """Reads one token in as many rows as there are cuts; the second result is row 0's attention by position."""
    rings = _rings(model, query, stored, len(cut))
    capture = Capture([f"layers.{index}.attention.hook_pattern" for index in layers])
    with watching(Sinks(_RowCuts(layers, cut.to(model.tok_embeddings.weight.device)), capture)), torch.inference_mode():
        logits = model(torch.full((len(cut), 1), token), kv_cache=rings)[:, -1]
    weights = np.zeros(query + 1)
    for index in layers:
        pattern = capture[f"layers.{index}.attention.hook_pattern"][0, :, 0].double().mean(0).cpu().numpy()
        positions = rings.rings[index].positions[0].cpu().numpy()
        weights[positions[positions >= 0]] += pattern[positions >= 0] / len(layers)
    return logits, weights


def _rings(model: Transformer, n_seen: int, stored: dict[str, Tensor], rows: int) -> KVCache:
    """Rings as they are after `n_seen` tokens, the same in every row."""
    kv_cache = model.empty_kv_cache(rows, max_context=n_seen + 1)
    for layer, ring in enumerate(kv_cache.rings):
        keys, values = (stored[f"layers.{layer}.attention.{kind}"] for kind in ("hook_rot_k", "hook_v"))
        inside = ring.held_positions(n_seen)
        ring.restore(keys[inside], values[inside], n_seen)
    kv_cache.n_seen[:] = n_seen
    return kv_cache
