"""What goes to and comes from the picture of the residual stream: a whole text, its lens, and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import At, ModelShape, Place, Token, Work
from app.wire import Dims

Way = Literal["word", "prompt"]


class Lender(TypedDict):
    """Another text, of which a cell is taken."""

    way: Annotated[Way, "word = this text with another word in it, prompt = a text of its own"]
    at: Annotated[int, "position of the word that is replaced; of a prompt 0"]
    text: Annotated[str, "the word, or the prompt"]


class Cell(TypedDict):
    """A place in the grid."""

    row: Annotated[int, "0 = embedding, l = after l layers"]
    position: Annotated[int, "of the token"]


class Block(TypedDict):
    """Positions that arrays are about."""

    key: Annotated[str, "another one where anything in them is another"]
    first: Annotated[int, "position of the first"]
    count: Annotated[int, "how many"]


class LensFacts(Block):
    """What the arrays of the lens say together."""

    error: Annotated[float, "by how much contributions miss a logit at most, as a share of the largest logit"]
    heads_error: Annotated[float, "the same for heads and their attention"]


class PatchFacts(Block):
    """A cell of another text in the place of this one's."""

    lender: Annotated[Lender, "the other text"]
    cell: Annotated[Cell | None, "which; null = none yet, the other text's lens alone is sent"]
    outside: Annotated[int, "cells outside the cone in which a bit changed"]
    inside: Annotated[int, "cells of the cone"]
    moved: Annotated[int, "cells of the cone in which a bit changed"]
    words: Annotated[list[str], "printable form of the other text's tokens, from the first position on"]


class ResidualHeader(TypedDict):
    """The whole text and what is known of its stream. What the browser has is named and not sent again."""

    picture: Annotated[Literal["residual"], "the page whose program draws it"]
    run: Annotated[str, "its name"]
    asked: Annotated[int, "number of the question that this answers"]
    status: Annotated[Literal["running", "done"], "of the run"]
    message: Annotated[str, "one sentence; may be empty"]
    n_prompt: Annotated[int, "tokens that were given"]
    model: Annotated[ModelShape, "the network"]
    can_measure: Annotated[bool, "whether the model that wrote it is here"]
    tokens: Annotated[list[Token], "text, printable form and id of every token"]
    at: Annotated[Place, "where the playhead is"]
    pins: Annotated[list[int], "tokens that stay in sight"]
    labels: Annotated[dict[str, str], "printable form of the ids in the arrays that are sent"]
    lens: Annotated[LensFacts | None, "null = not read yet"]
    words: Annotated[Block | None, "null = not known yet"]
    pinned: Annotated[Block | None, "null = nothing is pinned, or not followed yet"]
    patch: Annotated[PatchFacts | None, "null = no other text, or not read yet"]
    working: Annotated[Work | None, "of the work under way: steps done, in all, and what is done"]


class ResidualArrays(TypedDict):
    """Ranks count from 0, the likeliest; log-probabilities and KL are nats, entropy bits, contributions logits."""

    top: NotRequired[Annotated[np.ndarray, Dims("<i4", "rows", "count"), "likeliest token of each cell"]]
    probability: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "count"), "of that token"]]
    entropy: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "count"), "of what the cell would say"]]
    kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "count"), "KL(last row || cell)"]]
    tokens: NotRequired[Annotated[np.ndarray, Dims("<i4", "count", "followed"), "ids; the first is the final token"]]
    log_prob: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "count", "followed"), "of these"]]
    rank: NotRequired[Annotated[np.ndarray, Dims("<i4", "rows", "count", "followed"), "of these"]]
    logits: NotRequired[Annotated[np.ndarray, Dims("<f4", "count", "followed"), "the model's own"]]
    parts: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "count", "followed", "parts"), "embedding, then attention and MLP by layer"]
    ]
    heads: NotRequired[Annotated[np.ndarray, Dims("<f4", "count", "followed", "n_layers", "n_heads"), "each head's"]]
    pin_log_prob: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "pin_count", "pins"), "of the pinned tokens"]]
    pin_rank: NotRequired[Annotated[np.ndarray, Dims("<i4", "rows", "pin_count", "pins"), "of them"]]
    pin_logits: NotRequired[Annotated[np.ndarray, Dims("<f4", "pin_count", "pins"), "the model's own"]]
    pin_parts: NotRequired[Annotated[np.ndarray, Dims("<f4", "pin_count", "pins", "parts"), "what parts add to them"]]
    pin_heads: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "pin_count", "pins", "n_layers", "n_heads"), "what heads add to them"]
    ]
    word_tokens: NotRequired[
        Annotated[
            np.ndarray, Dims("<i4", "word_count", "sublayers", "words"), "promoted, strongest first; then suppressed"
        ]
    ]
    word_added: NotRequired[Annotated[np.ndarray, Dims("<f4", "word_count", "sublayers", "words"), "to the logit"]]
    word_before: NotRequired[Annotated[np.ndarray, Dims("<i4", "word_count", "sublayers", "words"), "rank before"]]
    word_after: NotRequired[Annotated[np.ndarray, Dims("<i4", "word_count", "sublayers", "words"), "rank after"]]
    lender_top: NotRequired[Annotated[np.ndarray, Dims("<i4", "rows", "lent"), "the other text's likeliest tokens"]]
    lender_probability: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "lent"), "of these"]]
    cone: NotRequired[Annotated[np.ndarray, Dims("|u1", "rows", "patch_count"), "1 = can change, by theory"]]
    change: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "rows", "patch_count"), "relative change; 0 = the same bit for bit"]
    ]
    patched_top: NotRequired[Annotated[np.ndarray, Dims("<i4", "rows", "patch_count"), "likeliest token, changed"]]
    patched_probability: NotRequired[Annotated[np.ndarray, Dims("<f4", "rows", "patch_count"), "of that token"]]
    patched_kl: NotRequired[Annotated[np.ndarray, Dims("<f4", "patch_count"), "KL(as it is || changed)"]]
    choice_tokens: NotRequired[
        Annotated[np.ndarray, Dims("<i4", "patch_count", "choices"), "likeliest next tokens of both"]
    ]
    choice_before: NotRequired[Annotated[np.ndarray, Dims("<f4", "patch_count", "choices"), "probability as it is"]]
    choice_after: NotRequired[Annotated[np.ndarray, Dims("<f4", "patch_count", "choices"), "probability, changed"]]


class Ask(TypedDict):
    """Sticky. What the visitor wants besides the lens."""

    run: Annotated[str, "its name"]
    n: Annotated[int, "number of the question; the answer carries it"]
    pins: Annotated[list[int], "tokens that stay in sight"]
    lender: Annotated[Lender | None, "another text, or none"]
    cell: Annotated[Cell | None, "which of its cells is put into this text; null = none"]


class Held(TypedDict):
    """Sticky. What the browser has, by key; "" = nothing."""

    run: Annotated[str, "its name"]
    lens: Annotated[str, "key of the lens"]
    words: Annotated[str, "key of the promoted words"]
    pinned: Annotated[str, "key of the pinned tokens"]
    patch: Annotated[str, "key of the patch"]


HEADER, ARRAYS = ResidualHeader, ResidualArrays
EVENTS: Mapping[str, object] = {"at": At, "ask": Ask, "held": Held}
"""By name, what the picture says."""
