"""What goes to and comes from the picture of the page window: a text with queries and keys, read with some window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import At, Code, ModelShape, Place, Token, Work
from app.wire import Dims


class WindowChoice(TypedDict):
    """What was asked."""

    window: Annotated[int | None, "W of every layer; null = as the model is"]
    plus: Annotated[bool, "whether every window has one key more: W + 1"]


class CaseHeader(TypedDict):
    """The case that can be counted by hand, with a window; its numbers are in `case_pattern` and `case_felt`."""

    window: Annotated[int, "W"]
    reach: Annotated[int, "tokens back that the last state can depend on"]
    paper: Annotated[int, "what the paper counts: layers times W"]


class WindowHeader(TypedDict):
    """The text, and what one reading of it gave."""

    picture: Annotated[Literal["window"], "the page whose program draws it"]
    run: Annotated[str, "its name"]
    asked: Annotated[int, "number of the question that this answers"]
    status: Annotated[Literal["running", "done"], "of the run"]
    message: Annotated[str, "one sentence; may be empty"]
    n_prompt: Annotated[int, "tokens that were given"]
    total: Annotated[int, "tokens of the text; more than are read here if it is long"]
    model: Annotated[ModelShape, "the network, with its own windows"]
    widest: Annotated[int, "the largest window that can be chosen"]
    can_measure: Annotated[bool, "whether the model that wrote it is here"]
    tokens: Annotated[list[Token], "text, printable form and id of every token that is read"]
    at: Annotated[Place | None, "where the visitor is; null = nowhere yet"]
    choice: Annotated[WindowChoice, "what was asked"]
    windows: Annotated[list[int | None], "of the layers in the reading that came; empty = none came"]
    layers: Annotated[list[int], "layers, from 0, whose queries and keys came"]
    error: Annotated[float | None, "largest difference of derived weights to the model's own; null = nothing came"]
    against: Annotated[Literal["", "trained", "W"], "which reading the change is measured against; empty = none"]
    reading: Annotated[Work | None, "of a reading under way: steps done, in all, what is done"]
    cases: Annotated[list[CaseHeader], "the countable case with W and with W + 1"]
    codes: Annotated[list[Code], "the functions that say what may be seen, and what is stored"]


class WindowArrays(TypedDict):
    """Queries and keys as the scores use them: rotated; and the change of the predictions."""

    queries: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "kept", "length", "n_heads", "head_dim"), "of the kept layers"]
    ]
    keys: NotRequired[Annotated[np.ndarray, Dims("<f4", "kept", "length", "n_kv_heads", "head_dim"), "of the same"]]
    largest: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "largest change of a logit, after each token"]]
    kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "KL of each prediction, nats"]]
    case_pattern: Annotated[
        np.ndarray, Dims("<f4", "cases", "case_layers", "case_heads", "case_queries", "case_keys"), "weights"
    ]
    case_felt: Annotated[
        np.ndarray, Dims("<f4", "cases", "case_keys"), "change of the last logits if that token is another one"
    ]


class Ask(WindowChoice):
    """Sticky. Another window, or another layer whose numbers have not come."""

    run: Annotated[str, "its name"]
    n: Annotated[int, "number of the question; the answer carries it"]
    layer: Annotated[int, "from 0"]


HEADER, ARRAYS = WindowHeader, WindowArrays
EVENTS: Mapping[str, object] = {"ask": Ask, "at": At}
"""By name, what the picture says."""
