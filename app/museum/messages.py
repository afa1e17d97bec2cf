"""What goes to and comes from the museum of mistakes: a text read both ways, what is read wrongly, and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Code, ModelShape, Token, Work
from app.wire import Dims

Drawing = Literal["reads", "order", "distance", "dials", "heads"]


class Story(TypedDict):
    """A historical mistake."""

    name: Annotated[str, "as URLs have it"]
    title: Annotated[str, "in words"]
    story: Annotated[str, "what was done"]
    lesson: Annotated[str, "what one learns from it"]
    seen: Annotated[list[str], "where it was seen"]
    problem: Annotated[str, "why it cannot be shown with this model and text; may be empty"]


class ReadBothWays(TypedDict):
    """What the mistake does to the text."""

    errs_from: Annotated[int | None, "first position with another bit in its logits; null = none"]
    expected: Annotated[int | None, "where the story says that it begins; null = nowhere, but by rounding"]
    largest: Annotated[float, "largest absolute logit of the right reading"]
    written: Annotated[tuple[str, str], "what is written on, right and wrong"]
    same: Annotated[int, "how many characters of them are the same from the beginning"]


class Line(TypedDict):
    """A line of the table of verify, of the copy with the mistake."""

    check: Annotated[str, "its name"]
    compared: Annotated[str, "what with what"]
    error: Annotated[float | None, "largest absolute difference; null = not measured"]
    bound: Annotated[float | None, "what is allowed"]
    verdict: Annotated[Literal["caught", "passes", "does not apply", "fails anyway"], "of this mistake"]


class Checked(TypedDict):
    """What verify says of the copy with the mistake."""

    by: Annotated[list[str], "checks that caught it"]
    others_alone: Annotated[bool, "whether only numbers of another program tell"]
    lines: Annotated[list[Line], "the table"]


class MuseumHeader(TypedDict):
    """The stories, and what was measured of the open one."""

    picture: Annotated[Literal["museum"], "whose program draws it"]
    run: Annotated[str, "name of the run whose text is read"]
    asked: Annotated[int, "number of the question that this answers"]
    status: Annotated[Literal["running", "done"], "of the run"]
    message: Annotated[str, "one sentence; may be empty"]
    n_prompt: Annotated[int, "tokens that were given"]
    model: Annotated[ModelShape, "the network"]
    can_measure: Annotated[bool, "whether the model that wrote it is here"]
    tokens: Annotated[list[Token], "text, printable form and id of every token that is read"]
    unread: Annotated[int, "tokens behind them that are not read: more would take too long"]
    at: Annotated[int | None, "position where the hand was on the page before"]
    window: Annotated[int | None, "the smallest window of a layer, of which the pictures are; null = no layer has one"]
    stories: Annotated[list[Story], "all mistakes"]
    mistake: Annotated[str, "name of the open one"]
    measured: Annotated[ReadBothWays | None, "null = not yet, or it cannot be shown"]
    reading: Annotated[Work | None, "of the measurement under way: steps done, in all, what is done"]
    stopped: Annotated[bool, "the visitor ended it"]
    drawing: Annotated[Drawing | None, "which picture the arrays make"]
    checked: Annotated[Checked | None, "null = not asked, not yet, or it cannot be asked"]
    checking: Annotated[Work | None, "of verify under way"]
    checkable: Annotated[str, "why verify cannot be asked; empty = it can"]
    codes: Annotated[list[Code], "the right function and the wrong one"]


class MuseumArrays(TypedDict):
    """What was measured along the text, and what is drawn, right and wrong."""

    error: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "largest absolute difference of a logit"]]
    kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "KL of the next token's distribution, nats"]]
    read_right: NotRequired[
        Annotated[
            np.ndarray, Dims("<u2", "length", "length"), "share x 65535 of each position in what each query reads"
        ]
    ]
    read_wrong: NotRequired[Annotated[np.ndarray, Dims("<u2", "length", "length"), "the same with the mistake"]]
    order_right: NotRequired[Annotated[np.ndarray, Dims("<i4", "keys"), "positions in the order in which they are met"]]
    order_wrong: NotRequired[Annotated[np.ndarray, Dims("<i4", "keys"), "the same with the mistake"]]
    turned_right: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "position by which each key is turned"]]
    turned_wrong: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "the same with the mistake"]]
    pairs_right: NotRequired[Annotated[np.ndarray, Dims("<i4", "pairs", "two"), "features that are turned together"]]
    pairs_wrong: NotRequired[Annotated[np.ndarray, Dims("<i4", "pairs", "two"), "the same with the mistake"]]
    angle_right: NotRequired[Annotated[np.ndarray, Dims("<f4", "pairs"), "radians a position"]]
    angle_wrong: NotRequired[Annotated[np.ndarray, Dims("<f4", "pairs"), "the same with the mistake"]]
    reader_right: NotRequired[Annotated[np.ndarray, Dims("<i4", "heads"), "key head that each head reads, from 0"]]
    reader_wrong: NotRequired[Annotated[np.ndarray, Dims("<i4", "heads"), "the same with the mistake"]]


class Ask(TypedDict):
    """Sticky. The mistake that the visitor opens."""

    run: Annotated[str, "name of the run"]
    n: Annotated[int, "number of the question; the answer carries it"]
    mistake: Annotated[str, "its name"]


class Act(TypedDict):
    """Sticky. A button: stop reading, read after all; ask verify, stop it."""

    run: Annotated[str, "name of the run"]
    what: Annotated[Literal["stop", "again", "verify", "stop_verify"], "the button"]
    n: Annotated[int, "another number at every press"]


HEADER, ARRAYS = MuseumHeader, MuseumArrays
EVENTS: Mapping[str, object] = {"ask": Ask, "act": Act}
"""By name, what the picture says."""
