"""What each head looks at, in a few numbers: pure functions of a recorded Trace.

Attention is stored by offset: column `o` of query `q` is the key at `q - o`, and behind the window
come the first positions that are kept beside it (`trace/shapes.py`). Every measure is first taken
for each query, `[pos, n_heads]`, so that it can be followed through a run, and then averaged over
the queries for which it is defined; where there is none it is NaN, never 0.

    distance    sum of weight x offset                                          tokens
    entropy     -sum of weight x log2(weight)                                   bits
    oldest      weight on the oldest visible key          queries that see another key than their own
    first       weight on position 0, the "sink"          queries that see it: where it is not kept, 1 .. W - 1
    previous    weight on the token before                queries that see it
    induction   weight on the tokens that follow an earlier, visible occurrence of the query's token:
                keys k < q with token[k - 1] == token[q]  queries with such a key

Attention is not influence: see `influence`.

Source: sinks: Xiao et al. 2023 (arXiv 2309.17453); induction ("prefix matching"): Olsson et al.
2022 (arXiv 2209.11895).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from mistral_core.config import Window
from mistral_core.sampling import entropy_bits
from mistral_core.trace.shapes import key_positions
from mistral_core.trace.trace import Trace

MEASURES = ("distance", "entropy", "oldest", "first", "previous", "induction")

Pattern = Num[np.ndarray, "pos n_heads width"]
"""Weights by offset, float16 in a compact trace."""
PerQuery = Float[np.ndarray, "pos n_heads"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadSummary:
    """Averages over a run, `[n_layers, n_heads]` each; the module's docstring defines them.

    Attributes:
        queries: over how many queries each measure was averaged, `[n_layers]` by name.
    """

    distance: Float[np.ndarray, "n_layers n_heads"]
    entropy: Float[np.ndarray, "n_layers n_heads"]
    oldest: Float[np.ndarray, "n_layers n_heads"]
    first: Float[np.ndarray, "n_layers n_heads"]
    previous: Float[np.ndarray, "n_layers n_heads"]
    induction: Float[np.ndarray, "n_layers n_heads"]
    queries: dict[str, np.ndarray]


def summarise(trace: Trace) -> HeadSummary:
    """All measures of all heads.

    Raises:
        KeyError: a layer's attention was not recorded.
    """
    means: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
    counts: dict[str, list[int]] = {name: [] for name in MEASURES}
    for layer in range(trace.config.n_layers):
        for name, values in per_query(trace.pattern(layer), trace.token_ids, trace.config.windows[layer]).items():
            defined = values[~np.isnan(values[:, 0])]
            means[name].append(defined.mean(0) if len(defined) else np.full(values.shape[1], np.nan))
            counts[name].append(len(defined))
    return HeadSummary(
        **{name: np.array(rows) for name, rows in means.items()},
        queries={name: np.array(count) for name, count in counts.items()},
    )


def per_query(pattern: Pattern, token_ids: Num[np.ndarray, " pos"], window: Window = None) -> dict[str, PerQuery]:
    """Every measure of one layer for each query; NaN where it is not defined.

    Args:
        pattern: `Trace.pattern(layer)`.
        token_ids: of the same run.
        window: of the layer; what lies behind it are kept first positions.
    """
    wide = np.asarray(pattern, np.float64)
    length, _, width = wide.shape
    query = np.arange(length)
    keys = key_positions(query, width, window)
    distance = np.where(keys >= 0, query[:, None] - keys, 0)
    oldest = distance.argmax(1)
    follows = _induction_keys(np.asarray(token_ids), keys)
    return {
        "distance": (wide @ distance[:, :, None].astype(np.float64))[:, :, 0],
        "entropy": entropy_bits(wide),
        "oldest": _only(np.any(distance, axis=1), wide[query, :, oldest]),
        "first": _on_one(wide, (keys == 0) & (query >= 1)[:, None]),
        "previous": _on_one(wide, distance == 1),
        "induction": _only(np.any(follows, axis=1), (wide * follows[:, None]).sum(-1)),
    }


def hide_sink(pattern: Pattern, position: int = 0, window: Window = None) -> Float[np.ndarray, "pos n_heads width"]:
    """The pattern without one key, the other weights scaled to sum to 1 again: a derived picture.

    A row that holds nothing but this key (that of the key's own query at position 0) stays empty.

    Args:
        pattern: `Trace.pattern(layer)`.
        position: of the key that is hidden; position 0 is the usual sink.
        window: of the layer; what lies behind it are kept first positions.

    Raises:
        ValueError: there is no such position.
    """
    length, _, width = pattern.shape
    if not 0 <= position < length:
        raise ValueError(f"position {position} cannot be hidden; this run has positions 0 to {length - 1}")
    without = np.array(pattern, np.float64)
    queries, columns = np.nonzero(key_positions(np.arange(length), width, window) == position)
    without[queries, :, columns] = 0.0
    left = without[queries].sum(-1, keepdims=True)
    without[queries] = np.divide(without[queries], left, out=np.zeros_like(without[queries]), where=left > 0)
    return without


def _induction_keys(token_ids: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """`[pos, width]`: whether the key of each column follows an earlier occurrence of the query's token."""
    query = np.arange(len(token_ids))[:, None]
    real = (keys >= 1) & (keys < query)  # the key's predecessor must exist
    return real & (token_ids[np.where(real, keys - 1, 0)] == token_ids[:, None])


def _on_one(wide: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The weight on the one key of each query that is chosen, where there is one."""
    return _only(np.any(chosen, axis=1), wide[np.arange(len(wide)), :, chosen.argmax(1)])


def _only(defined: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(defined[:, None], values, np.nan)
