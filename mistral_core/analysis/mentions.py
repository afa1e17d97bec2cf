"""The loss of a word by how far back it was last mentioned: where a window would have to cost something.

The mean over a text hides it: most words of a story are told by the few before them. A word that returns is another
matter: whoever still sees its last mention can copy it. So each word that returns within a piece is put down with

    distance    tokens from its last mention to it, in the same piece
    loss        -ln p of its first token, for every model that is compared, in nats

A query sees W keys, itself included, and predicts the token after it: the mention is in sight iff distance <= W.

Source: loss by the distance of a repetition is the reading of Olsson et al. 2022 (arXiv 2209.11895), "in-context
learning score", with words for tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from mistral_core.analysis.progress import Report, part_of, silent
from mistral_core.hooks import watching
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer

COMMON = 0.002
"""A word that makes up more of the text than this is a little word: the grammar calls for it, not its last mention."""
LEAST_LETTERS = 4
LARGEST_BATCH = 2**24
"""Logits of one pass: pieces are read together as far as these allow."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mentions:
    """Words that return, in the order of the text.

    Attributes:
        distance: tokens since the last mention in the same piece.
        name: whether it is a name: a capital where no sentence begins.
        piece: which piece of the text it stands in.
        losses: of each model, nats.
        mean: of each model over all tokens of the pieces, nats a token.
        tokens: how many those are.
    """

    distance: Int[np.ndarray, " word"]
    name: Bool[np.ndarray, " word"]
    piece: Int[np.ndarray, " word"]
    losses: Mapping[str, Float[np.ndarray, " word"]]
    mean: Mapping[str, float]
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How much more one model loses than another on some words.

    Attributes:
        mean: of `losses[model] - losses[other]`, nats; NaN of no word.
        error: standard error of the mean over pieces, whose words go together; NaN of fewer than two.
        words: how many.
    """

    mean: float
    error: float
    words: int


def pieces(tokenizer: Tokenizer, documents: Sequence[str], length: int) -> list[list[int]]:
    """The documents as token ids in pieces of exactly `length`; what is left over is not read.

    Each begins with BOS, where the tokenizer has one.

    Raises:
        ValueError: a length below 2.
    """
    if length < 2:
        raise ValueError(f"pieces of {length} tokens predict nothing; take at least 2")
    found = []
    for document in documents:
        ids, begun = tokenizer.encode(document, bos=False), tokenizer.encode(document)
        before = begun[: len(begun) - len(ids)]
        step = length - len(before)
        for start in range(0, len(ids) - step + 1, step):
            found.append([*before, *ids[start : start + step]])
    return found


def returning(tokenizer: Tokenizer, read: Sequence[Sequence[int]]) -> list[list[tuple[int, int, bool]]]:
    """For each piece (position, distance to the last mention, whether it is a name) of every word that returns."""
    counts = Counter(token for ids in read for token in ids)
    total = sum(counts.values())
    words = {token: tokenizer.text(token) for token in counts}
    starts = {
        token
        for token, text in words.items()
        if text[:1] == " " and text[1:].isalpha() and len(text) > LEAST_LETTERS and counts[token] <= COMMON * total
    }
    found = []
    for ids in read:
        last: dict[int, int] = {}
        here = []
        for position, token in enumerate(ids):
            if token in starts:
                if token in last:
                    named = words[token][1].isupper() and words[ids[position - 1]].strip()[-1:] not in ".!?\"'"
                    here.append((position, position - last[token], named))
                last[token] = position
        found.append(here)
    return found


def mention_losses(
    models: Mapping[str, Transformer],
    tokenizer: Tokenizer,
    documents: Sequence[str],
    length: int,
    report: Report = silent,
) -> Mentions:
    """Reads the text in pieces with each model and gathers the words that return.

    Args:
        models: share the tokenizer.
        length: tokens of a piece; the longest distance is below it. Take no more than all were trained on.

    Raises:
        ValueError: no document has so many tokens.
    """
    read = pieces(tokenizer, documents, length)
    if not read:
        raise ValueError(f"no document has {length - 1} tokens; take shorter pieces or a longer text")
    words = returning(tokenizer, read)
    chosen: dict[str, list[float]] = {name: [] for name in models}
    sums: dict[str, float] = {}
    for number, (name, model) in enumerate(models.items()):
        losses = piece_losses(model, read, part_of(report, number, len(models), f"{name} {{}}"))
        sums[name] = float(losses.sum())
        for row, piece in enumerate(words):
            chosen[name] += [float(losses[row, position - 1]) for position, _, _ in piece]
    tokens = len(read) * (length - 1)
    return Mentions(
        distance=np.array([distance for piece in words for _, distance, _ in piece], np.int64),
        name=np.array([named for piece in words for _, _, named in piece], bool),
        piece=np.array([number for number, piece in enumerate(words) for _ in piece], np.int64),
        losses={name: np.array(values) for name, values in chosen.items()},
        mean={name: total / tokens for name, total in sums.items()},
        tokens=tokens,
    )


def piece_losses(
    model: Transformer, read: Sequence[Sequence[int]], report: Report = silent
) -> Float[np.ndarray, "piece predicted"]:
    """`-ln p` of every token of pieces of equal length but their first, float64 nats."""
    rows = max(1, LARGEST_BATCH // (model.config.vocab_size * len(read[0])))
    parts = []
    for start in range(0, len(read), rows):
        report(start, len(read), f"reads piece {start + 1}")
        tokens = torch.tensor([list(row) for row in read[start : start + rows]])
        with watching(None), torch.inference_mode():
            log_p = model(tokens)[:, :-1].double().log_softmax(-1)
            parts.append(-log_p.gather(2, tokens[:, 1:, None].to(log_p.device))[..., 0].cpu())
    return torch.cat(parts).numpy()


def gap(mentions: Mentions, model: str, other: str, nearest: int, farthest: int, names: bool = False) -> Gap:
    """How much more `model` loses than `other` on words last mentioned `nearest` to `farthest` tokens before.

    Args:
        names: of names alone.
    """
    chosen = (mentions.distance >= nearest) & (mentions.distance <= farthest)
    chosen &= mentions.name if names else True
    more = (mentions.losses[model] - mentions.losses[other])[chosen]
    if not len(more):
        return Gap(mean=math.nan, error=math.nan, words=0)
    mean, where = float(more.mean()), mentions.piece[chosen]
    clusters = np.array([(more[where == piece] - mean).sum() for piece in np.unique(where)])
    count = len(clusters)
    error = math.nan if count < 2 else math.sqrt(count / (count - 1) * float((clusters**2).sum())) / len(more)
    return Gap(mean=mean, error=error, words=len(more))
