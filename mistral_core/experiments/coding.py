"""Texts as numbers: an arithmetic coder that asks a model for its probabilities, and gets the texts back.

Coder and decoder go through the same steps: all texts side by side in one batch, one token of each a step, from the
same ring. So the probabilities of both are equal to the last bit, which the decoder needs: it must know the
distribution with which a token was coded before it knows the token. A text ends with the end token, which is coded too.

The coder is a range coder (`constriction`), which rounds probabilities to 24 bits and gives every token some.

Source: Witten, Neal and Cleary 1987; with a language model: Delétang et al. 2023 (arXiv 2309.10668).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import constriction
import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.progress import Report, silent
from mistral_core.model import Transformer
from mistral_core.sampling import softmax
from mistral_core.tokenizer import Tokenizer

HEADER_BYTES = 8
"""Beside the code a decoder needs two numbers: how many texts, and how long the longest is."""
LONGEST = 2**16
"""Tokens of a text that is coded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Coded:
    """Texts as numbers.

    Attributes:
        words: the code. texts, longest: how many, and tokens of the longest, its ends included.
        asked: bits that the model's probabilities ask for. tokens: that were coded.
    """

    words: np.ndarray
    texts: int
    longest: int
    asked: float
    tokens: int

    @property
    def nbytes(self) -> int:
        """Bytes of all that a decoder needs beside the model."""
        return self.words.nbytes + HEADER_BYTES

    @property
    def over(self) -> float:
        """Bits of the code over those asked for; 1 = nothing is lost."""
        return 8 * self.words.nbytes / self.asked if self.asked else math.inf


class Steps:
    """The model over several texts at once, one token of each a step.

    Args:
        texts: how many. longest: tokens that a ring without a window has room for.
    """

    def __init__(self, model: Transformer, texts: int, longest: int, begin: int) -> None:
        self._model = model
        self._kv_cache = model.empty_kv_cache(texts, max_context=longest)
        self._tokens, self._position = torch.full((texts, 1), begin), 0
        self.live = [True] * texts

    def probabilities(self) -> Float[np.ndarray, "texts vocab_size"]:
        """Of the next token of each text; a text that has ended has a row without meaning."""
        positions = torch.tensor([[self._position if live else -1] for live in self.live])
        with torch.inference_mode():
            logits = self._model(self._tokens, positions, kv_cache=self._kv_cache)[:, -1]
        return softmax(logits.double().numpy())

    def push(self, tokens: Sequence[int], end: int) -> None:
        """Says what came; a text that gets its end token is over."""
        self._tokens = torch.tensor([[token] for token in tokens])
        self._position += 1
        self.live = [live and token != end for live, token in zip(self.live, tokens, strict=True)]


def encode(model: Transformer, tokenizer: Tokenizer, texts: Sequence[str], report: Report = silent) -> Coded:
    """Codes texts with a model.

    Raises:
        ValueError: no text, or one that is too long.
    """
    begin = _begin(tokenizer)
    rows = [[begin, *tokenizer.encode(text, bos=False, eos=True)] for text in texts]
    longest = max((len(row) for row in rows), default=0)
    if not 2 <= longest <= LONGEST:
        raise ValueError(f"the longest text has {longest:,} tokens; there must be a text, of at most {LONGEST:,}")
    coder = constriction.stream.queue.RangeEncoder()
    steps, asked = Steps(model, len(rows), longest, begin), 0.0
    for at in range(1, longest):
        report(at, longest, "coding")
        probs = steps.probabilities()
        for row, live, p in zip(rows, steps.live, probs, strict=True):
            if live:
                coder.encode(row[at], _categorical(p))
                asked -= math.log2(p[row[at]])
        steps.push([row[at] if at < len(row) else row[-1] for row in rows], tokenizer.eos_id)
    tokens = sum(len(row) - 1 for row in rows)
    return Coded(words=coder.get_compressed(), texts=len(rows), longest=longest, asked=asked, tokens=tokens)


def decode(model: Transformer, tokenizer: Tokenizer, coded: Coded, report: Report = silent) -> list[str]:
    """The texts that were coded, from the code and the same model."""
    coder = constriction.stream.queue.RangeDecoder(coded.words)
    begin = _begin(tokenizer)
    rows: list[list[int]] = [[begin] for _ in range(coded.texts)]
    steps = Steps(model, coded.texts, coded.longest, begin)
    for at in range(1, coded.longest):
        report(at, coded.longest, "decoding")
        probs = steps.probabilities()
        for row, live, p in zip(rows, steps.live, probs, strict=True):
            if live:
                row.append(int(coder.decode(_categorical(p))))
        steps.push([row[-1] for row in rows], tokenizer.eos_id)
    return [tokenizer.decode(row[1:-1]) for row in rows]


def _begin(tokenizer: Tokenizer) -> int:
    """What stands before a text: the begin token, or the end of another text for models that were trained without."""
    before = tokenizer.encode("")
    return before[0] if before else tokenizer.eos_id


def _categorical(probs: Float[np.ndarray, " vocab_size"]) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probs, perfect=False)
