"""What goes to and comes from the picture of the page ring, beside what all have (`app/shared/messages.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Ack, At, Code, Need, OfRun, OfRunHere, RunArrays, RunHeader
from app.wire import Dims


class KVShape(TypedDict):
    """How a key or value of one position and layer is laid out."""

    n_kv_heads: Annotated[int, "key/value heads"]
    head_dim: Annotated[int, "numbers of one head"]


class SlotHeader(TypedDict):
    """The slot that was asked for last; its numbers are `slot_keys` and `slot_values` if they are there."""

    layer: Annotated[int, "from 0"]
    position: Annotated[int, "of the token whose key and value it holds"]
    text: Annotated[str, "where the numbers are from, or why they are not there; may be empty"]


class MeasuringForgotten(TypedDict):
    """The measurement is under way."""

    status: Annotated[Literal["running"], "of the measurement"]
    position: Annotated[int, "of the word that is replaced"]
    step: Annotated[int, "position whose prediction is compared"]
    done: Annotated[int, "steps"]
    total: Annotated[int, "steps in all, 1 or more"]
    doing: Annotated[str, "what is done now; may be empty"]


class FailedForgotten(TypedDict):
    """The measurement was cancelled or has failed."""

    status: Annotated[Literal["failed"], "of the measurement"]
    position: Annotated[int, "of the word that was to be replaced"]
    step: Annotated[int, "position whose prediction was to be compared"]
    error: Annotated[str, "a sentence"]


class Forgotten(TypedDict):
    """What a word that has left every ring still does."""

    status: Annotated[Literal["done"], "of the measurement"]
    position: Annotated[int, "of the word that was replaced"]
    step: Annotated[int, "position whose prediction was compared"]
    original: Annotated[str, "printable form of the word"]
    replacement: Annotated[str, "printable form of what was put in its place"]
    chosen: Annotated[bool, "by the visitor; else drawn from the text"]
    distance: Annotated[int, "tokens between both"]
    kl: Annotated[float, "change of the prediction, nats"]
    kl_text: Annotated[str, "the same in words"]
    verdict: Annotated[str, "a sentence"]
    next: Annotated[str, 'printable form of the token that follows; "" = the text ends here']
    before: Annotated[float | None, "probability of that token; null = the text ends here"]
    after: Annotated[float | None, "its probability after the replacement; null = the text ends here"]


class Beside(TypedDict):
    """What there is beside the run itself."""

    kv: Annotated[bool, "whether keys and values of every position are sent"]
    kv_shape: Annotated[KVShape, "how they are laid out"]
    single: Annotated[bool, "whether the numbers of one slot can be had on request"]
    kv_note: Annotated[str, "why keys and values are not sent; may be empty"]
    kv_bytes: Annotated[int | None, "bytes of keys and values that the run keeps of one position; null = none"]
    kv_dtype: Annotated[str, "of those numbers; empty = none"]
    live: Annotated[bool, "whether the run can be written again, for what a recording lacks"]
    measurable: Annotated[bool, "whether the model that wrote it is here"]
    chunk_size: Annotated[int | None, "tokens of a chunk of the prompt; null = not recorded, or all at once"]
    ask: Annotated[int | None, "position of the word that the address asks about; null = none"]
    put: Annotated[str, "what the address would put in its place; may be empty"]
    forgotten: Annotated[MeasuringForgotten | FailedForgotten | Forgotten | None, "null = nothing was asked"]
    slot: Annotated[SlotHeader | None, "null = none was asked for"]
    codes: Annotated[list[Code], "what writes and reads the ring; with the first tokens of a run, else empty"]


class RingHeader(RunHeader):
    """A run with its keys and values."""

    beside: Annotated[Beside, "what there is beside the run itself"]


class RingArrays(RunArrays):
    """Those of the run, its keys and values, and those of one slot."""

    keys: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "tokens", "n_layers", "n_kv_heads", "head_dim"), "rotated for their position"]
    ]
    values: NotRequired[Annotated[np.ndarray, Dims("<f4", "tokens", "n_layers", "n_kv_heads", "head_dim"), "values"]]
    slot_keys: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_kv_heads", "head_dim"), "of the slot asked for"]]
    slot_values: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_kv_heads", "head_dim"), "of the slot asked for"]]


class Measure(TypedDict):
    """One-shot. Whether the word at a position is forgotten at a step."""

    run: Annotated[str, "its name"]
    position: Annotated[int, "of the word"]
    step: Annotated[int, "position whose prediction is compared"]
    word: Annotated[str, 'what is put in its place; "" = drawn from the text']


class AskSlot(TypedDict):
    """One-shot. Somebody looks at a slot whose numbers were not sent."""

    run: Annotated[str, "its name"]
    layer: Annotated[int, "from 0"]
    position: Annotated[int, "of the token whose key and value it holds"]


class CancelMeasure(OfRun):
    """One-shot. The measurement is to end."""


class WriteLive(OfRunHere):
    """One-shot. The recorded run is to be written again, and the visitor stays where he is in it."""


HEADER, ARRAYS = RingHeader, RingArrays
EVENTS: Mapping[str, type] = {
    "ack": Ack,
    "need": Need,
    "at": At,
    "measure": Measure,
    "cancel": CancelMeasure,
    "live": WriteLive,
    "slot": AskSlot,
}
"""By name, what the picture says."""
