"""What goes to and comes from the picture of the page start: that of next_word, and the story of one word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypedDict

from app.next_word.messages import NextWordArrays, NextWordHeader


class Typical(TypedDict):
    """What ordinary words do where the word of the story does most; from `python -m mistral_core influence-example`."""

    rule: Annotated[str, "how the words were chosen"]
    seed: Annotated[int, "of the texts"]
    distance: Annotated[int, "tokens between a word and the prediction"]
    sources: Annotated[int, "words that were replaced"]
    kl_mean: Annotated[float, "mean change of the prediction, nats"]
    kl_median: Annotated[float, "median, nats"]
    kl_max: Annotated[float, "largest, nats"]


class Story(TypedDict):
    """One word of the recorded text, its swap, and how the change gets through."""

    word: Annotated[str, "that stands in the text"]
    swap: Annotated[str, "that was put in its place"]
    answers: Annotated[list[str], "continuation that each word makes likely"]
    position: Annotated[int, "of the word"]
    target: Annotated[int, "position whose prediction is asked about"]
    kl: Annotated[float, "change of the whole prediction, nats"]
    first: Annotated[list[float], "probability of each answer after the word"]
    swapped: Annotated[list[float], "probability of each answer after the swap"]
    candidates: Annotated[int, "examples that were tried; this is the strongest"]
    typical: Annotated[Typical, "ordinary words at the same distance"]
    through: Annotated[list[list[float]], "nats through each state: rows = embedding, then after each layer"]
    leaves: Annotated[int, "position at which the word has left every ring"]
    change: Annotated[float, "of the first answer's log-probability, nats; what each row adds up to"]
    command: Annotated[str, "that measured all this"]


class StartHeader(NextWordHeader):
    """The recorded run, and what is asked about it."""

    story: Annotated[Story | None, "null = the example belongs to another recording"]


class Go(TypedDict):
    """One-shot. The visitor wants to go on, on another page."""

    to: Annotated[Literal["ring", "reach"], "the page"]
    n: Annotated[float, "another number at every press"]


HEADER, ARRAYS = StartHeader, NextWordArrays
EVENTS: Mapping[str, type] = {"go": Go}
"""By name, what the picture says."""
