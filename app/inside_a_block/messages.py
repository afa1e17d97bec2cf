"""What goes to and comes from the picture of one token in one layer, beside what all have (app/shared/messages.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Ack, At, Code, Need, RunArrays, RunHeader
from app.wire import Dims


class BlockShape(TypedDict):
    """The sizes of a block."""

    dim: Annotated[int, "numbers of the stream"]
    head_dim: Annotated[int, "numbers of one head"]
    hidden_dim: Annotated[int, "features of the feed-forward part"]
    norm_eps: Annotated[float, "what a norm adds under its root"]
    rope_theta: Annotated[float, "base of the wavelengths"]


class BoxHeader(TypedDict):
    """Where the numbers of one box lie in `numbers`."""

    layer: Annotated[int, "from 0; -1 = behind the last layer"]
    box: Annotated[str, "its name, as in mistral_core/analysis/worked_cell.py"]
    shape: Annotated[list[int], "one or two sizes; of what has a key axis, heads x keys that are seen"]
    at: Annotated[int, "index of its first number"]


class SeenHeader(TypedDict):
    """Whose keys the token meets in one layer."""

    layer: Annotated[int, "from 0"]
    positions: Annotated[list[int], "in the order of the text"]


class WorkedHeader(TypedDict):
    """One number worked out: a sum of terms, and what is done with it."""

    layer: Annotated[int, "from 0"]
    box: Annotated[str, "whose number it is"]
    cell: Annotated[list[int], "which one: feature, head and feature, head and position of the key, or token id"]
    first: Annotated[bool, "whether it is the one that is looked at first"]
    left_name: Annotated[str, "what the first factors are"]
    right_name: Annotated[str, 'what the second factors are; "" = 1']
    labels: Annotated[list[str], "of the terms; empty = they are counted"]
    steps: Annotated[list[tuple[str, float]], "after the sum: what is done, and what comes of it"]
    result: Annotated[float, "what the inputs make"]
    stored: Annotated[float | None, "what the model stored; null = minus infinity"]
    error: Annotated[float | None, "how far the two are apart; null = without bound"]
    agrees: Annotated[bool, "whether that is rounding"]
    at: Annotated[int, "row of its first term in `terms`"]
    count: Annotated[int, "number of terms"]


class SplitHeader(TypedDict):
    """One attention score taken apart; its numbers are `split_pairs` and `split_layers`."""

    layer: Annotated[int, "from 0"]
    head: Annotated[int, "from 0"]
    key: Annotated[int, "position of the key"]
    score: Annotated[float | None, "as stored; null = minus infinity"]
    parts: Annotated[list[str], "rows and columns of `split_layers`"]
    error: Annotated[float | None, "how far either sum is from the score, at most; null = the score is masked"]


class Candidate(TypedDict):
    """A token that may come next."""

    id: Annotated[int, "in the vocabulary"]
    label: Annotated[str, "printable form"]
    logit: Annotated[float, "the model's score"]
    probs: Annotated[list[float], "after each stage; 0 = cut"]


class EndingHeader(TypedDict):
    """What is made of the token's last state: the next word."""

    stages: Annotated[list[str], "of sampling, the model itself first"]
    choices: Annotated[list[int], "tokens left after each stage"]
    top: Annotated[list[Candidate], "the likeliest, and the one that follows in the text, if it is none of them"]
    next: Annotated[int | None, "id of the token that follows in the text; null = the text ends here"]
    given: Annotated[bool, "whether that one was given, not drawn"]
    drawn: Annotated[float | None, "the number from 0 to 1 that drew it; null = none did"]


class InsideHeader(TypedDict):
    """The answer to a look: the numbers of one token."""

    n: Annotated[float, "of the look that it answers"]
    t: Annotated[int, "position of the token"]
    head: Annotated[int, "from 0, for which the first numbers are"]
    status: Annotated[Literal["reading", "done", "failed", "recorded"], "recorded = what the run kept, and no more"]
    text: Annotated[str, "how far the reading is, why there is nothing, or what is not there; may be empty"]
    shape: Annotated[BlockShape, "sizes of a block"]
    changes: Annotated[list[str], "what is knocked out in this network, in words"]
    gap: Annotated[float | None, "largest difference to the weights of attention that the run stored; null = none are"]
    boxes: Annotated[list[BoxHeader], "of all layers, or of the asked one where those are too many; may be empty"]
    seen: Annotated[list[SeenHeader], "of the same layers"]
    worked: Annotated[list[WorkedHeader], "one number of each box of the asked layer, and the one that was asked for"]
    split: Annotated[SplitHeader | None, "null = none was asked for, or `split_note` says why there is none"]
    split_note: Annotated[str, "why the score is not taken apart; may be empty"]
    ending: Annotated[EndingHeader | None, "null = not known"]
    codes: Annotated[list[Code], "the functions that make the boxes; with the numbers, else empty"]


class TokenHeader(RunHeader):
    """A run, and the inside of one of its tokens."""

    inside: Annotated[InsideHeader | None, "null = nothing new"]
    box: Annotated[str, 'that an address asks for; "" = none']


class TokenArrays(RunArrays):
    """Those of the run, and the numbers of one token."""

    numbers: NotRequired[Annotated[np.ndarray, Dims("<f4", "numbers"), "of all boxes, one after the other"]]
    terms: NotRequired[Annotated[np.ndarray, Dims("<f4", "terms", "two"), "both factors of each term"]]
    split_pairs: NotRequired[Annotated[np.ndarray, Dims("<f4", "pairs"), "what each rotary pair adds to the score"]]
    split_layers: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "query_parts", "key_parts"), "what each pair of parts adds to the score"]
    ]


class Look(TypedDict):
    """Sticky. What is looked at has come to rest."""

    run: Annotated[str, "its name"]
    t: Annotated[int, "position of the token"]
    layer: Annotated[int, "from 0"]
    head: Annotated[int, "from 0; -1 = none is chosen"]
    box: Annotated[str, "name of the box"]
    cell: Annotated[list[int], "the chosen number; empty = the first one"]
    key: Annotated[int, "position of the key whose score is taken apart; -1 = none"]
    numbers: Annotated[bool, "whether the numbers of the boxes are needed too"]
    n: Annotated[float, "the browser's clock; what is said later has a larger one"]


HEADER, ARRAYS = TokenHeader, TokenArrays
EVENTS: Mapping[str, type] = {"ack": Ack, "need": Need, "at": At, "look": Look}
"""By name, what the picture says."""
