"""What the page ring sends: a run, and every key and value of it as float32.

Two arrays are added to those of the run, `keys` (rotated for their position) and
`values`, `[n, layers, n_kv_heads, head_dim]` for the tokens of the payload: keys and values are
written once per position and never change, so the browser knows the contents of every slot at
every step. `header["beside"]` says what there is, and a sentence where there is nothing. Of a run whose
keys and values are too many, those of one slot are sent when it is asked for: `slot_keys` and
`slot_values`, `[n_kv_heads, head_dim]`.

Source: slot = position mod W: "Mistral 7B" (arXiv 2310.06825) section 2, "Rolling Buffer Cache".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ring.messages import Beside, FailedForgotten, Forgotten, MeasuringForgotten
from app.shared.messages import Code
from app.shared.run_payload import run_parts
from app.shared.slots_payload import records_slots, slots_bytes, stacked
from app.wire import Parts
from mistral_core.config import MistralConfig
from mistral_core.trace.trace import KEYS, VALUES, Trace, layer_hook

KV_BUDGET = 32 * 2**20
"""Bytes of keys and values of a whole run that are worth sending; the bundled model needs 4 KiB a token."""
NOT_RECORDED = "This recording keeps no keys and values, so a slot has no numbers to show."


@dataclass(frozen=True, kw_only=True, eq=False)
class Slot:
    """What was made at one position in one layer, asked for because the whole run's is too much to send.

    Attributes:
        keys, values: `[n_kv_heads, head_dim]`, the keys rotated for their position; `None` = not there yet.
        text: where they are from, or why they are not there.
    """

    layer: int
    position: int
    keys: np.ndarray | None = None
    values: np.ndarray | None = None
    text: str = ""


def ring_parts(
    trace: Trace,
    *,
    run: str,
    start: int = 0,
    stop: int | None = None,
    total: int | None = None,
    live: bool = False,
    measurable: bool = False,
    ask: int | None = None,
    put: str = "",
    forgotten: MeasuringForgotten | FailedForgotten | Forgotten | None = None,
    single: bool = False,
    slot: Slot | None = None,
    codes: Sequence[Code] = (),
    **growth: Any,
) -> Parts:
    """Tokens `[start, stop)` of a run with their keys and values.

    Args:
        trace, run, start, stop, total, growth: as for `run_parts`.
        live: whether the same run can be written again, for what a recording lacks.
        measurable: whether the run's model is here.
        ask: position of the word that the address asks about. put: what it would put in its place.
        forgotten: the state of the measurement.
        single: whether the numbers of one slot can be had on request where those of the run are not sent.
        slot: the answer to such a request.
        codes: the functions that write and read the ring, sent with the first tokens.

    Raises:
        ValueError: as `run_parts`.
    """
    parts = run_parts(trace, picture="ring", run=run, start=start, stop=stop, total=total, **growth)
    arrays, note = _keys_and_values(trace, start, parts.header["to"], parts.header["total"])
    config = trace.config
    beside: Beside = {
        "kv": bool(arrays),
        "kv_shape": {"n_kv_heads": config.n_kv_heads, "head_dim": config.head_dim},
        "single": single and not arrays,
        "kv_note": note,
        "kv_bytes": _bytes_a_token(trace),
        "kv_dtype": trace[_names(config)[0]].dtype.name if records_slots(trace) else "",
        "live": live,
        "measurable": measurable,
        "chunk_size": trace.settings.get("chunk_size"),
        "ask": ask,
        "put": put,
        "forgotten": forgotten,
        "slot": None if slot is None else {"layer": slot.layer, "position": slot.position, "text": slot.text},
        "codes": [] if start else list(codes),
    }
    if slot is not None and slot.keys is not None and slot.values is not None:
        arrays |= {"slot_keys": slot.keys.astype(np.float32), "slot_values": slot.values.astype(np.float32)}
    return parts | Parts({"beside": beside}, arrays)


def _names(config: MistralConfig) -> list[str]:
    return [layer_hook(layer, hook) for layer in range(config.n_layers) for hook in (KEYS, VALUES)]


def _bytes_a_token(trace: Trace) -> int | None:
    """Bytes of keys and values that the trace keeps of one position; `None` if it keeps none."""
    if not records_slots(trace):
        return None
    return sum(trace[name][:1].nbytes for name in _names(trace.config))


def _keys_and_values(trace: Trace, start: int, stop: int, total: int) -> tuple[dict[str, np.ndarray], str]:
    if not records_slots(trace):
        return {}, NOT_RECORDED
    needed = slots_bytes(trace.config, total)
    if needed > KV_BUDGET:
        return (
            {},
            f"Keys and values are not sent: {needed:,} bytes (float32) are too many, at most {KV_BUDGET:,} can be.",
        )
    layers, tokens = range(trace.config.n_layers), slice(start, stop)
    return {"keys": stacked(trace, KEYS, layers, tokens), "values": stacked(trace, VALUES, layers, tokens)}, ""
