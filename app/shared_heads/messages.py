"""What goes to and comes from the picture of the page shared_heads, beside what all have (`app/shared/messages.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Ack, At, Code, Need, OfRun, RunArrays, RunHeader
from app.wire import Dims

Takes = Literal["both", "keys"]


class MoreHeader(TypedDict):
    """What the run did not bring of some layers: head by head weights, keys and values (`more_*`)."""

    key: Annotated[str, "names it; the browser keeps what it has under the same key"]
    layers: Annotated[list[int], "which, from 0, in the order of the arrays"]
    again: Annotated[bool, "whether the text was read again for it, since the run keeps too little"]


class Question(TypedDict):
    """Which key/value head is taken away."""

    layer: Annotated[int, "from 0"]
    kv_head: Annotated[int, "from 0"]
    takes: Annotated[Takes, "what is made 0: keys and values, or the keys alone"]


class TakingAway(Question):
    """The measurement is under way."""

    status: Annotated[Literal["running"], "of the measurement"]
    done: Annotated[int, "steps"]
    total: Annotated[int, "steps in all, 1 or more"]
    doing: Annotated[str, "what is done now; may be empty"]


class NotTaken(Question):
    """The measurement was cancelled or has failed."""

    status: Annotated[Literal["failed"], "of the measurement"]
    error: Annotated[str, "a sentence"]


class TakenAway(Question):
    """The text was read without it; the numbers are the arrays `away_*`."""

    status: Annotated[Literal["done"], "of the measurement"]
    key: Annotated[str, "names it; the browser keeps what it has under the same key"]
    labels: Annotated[dict[str, str], "printable forms of the tokens in `away_ids`, by id; empty = sent before"]


class Beside(TypedDict):
    """What there is beside the run itself."""

    kv: Annotated[bool, "whether keys and values of every position are sent with the tokens"]
    head_dim: Annotated[int, "numbers of one head"]
    measurable: Annotated[bool, "whether the model that wrote the run is here"]
    note: Annotated[str, "what is done for the layer that was asked for, or why it cannot be had; may be empty"]
    more: Annotated[MoreHeader | None, "null = nothing was asked for, or it was sent before"]
    away: Annotated[TakingAway | NotTaken | TakenAway | None, "null = nothing was asked"]
    codes: Annotated[list[Code], "what stacks the queries of a group; with the first tokens of a run, else empty"]


class SharedHeadsHeader(RunHeader):
    """A run with its keys and values."""

    beside: Annotated[Beside, "what there is beside the run itself"]


class SharedHeadsArrays(RunArrays):
    """Those of the run, its keys and values, those of some layers, and what changes without a key/value head."""

    keys: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "tokens", "n_layers", "n_kv_heads", "head_dim"), "rotated for their position"]
    ]
    values: NotRequired[Annotated[np.ndarray, Dims("<f4", "tokens", "n_layers", "n_kv_heads", "head_dim"), "values"]]
    more_keys: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "length", "some_layers", "n_kv_heads", "head_dim"), "rotated"]
    ]
    more_values: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "length", "some_layers", "n_kv_heads", "head_dim"), "values"]
    ]
    more_pattern: NotRequired[
        Annotated[
            np.ndarray, Dims("<u2", "length", "some_layers", "n_heads", "more_width"), "weight x 65535, by key offset"
        ]
    ]
    away_moved: NotRequired[
        Annotated[
            np.ndarray,
            Dims("<f4", "away_length", "n_layers", "n_heads"),
            "relative change of what each head fetches; 0 = the same bit for bit",
        ]
    ]
    away_kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "away_length"), "of the next word, nats"]]
    away_ids: NotRequired[
        Annotated[np.ndarray, Dims("<i4", "away_length", "candidates"), "likeliest next tokens; the actual one first"]
    ]
    away_likely: NotRequired[
        Annotated[
            np.ndarray, Dims("<f4", "away_length", "candidates", "two"), "their probability as it is, and without"
        ]
    ]


class AskLayer(TypedDict):
    """One-shot. A layer is looked at of which the run brought too little."""

    run: Annotated[str, "its name"]
    layer: Annotated[int, "from 0"]


class TakeAway(Question):
    """One-shot. A key/value head is to be taken away."""

    run: Annotated[str, "its name"]


class StopTaking(OfRun):
    """One-shot. The measurement is to end."""


HEADER, ARRAYS = SharedHeadsHeader, SharedHeadsArrays
EVENTS: Mapping[str, type] = {
    "ack": Ack,
    "need": Need,
    "at": At,
    "layer": AskLayer,
    "take": TakeAway,
    "stop": StopTaking,
}
"""By name, what the picture says."""
