"""Recall: a name is planted, much else is said, and then it is asked for.

    There was once a girl whose name was NAME. [neutral sentences] ... she said, "My name is  -> NAME?

The names are equally often right: every name is planted once and is the foil of every other once, so what a model
likes of a name by itself cancels. A model that answers the same whatever was planted is right in exactly half of
the comparisons; one that copies is always right. The distance is that from the planted name to the place before the
answer, in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.cases import NEUTRAL
from mistral_core.hooks import watching
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer, single_token

NAMES = (
    *("Mary", "John", "Anna", "Peter", "Alice", "Tom", "Jack", "Rose", "George", "Kate", "Henry", "Jane"),
    *("Robert", "Emma", "William", "Sarah", "James", "Lucy", "David", "Ruth", "Paul", "Helen", "Charles", "Grace"),
)
"""Common names; of them those are used that the tokenizer has as one token."""
SLOT = "{}"
OPENING = "The name of the child was {}."
QUESTION = "The name of the child was"
"""The same words as in the opening: what comes after them is to be copied from there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recall:
    """What came back of the planted names at one distance.

    Attributes:
        distance: tokens from the planted name to the place where it is asked for.
        right: share of (planted, foil) pairs in which the planted name was the more probable; 0.5 is a guess.
        by_name: this share for each planted name.
        advantage: ln p(planted) - ln p(foil), the mean over all pairs, nats; 0 of what does not depend on the plant.
        names: how many.
    """

    distance: int
    right: float
    by_name: Float[np.ndarray, " name"]
    advantage: float
    names: int

    @property
    def spread(self) -> tuple[float, float]:
        """The share plus and minus two standard errors over planted names, within 0 and 1."""
        error = float(self.by_name.std(ddof=1)) / len(self.by_name) ** 0.5
        return max(0.0, self.right - 2 * error), min(1.0, self.right + 2 * error)


def usable_names(tokenizer: Tokenizer, names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """Those that are one token in mid-text."""
    usable = []
    for name in names:
        try:
            single_token(tokenizer, name)
        except ValueError:
            continue
        usable.append(name)
    return tuple(usable)


def recall_text(name: str, n_fillers: int) -> str:
    """The text up to the place where the name is due.

    >>> recall_text("Mary", 1)
    'The name of the child was Mary. The birds sang in the trees. The name of the child was'
    """
    fillers = [NEUTRAL[number % len(NEUTRAL)] for number in range(n_fillers)]
    return " ".join([OPENING.replace(SLOT, name), *fillers, QUESTION])


def recall(model: Transformer, tokenizer: Tokenizer, names: Sequence[str], n_fillers: int) -> Recall:
    """Plants each name, puts neutral sentences after it, and compares its probability with that of every other one.

    Raises:
        ValueError: fewer than two names, or one that is no single token.
    """
    if len(names) < 2:
        raise ValueError(f"{len(names)} name was given; a name is compared with another one, so give at least 2")
    tokens = [single_token(tokenizer, name) for name in names]
    texts = [tokenizer.encode(recall_text(name, n_fillers)) for name in names]
    position = texts[0].index(tokens[0])
    with watching(None), torch.inference_mode():
        rows = [model(torch.tensor([text]), last_only=True)[0, -1].double().log_softmax(-1)[tokens] for text in texts]
    return compared(torch.stack(rows).cpu().numpy(), len(texts[0]) - 1 - position)


def compared(log_p: Float[np.ndarray, "planted asked"], distance: int) -> Recall:
    """The shares, from ln p of every name after every planted one; equal probabilities count half."""
    more = log_p.diagonal()[:, None] - log_p
    others = ~np.eye(len(log_p), dtype=bool)
    won = (more > 0) + 0.5 * (more == 0)
    by_name = np.array([won[row, others[row]].mean() for row in range(len(log_p))])
    return Recall(
        distance=distance,
        right=float(by_name.mean()),
        by_name=by_name,
        advantage=float(more[others].mean()),
        names=len(log_p),
    )


def fillers_for(tokenizer: Tokenizer, name: str, distance: int) -> int:
    """The least number of neutral sentences that put the name at least `distance` tokens before its question."""
    count = 0
    while _distance(tokenizer, name, count) < distance:
        count += 1
    return count


def _distance(tokenizer: Tokenizer, name: str, n_fillers: int) -> int:
    ids = tokenizer.encode(recall_text(name, n_fillers))
    return len(ids) - 1 - ids.index(single_token(tokenizer, name))
