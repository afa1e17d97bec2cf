"""What goes to and comes from the picture of the page break_it: a whole text, what parts do to it, and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import ModelShape, Place, Token, Work
from app.wire import Dims

Level = Literal["zero", "mean"]
Writing = Literal["greedy", "seeded"]


class ChoiceHeader(TypedDict):
    """What was asked."""

    target: Annotated[int, "position whose prediction is meant"]
    level: Annotated[Level, "what parts are knocked out to"]
    changes: Annotated[
        list[str] | None, "head:5:3, hide:17, ..., as `spelling.py` has them; null = nothing was chosen yet"
    ]
    writing: Annotated[Writing, "how the text is gone on with"]


class Candidate(TypedDict):
    """A possible next token."""

    label: Annotated[str, "printable form"]
    before: Annotated[float, "its probability as it is"]
    after: Annotated[float, "its probability with the changes"]
    actual: Annotated[bool, "whether it is the one that is meant"]


class ChangedFacts(TypedDict):
    """What the changes do."""

    kl: Annotated[float, "of the prediction that is meant, nats"]
    before: Annotated[float, "log-probability of its token, nats"]
    after: Annotated[float, "the same with the changes"]
    lending: Annotated[
        float | None, "the same in the one other text that lends something; null = none does, or several"
    ]
    surprise: Annotated[tuple[float, float], "mean -ln p of all tokens that follow, as it is and changed, nats"]
    untouched: Annotated[int, "first tokens whose predictions are the same bit for bit"]
    allowed: Annotated[int, "first tokens that the changes cannot reach, by theory"]
    candidates: Annotated[list[Candidate], "the likeliest of both, most probable first"]
    written: Annotated[tuple[list[str], list[str]], "texts of the tokens that are written, as it is and changed"]
    same: Annotated[int, "how many of them are the same from the beginning"]


class BreakHeader(TypedDict):
    """The whole text, which parts matter to one prediction, and what some changes do."""

    picture: Annotated[Literal["break_it"], "the page whose program draws it"]
    run: Annotated[str, "its name"]
    asked: Annotated[int, "number of the question that this answers"]
    status: Annotated[Literal["running", "done"], "of the run"]
    message: Annotated[str, "one sentence; may be empty"]
    n_prompt: Annotated[int, "tokens that were given"]
    model: Annotated[ModelShape, "the network"]
    can_measure: Annotated[bool, "whether the model that wrote it is here"]
    tokens: Annotated[list[Token], "text, printable form and id of every token"]
    choice: Annotated[ChoiceHeader, "what was asked"]
    chosen_for: Annotated[bool, "whether the change was not chosen by the visitor: it is the head that matters most"]
    explained: Annotated[str, "printable form of the token whose probability is meant; may be empty"]
    follows: Annotated[bool, "whether it is the one that follows in the text, and not the likeliest"]
    log_prob: Annotated[float | None, "of it as it is, nats; null = not measured yet"]
    mapping: Annotated[Work | None, "of the map under way: parts done, in all, what is done"]
    changing: Annotated[Work | None, "of the changed run under way"]
    stopped: Annotated[bool, "the visitor ended the measurement"]
    changed: Annotated[ChangedFacts | None, "null = nothing is changed, or not measured yet"]


class BreakArrays(TypedDict):
    """Changes of the log-probability of the token that is meant, and KL of its prediction, nats."""

    heads: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_layers", "n_heads"), "without this head"]]
    heads_kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_layers", "n_heads"), "KL without it"]]
    groups: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_layers", "n_kv_heads"), "without this KV group"]]
    groups_kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_layers", "n_kv_heads"), "KL without it"]]
    mlps: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_layers", "one"), "without this MLP"]]
    mlps_kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "n_layers", "one"), "KL without it"]]
    kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "length"), "of every prediction of the changed run, nats"]]
    moved: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "length"), "change of the actual next token's log-probability; last NaN"]
    ]


class Ask(ChoiceHeader):
    """Sticky. What the visitor wants to see next."""

    run: Annotated[str, "its name"]
    n: Annotated[int, "number of the question; the answer carries it"]


class AskFrom(TypedDict):
    """Sticky. Where the hand was on the page before, too late for Python to hear it there."""

    run: Annotated[str, "its name"]
    n: Annotated[int, "number of the question"]
    at: Annotated[Place, "where it was"]


class Act(TypedDict):
    """Sticky. A button: stop measuring, measure after all."""

    run: Annotated[str, "its name"]
    what: Annotated[Literal["stop", "again"], "the button"]
    n: Annotated[int, "another number at every press"]


HEADER, ARRAYS = BreakHeader, BreakArrays
EVENTS: Mapping[str, object] = {"ask": Ask | AskFrom, "act": Act}
"""By name, what the picture says."""
