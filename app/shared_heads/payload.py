"""What the page shared_heads sends: a run with its keys and values, layers it lacks, and what one KV head changes.

`keys` (rotated for their position) and `values` go with the tokens, `[n, layers, n_kv_heads, head_dim]`, where the run
keeps them and they are not too many. What a run lacks of a layer goes apart, when it is asked for: weights head by
head, where the run brought their mean alone, and keys and values.

Nothing here imports torch or Streamlit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.shared.messages import Code
from app.shared.run_payload import RunLike, kept_layers, run_parts
from app.shared.slots_payload import has_hook, records_slots, slots_bytes, stacked
from app.shared_heads.messages import Beside, NotTaken, TakenAway, TakingAway
from app.wire import Parts
from mistral_core.trace.trace import KEYS, VALUES, Trace

KV_BUDGET = 32 * 2**20
"""Bytes of keys and values of a whole run that go with its tokens; the bundled model needs 4 KiB a token."""
MORE_BUDGET = 24 * 2**20
"""Bytes of what goes apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class More:
    """What a run did not bring of some layers, for all of its tokens.

    Attributes:
        key, layers, again: as `MoreHeader` has them. arrays: as `SharedHeadsArrays` names them.
    """

    key: str
    layers: tuple[int, ...]
    again: bool
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Away:
    """A text read without a key/value head.

    Attributes:
        labels: of the tokens in `away_ids`, by id. arrays: as `SharedHeadsArrays` names them.
    """

    labels: Mapping[int, str]
    arrays: Mapping[str, np.ndarray]


def own_parts(trace: RunLike, *, run: str, start: int = 0, **growth: Any) -> Parts:
    """Tokens of a run from `start` on, with their keys and values where all can be sent.

    Args:
        trace, run, start, growth: as for `run_parts`.

    Raises:
        ValueError: as `run_parts`.
    """
    parts = run_parts(trace, picture="shared_heads", run=run, start=start, **growth)
    if not sends_slots(trace, parts.header["total"]):
        return parts
    layers, tokens = range(trace.config.n_layers), slice(start, parts.header["to"])
    kv = {"keys": stacked(trace, KEYS, layers, tokens), "values": stacked(trace, VALUES, layers, tokens)}
    return parts | Parts({}, kv)


def beside_parts(
    own: Parts,
    *,
    head_dim: int,
    measurable: bool = False,
    note: str = "",
    more: More | None = None,
    away: TakingAway | NotTaken | TakenAway | None = None,
    numbers: Away | None = None,
    codes: Sequence[Code] = (),
) -> Parts:
    """What goes beside the tokens.

    Args:
        own: from `own_parts`. head_dim: numbers of one head. measurable: whether the run's model is here.
        note: what is done for the layer that was asked for. more: what the run lacks of it; `None` = sent before.
        away: the state of the measurement. numbers: what it gave; `None` = none, or sent before.
        codes: the functions that the picture explains, sent with the first tokens.
    """
    beside: Beside = {
        "kv": "keys" in own.arrays,
        "head_dim": head_dim,
        "measurable": measurable,
        "note": note,
        "more": None if more is None else {"key": more.key, "layers": list(more.layers), "again": more.again},
        "away": away,
        "codes": [] if own.header["from"] else list(codes),
    }
    arrays = {**(more.arrays if more is not None else {}), **(numbers.arrays if numbers is not None else {})}
    return Parts({"beside": beside}, arrays)


def sends_slots(trace: RunLike, total: int) -> bool:
    """Whether keys and values of all layers go with the tokens: the run keeps them, and they are not too many."""
    return slots_bytes(trace.config, total) <= KV_BUDGET and records_slots(trace)


def by_head(own: Parts, layer: int) -> bool:
    """Whether a run's payload has the weights of a layer head by head."""
    pattern = own.header["pattern"]
    return pattern is not None and not pattern["mean"] and layer not in pattern["missing"]


def more_bytes(trace: RunLike, *, weights: bool, slots: bool) -> int:
    """Bytes of one layer: of its weights by head as uint16, and of its keys and values as float32."""
    config, length = trace.config, len(trace)
    width = max(min(window or length, length) for window in config.windows) + config.sinks
    kv = 2 * config.n_kv_heads * config.head_dim * 4 if slots else 0
    return length * (kv + (2 * config.n_heads * width if weights else 0))


def more_of(trace: Trace, key: str, layers: Sequence[int], *, weights: bool, slots: bool, again: bool) -> More:
    """What is asked of some layers, from a trace that keeps it.

    Raises:
        KeyError: it does not.
    """
    arrays: dict[str, np.ndarray] = {}
    if slots:
        arrays |= {"more_keys": stacked(trace, KEYS, layers), "more_values": stacked(trace, VALUES, layers)}
    if weights:
        rows = [trace.pattern(layer) for layer in layers]
        width = min(max(row.shape[2] for row in rows), len(trace) + trace.config.sinks)
        packed = np.zeros((len(trace), len(rows), trace.config.n_heads, width), np.uint16)
        for index, row in enumerate(rows):
            part = np.clip(np.asarray(row[:, :, :width], np.float32), 0, 1)
            packed[:, index, :, : part.shape[2]] = np.round(part * 65535)
        arrays["more_pattern"] = packed
    return More(key=key, layers=tuple(layers), again=again, arrays=arrays)


def keeps(trace: RunLike, layer: int, *, weights: bool, slots: bool) -> bool:
    """Whether a run itself has what is asked of a layer."""
    wanted = [KEYS, VALUES] if slots else []
    return all(has_hook(trace, layer, hook) for hook in wanted) and (not weights or layer in kept_layers(trace))
