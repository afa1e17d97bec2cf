"""What goes between the front and a replica: plain values and arrays, and of a text only what the front lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mistral_core.config import MistralConfig
from mistral_core.request import GenerationRequest
from mistral_core.serving.job import Progress, Status


@dataclass(frozen=True, kw_only=True)
class Order:
    """A text to be written, or to be gone on with.

    Attributes:
        key: names it, chosen by the front: asked twice, the same text is written once.
        request: as the session asked; `known` of its tokens are forced, because they were written before.
        known: tokens of prompt and text that the front has already.
        pace: tokens a second, from the first unknown token on. allowance: tokens that may be written after them.
    """

    key: str
    session: str
    model_name: str
    request: GenerationRequest
    known: int = 0
    pace: float
    allowance: float


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The answer to an order. `at`: the replica that took it; `refused`: a sentence where it did not."""

    at: str
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is new of a text? `have`: tokens that are at the front. `named`: whether it knows by whom it is written."""

    key: str
    have: int
    named: bool


@dataclass(frozen=True, kw_only=True)
class Head:
    """What is said once of a text; fields as of `Trace`."""

    config: MistralConfig
    model_name: str
    omitted: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class News:
    """What is new of a text.

    Attributes:
        status, message, finish_reason, tokens_per_second: as of `Progress`.
        model_hash: of the weights that write it; "" before they are loaded.
        start: position of the first row; texts begin one before it, where a character may have been completed.
    """

    key: str
    status: Status
    message: str
    finish_reason: str
    tokens_per_second: float
    model_hash: str = ""
    head: Head | None = None
    start: int = 0
    token_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    probability: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rank: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        rows = (self.token_ids, self.probability, self.rank, *self.arrays.values())
        return sum(array.nbytes for array in rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bulletin:
    """The answer of one replica to all that was asked of it.

    Attributes:
        at: which replica answers. news: of the texts that it writes. unknown: keys of those that it does not.
        step: seconds that its last step took.
    """

    at: str
    news: tuple[News, ...]
    unknown: tuple[str, ...] = ()
    step: float = 0.0


def news_of(ask: Ask, progress: Progress) -> News:
    """What the front lacks of a text."""
    trace = progress.trace
    news = News(
        key=ask.key,
        status=progress.status,
        message=progress.message,
        finish_reason=progress.finish_reason,
        tokens_per_second=progress.tokens_per_second,
        start=ask.have,
    )
    if trace is None:
        return news
    start = min(ask.have, len(trace))
    head = Head(config=trace.config, model_name=trace.model_name, omitted=trace.omitted)
    return replace(
        news,
        model_hash=trace.model_hash,
        head=None if ask.named else head,
        start=start,
        token_ids=trace.token_ids[start:],
        probability=trace.probability[start:],
        rank=trace.rank[start:],
        texts=trace.token_texts[max(0, start - 1) :],
        labels=trace.token_labels[start:],
        arrays={name: array[start:] for name, array in trace.arrays.items()},
    )
