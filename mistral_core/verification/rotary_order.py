"""In which order do the rows of wq and wk lie? What a file alone can say of it, and what it cannot.

The layout of a folder says which order they should have, and the loader and the independent forward both believe
it. If whoever wrote the file did not convert them, both are wrong in the same way, and no number in the file
betrays it: either order is a network. But only one of them is the network that was trained, and that one predicts
ordinary text better. So a text is read in both orders, and the losses of its tokens are compared.

A model that predicts nothing (untrained, or trained on something else than these texts) cannot be judged so: then
the order is not proven, and that is said.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.relay import KEYS, relay_question
from mistral_core.checkpoint.golden import TEXT
from mistral_core.tokenizer import Tokenizer
from mistral_core.verification.reference import Reference

CERTAIN = 4.0
"""Standard errors by which one order has to predict better; by chance that happens once in 30,000 times."""
RELAY_DISTANCES = (25, 40)
"""Of the sequences that a relay is asked: two and three hops through windows of 16."""
LONGEST = 512
"""Tokens read of a text."""


@dataclass(frozen=True)
class OrderEvidence:
    """How well a text is predicted in either order.

    Attributes:
        stated, other: nats a token, with the rows as the layout says and in the other order.
        certainty: how much better `stated` predicts, in standard errors of the mean; negative = worse.
        tokens: predicted ones. guess: nats a token of a model that knows nothing.
    """

    stated: float
    other: float
    certainty: float
    tokens: int
    guess: float

    @property
    def verdict(self) -> bool | None:
        """Whether the order is the one that the layout states; `None` = not proven."""
        if min(self.stated, self.other) >= self.guess or abs(self.certainty) < CERTAIN:
            return None
        return self.certainty > 0

    def __str__(self) -> str:
        rows = f"rows as the layout says {self.stated:.3f} nats a token, in the other order {self.other:.3f}"
        return f"{rows}: {abs(self.certainty):.1f} standard errors apart; a guess has {self.guess:.3f}"


def rotary_order(folder: Path, tokenizer: Tokenizer, longest: int = LONGEST) -> OrderEvidence | None:
    """Compares the two orders on the text that the better of them predicts best; `None` = they are the same.

    Args:
        longest: tokens read of each text.

    Raises:
        ValueError: the folder cannot be read.
    """
    stated, other = Reference(folder), Reference(folder)
    other.half_split = not stated.half_split
    if stated.head_dim == 2:
        return None
    evidence = []
    for texts in _candidates(tokenizer):
        ids = [tokenizer.encode(text)[:longest] for text in texts]
        a, b = (torch.cat([_losses(network, tokens) for tokens in ids]) for network in (stated, other))
        better = b - a
        certainty = float(better.mean() / (better.std() / math.sqrt(len(better))).clamp_min(1e-300))
        guess = math.log(tokenizer.vocab_size)
        evidence.append(OrderEvidence(float(a.mean()), float(b.mean()), certainty, len(better), guess))
    return min(evidence, key=lambda found: min(found.stated, found.other))  # favours neither order


def _candidates(tokenizer: Tokenizer) -> list[list[str]]:
    """A story; and where every symbol is one token, what a relay is asked, with the answers."""
    draw = random.Random(0)
    asked = [relay_question(key, distance, draw) + key for key in KEYS for distance in RELAY_DISTANCES]
    single = all(len(tokenizer.encode(text)) == len(text) + len(tokenizer.encode("a")) - 1 for text in asked)
    return [[TEXT], asked] if single else [[TEXT]]


def _losses(network: Reference, tokens: list[int]) -> Float[Tensor, " predicted"]:
    chances = network.logits(tokens[:-1]).log_softmax(1)
    return -chances.gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]
