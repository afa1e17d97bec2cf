"""The relay: how far a model can hand a symbol on through its windows, and how often it does.

A sequence is a key, then fillers, then the question `?`, whose right answer is the key again:

    Kacbdabba?K

The question stands `distance` tokens after the key. One layer moves what it knows by at most W - 1 tokens, so
ceil(distance / (W - 1)) layers must each take it over from a token that has it. The fillers say nothing about the
key, so an answer is better than a guess only if the key itself was carried.

A story can be told without such feats, so a model of stories that uses little of its reach does not show that
relaying is impossible. A model trained on these sequences shows whether it is.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mistral_core.analysis.reach import hops
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer

KEYS = "ABCDEFGHIJKLMNOP"
FILLERS = "abcd"
QUESTION = "?"
GUESS = 1 / len(KEYS)
"""Share of right answers of a model that knows only what a key is."""


@dataclass(frozen=True)
class RelayResult:
    """How often the question was answered with the key.

    Attributes:
        distance: tokens from the key to the question.
        hops: layers that must hand the key on, at least; `None` = more than there are.
        asked, right: sequences, and those whose most probable answer was the key.
        probability: of the key, mean over the sequences.
    """

    distance: int
    hops: int | None
    asked: int
    right: int
    probability: float


def relay_question(key: str, distance: int, draw: random.Random) -> str:
    """A sequence up to its question.

    >>> relay_question("K", 4, random.Random(0))
    'Kddb?'

    Raises:
        ValueError: a key that is none, or a distance below 1.
    """
    if len(key) != 1 or key not in KEYS:
        raise ValueError(f"key is {key!r}; it must be one of {KEYS}")
    if distance < 1:
        raise ValueError(f"distance is {distance}; the question stands at least 1 token after the key")
    return key + "".join(draw.choices(FILLERS, k=distance - 1)) + QUESTION


def measure_relay(
    model: Transformer, tokenizer: Tokenizer, distances: Sequence[int], *, rounds: int = 4, seed: int = 0
) -> list[RelayResult]:
    """Asks every key at every distance.

    Args:
        model: trained on such sequences.
        tokenizer: with a token for each symbol.
        distances: from key to question, in tokens.
        rounds: sequences of each key, with other fillers.
        seed: of the fillers.

    Raises:
        ValueError: as `relay_question`, or a tokenizer that joins or splits symbols.
    """
    draw = random.Random(seed)
    answers = torch.tensor([_token(tokenizer, key) for key in KEYS] * rounds)
    results = []
    for distance in distances:
        asked = [tokenizer.encode(relay_question(key, distance, draw)) for key in list(KEYS) * rounds]
        if len({len(tokens) for tokens in asked}) != 1 or len(asked[0]) != len(tokenizer.encode(KEYS[0])) + distance:
            raise ValueError(f"the tokenizer joins or splits symbols at distance {distance}; each must be one token")
        with torch.inference_mode():
            last = model(torch.tensor(asked))[:, -1].float().softmax(-1)
        right = int((last.argmax(-1) == answers).sum())
        given = float(last.gather(1, answers[:, None]).mean())
        results.append(RelayResult(distance, hops(distance, model.config), len(asked), right, given))
    return results


def share_right(results: Sequence[RelayResult]) -> float:
    """Of all that was asked, the share whose most probable answer was the key."""
    return sum(one.right for one in results) / sum(one.asked for one in results)


def _token(tokenizer: Tokenizer, key: str) -> int:
    return tokenizer.encode(FILLERS[0] + key)[-1]
