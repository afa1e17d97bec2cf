"""One swapped word, and what it does to the prediction at the end of the text.

A `Case` is a sentence with a word and its swap ("girl" / "boy") and a question whose answer depends on
the word. Both texts are read, and the probabilities of the two answers and the KL of the whole
prediction say what the swap changes.

Every text is encoded as a whole. Encoding its parts apart would put a piece "␣" between them that
no reader's text has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.influence import (
    NEVER_DRAWN,
    check_position,
    default_replacement,
    kl_divergence,
    log_probs,
    read,
)
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer, single_token

SLOT = "{}"
"""Where a sentence leaves room for the swapped word."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A word, its swap, and what is asked later.

    Attributes:
        opening: text with `{}` in the place of the word. words: the word and its swap, one token each.
        answers: what the word and its swap make likely, one token each.
        question: text after which the answer is due.
        fillers: neutral sentences, put between the two one by one.

    Raises:
        ValueError: `opening` has not exactly one `{}`, or the two words or answers are the same.
    """

    opening: str
    words: tuple[str, str]
    answers: tuple[str, str]
    question: str
    fillers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.opening.count(SLOT) != 1:
            raise ValueError(f"the sentence has {self.opening.count(SLOT)} places {SLOT} for the word; it needs one")
        for name, (first, second) in (("words", self.words), ("answers", self.answers)):
            if first == second:
                raise ValueError(f"the two {name} are both {first!r}; nothing would be swapped")

    def text(self, which: int, n_fillers: int = 0) -> str:
        """The whole text with word 0 or 1 and the first `n_fillers` neutral sentences."""
        opening = self.opening.replace(SLOT, self.words[which])
        return " ".join(part for part in (opening, *self.fillers[:n_fillers], self.question) if part)


@dataclass(frozen=True, kw_only=True)
class Swap:
    """One text and its swap, and the prediction after each.

    Attributes:
        text: with the first word. position: of the word's token. distance: from it to the last token.
        n_fillers: neutral sentences in between. kl: KL(first || swapped) of the next token, in nats.
        first, swapped: probabilities of the two answers after the first word and after its swap.
    """

    text: str
    position: int
    distance: int
    n_fillers: int
    kl: float
    first: tuple[float, float]
    swapped: tuple[float, float]


def measure_swap(model: Transformer, tokenizer: Tokenizer, case: Case, n_fillers: int = 0) -> Swap:
    """Reads both texts and compares their predictions.

    Raises:
        ValueError: the texts do not differ by one token for one, or an answer is no single token.
    """
    answers = [single_token(tokenizer, answer) for answer in case.answers]
    ids = [tokenizer.encode(case.text(which, n_fillers)) for which in (0, 1)]
    differing = [i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b]
    if len(ids[0]) != len(ids[1]) or len(differing) != 1:
        labels = " and ".join("|".join(map(tokenizer.label, tokenizer.encode(word, bos=False))) for word in case.words)
        raise ValueError(f"the words must be one token each, so that nothing else differs; they are {labels}")
    p, q = (_prediction(model, one) for one in ids)
    first, swapped = (tuple(float(row[answer].exp()) for answer in answers) for row in (p, q))
    return Swap(
        text=case.text(0, n_fillers),
        position=differing[0],
        distance=len(ids[0]) - 1 - differing[0],
        n_fillers=n_fillers,
        kl=float(kl_divergence(p, q)),
        first=(first[0], first[1]),
        swapped=(swapped[0], swapped[1]),
    )


def _prediction(model: Transformer, token_ids: Sequence[int]) -> Float[Tensor, " vocab_size"]:
    """Log-probabilities after the last token, in float64."""
    return log_probs(read(model, token_ids).logits[-1]).cpu()


def replacement_of_its_kind(tokenizer: Tokenizer, token_ids: Sequence[int], position: int) -> int:
    """A token of the text that can stand where another one stands: a whole word for a word, a capital for a capital.

    Drawn as `default_replacement` draws, among the tokens of the same kind; among all where there is none. It keeps
    a sentence readable, and is a choice for looking at: what is averaged over many words draws among all.

    Raises:
        ValueError: no such position, or the text holds no other token.
    """
    check_position("source", position, len(token_ids))
    kinds = {token: _kind(tokenizer.text(token)) for token in token_ids}
    alike = {token for token, kind in kinds.items() if kind == kinds[token_ids[position]]}
    others = kinds.keys() - alike if alike - {token_ids[position], *NEVER_DRAWN} else ()
    return default_replacement(token_ids, position, avoid={*NEVER_DRAWN, *others})


def _kind(text: str) -> tuple[bool, bool, bool, bool]:
    """Whether it begins a word, is letters alone, begins with a capital, and is longer than most little words."""
    word = text.strip()
    return text[:1] == " ", word.isalpha(), word[:1].isupper(), len(word) > 3
