"""What goes to and comes from the picture of the page reach: a whole text with one reading of it, and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Place, Token
from app.wire import Dims

Reading = Literal["forward", "backward", "corridor"]


class ReachModel(TypedDict):
    """The network that reads: the model of the run, perhaps with another window."""

    name: Annotated[str, "of the model"]
    n_layers: Annotated[int, "number of blocks"]
    windows: Annotated[list[int | None], "by layer, as read here; null = no window"]
    trained: Annotated[list[int | None], "by layer, as trained, or as imposed on the run; null = no window"]
    imposed: Annotated[bool, "whether the run was written with a window that the model was not trained with"]
    trained_sinks: Annotated[int, "first tokens that stay visible beside the windows with which the run was written"]
    options: Annotated[list[int], "other windows to choose from"]


class ShortText(TypedDict):
    """A text in which the edge cannot be seen."""

    leaves: Annotated[bool, "whether anything has left a window in it"]
    more: Annotated[int, "tokens to write on; 0 = it cannot be had so"]
    narrower: Annotated[int, "a window with which the edge lies inside the text; 0 = there is none"]


class ChoiceHeader(TypedDict):
    """What was asked."""

    reading: Annotated[Reading, "one of three"]
    source: Annotated[int, "position of the token that is replaced"]
    target: Annotated[int, "position whose prediction is meant"]
    replacement: Annotated[int | None, "token id in the place of the source; null = drawn from the text"]
    cut: Annotated[str, '"", "wall:POSITION" or "layer:NUMBER" (from 1)']
    window: Annotated[int | None, "of every layer; null = the model's own"]
    sinks: Annotated[int, "first tokens that stay visible beside that window"]


class Spread(TypedDict):
    """How far something is felt, in tokens; all null = nothing was felt."""

    noticed: Annotated[int | None, "distance of the farthest value of at least 0.001 nats; null = none is as large"]
    farthest: Annotated[int | None, "distance of the farthest value that is not 0"]
    felt: Annotated[float | None, "that value, nats"]
    within90: Annotated[int | None, "distance that holds 90 % of the sum"]
    within99: Annotated[int | None, "distance that holds 99 % of the sum"]
    room: Annotated[int, "tokens from the anchor to the end of the text"]
    outside: NotRequired[Annotated[int, "positions beyond the edge"]]
    outside_top: NotRequired[Annotated[float, "largest value there"]]
    left: NotRequired[Annotated[float, "share that arrives although something is cut"]]


class ForwardFacts(Spread):
    """Numbers beside the forward reading."""

    kl_top: Annotated[
        float | None,
        "largest change of a prediction beyond one window, nats; null = no window, or the text ends before",
    ]
    kl_top_at: Annotated[int | None, "its position"]
    surprise: NotRequired[
        Annotated[tuple[float, float], "nats a token: as read here, and with the windows of the training"]
    ]


class BackwardFacts(Spread):
    """Numbers beside the backward reading."""

    probability: Annotated[float, "of the token that is explained"]


class CorridorFacts(TypedDict):
    """Numbers beside the corridor of a pair."""

    within90: Annotated[None, "not defined for a pair"]
    kl: Annotated[float, "change of the whole prediction, nats"]
    steps: Annotated[int, "gradient passes; 0 = nothing can pass"]
    exact: NotRequired[Annotated[bool, "in float64; absent = nothing can pass"]]
    change: Annotated[float, "of the explained token's log-probability, nats"]
    before: Annotated[float | None, "its probability; null = no token follows"]
    after: Annotated[float | None, "its probability after the swap; null = no token follows"]
    off: Annotated[float, "by how much a row of the grid misses the change at most, nats"]


class NoFacts(TypedDict):
    """Nothing is measured yet."""


Facts = ForwardFacts | BackwardFacts | CorridorFacts | NoFacts


class ReachHeader(TypedDict):
    """The whole text so far and one reading of it."""

    picture: Annotated[Literal["reach"], "the page whose program draws it"]
    run: Annotated[str, "its name"]
    asked: Annotated[int, "number of the question that this answers"]
    total: Annotated[int, "tokens expected in the end"]
    status: Annotated[Literal["running", "done"], "of the run"]
    message: Annotated[str, "one sentence; may be empty"]
    n_prompt: Annotated[int, "tokens that were given"]
    layer: Annotated[int | None, "row where the visitor was: after which layer; null = not known"]
    can_measure: Annotated[bool, "whether the model that wrote it is here"]
    model: Annotated[ReachModel, "the network that reads"]
    short: Annotated[ShortText | None, "null = there is room for the edge"]
    doing: Annotated[tuple[int, int, str] | None, "of a measurement under way: steps done, in all, what is done"]
    stopped: Annotated[bool, "the visitor ended the measurement"]
    tokens: Annotated[list[Token], "text, printable form and id of every token"]
    forward_edges: Annotated[list[int | None], "by row, how far on a change can be felt; null = everywhere"]
    backward_edges: Annotated[list[int | None], "by row, how far back it can come from; null = everywhere"]
    reach: Annotated[int | None, "exact reach of the network; null = unbounded"]
    choice: Annotated[ChoiceHeader, "what was asked"]
    replacement: Annotated[str, "printable form of the token put in; may be empty"]
    options: Annotated[list[tuple[int, str]], "ids and words that could be put in"]
    explained: Annotated[str, "printable form of the token whose prediction is meant; may be empty"]
    facts: Annotated[Facts, "numbers, by the reading of `choice`"]
    measured: Annotated[int, "positions that the grid has; 0 = theory alone"]


class ReachArrays(TypedDict):
    """Rows: embedding, then after each layer. An exact 0 is an exact 0."""

    allowed: Annotated[np.ndarray, Dims("|u1", "rows", "length"), "1 = the reading can touch this state"]
    grid: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "rows", "measured"), "forward: relative change; backward, corridor: nats"]
    ]
    kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "kl_length"), "change of each prediction, nats; may be empty"]]
    before: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "before_length"), "probability of the token that follows; may be empty"]
    ]
    after: NotRequired[Annotated[np.ndarray, Dims("<f4", "before_length"), "the same after the swap; may be empty"]]
    uncut: NotRequired[Annotated[np.ndarray, Dims("<f4", "uncut_length"), "`kl` without the cut; may be empty"]]


class Ask(ChoiceHeader):
    """Sticky. What the visitor wants to see next."""

    run: Annotated[str, "its name"]
    n: Annotated[int, "number of the question; the answer carries it"]
    layer: Annotated[int, "row that the visitor looks at"]
    word: NotRequired[Annotated[str, "a word of his own to put in; it wins over `replacement`"]]


class AskFrom(TypedDict):
    """Sticky. Where the hand was on the page before, too late for Python to hear it there."""

    run: Annotated[str, "its name"]
    n: Annotated[int, "number of the question"]
    at: Annotated[Place, "where it was"]


class Act(TypedDict):
    """Sticky. A button: have more written, stop measuring, measure after all."""

    run: Annotated[str, "its name"]
    what: Annotated[Literal["write", "stop", "again"], "the button"]
    n: Annotated[int, "another number at every press"]


HEADER, ARRAYS = ReachHeader, ReachArrays
EVENTS: Mapping[str, object] = {"ask": Ask | AskFrom, "act": Act}
"""By name, what the picture says."""
