"""A fact is pushed back until it is gone: "can see" against "does use", measured on text.

push back   A sentence with one swapped word ("girl" / "boy"), neutral sentences, then a question
            whose answer depends on the word. Each added sentence pushes the word further back;
            the probabilities of the two answers and the KL of the whole prediction say what is left.
typical     Beside it, ordinary words of the same text (see `distance`), so that what was chosen for
            effect can be seen to be.
example     The swapped word of the first page, found by a search: never chosen by hand.

Every text is encoded as a whole. Encoding its parts apart would put a piece "␣" between them that
no reader's text has.

Source: the annotated claim "k x W" of "Mistral 7B" section 2: a bound, not a promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.distance import distance_profile
from mistral_core.analysis.influence import ForwardInfluence, Report, kl_divergence, log_probs, read, silent
from mistral_core.analysis.reach import first_row, rings_left
from mistral_core.config import MistralConfig, Window
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer

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


@dataclass(frozen=True, kw_only=True)
class PushBack:
    """The experiment, nearest first.

    Attributes:
        windows: of the layers. reach: exact, `None` = unbounded.
        marks: W, 2W, 3W of the widest window; none without a window.
    """

    case: Case
    swaps: tuple[Swap, ...]
    windows: tuple[Window, ...]
    marks: tuple[int, ...]
    reach: int | None


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """A token that has left every ring, and what it still does.

    Attributes:
        position: of the token. step: the step that looks back at it. distance: between them.
        traces_possible: whether later tokens could have carried it this far (theory).
        first_row: first row of the grid in which it can be felt at `step`; `None` = in none.
        kl: change of the next-token distribution at `step` in nats. before, after: of the actual next token.
    """

    position: int
    step: int
    distance: int
    traces_possible: bool
    first_row: int | None
    kl: float
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Typical:
    """What an ordinary word does at one distance: KL in nats over `count` words of a text, replaced one at a time."""

    distance: int
    median: float
    mean: float
    largest: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Example:
    """What the search found.

    Attributes:
        best: the swap with the largest fall, of those beyond every ring. case: its words.
        others: the rest, best first. refused: a sentence for each candidate that could not be used.
    """

    case: Case
    best: Swap
    fall: float
    others: tuple[Swap, ...]
    refused: tuple[str, ...]


TYPICAL_WORDS = 16
"""Replaced beside a chosen word, at most: some places are taken once where two would fall on them."""
NEUTRAL = (
    "The birds sang in the trees.",
    "The wind blew softly over the hills.",
    "The sky was blue and the grass was green.",
    "In the fields the corn was tall.",
    "The snow fell on the roof and on the road.",
    "Far away the bells rang.",
    "The leaves fell from the trees.",
    "The days were long and the nights were short.",
    "It rained for many days.",
    "The river ran down to the sea.",
    "The sun went down and the stars came out.",
    "The apples were red.",
    "The road was white in the moonlight.",
    "The clouds went by.",
)
"""Sentences without people, to put in between."""
GIRL = Case(
    opening="Once upon a time there was a {} who lived in a little house in the wood.",
    words=("girl", "boy"),
    answers=("she", "he"),
    question="One morning, when the sun came up,",
    fillers=NEUTRAL,
)
"""The case shown first."""
_PAIRS = (("girl", "boy"), ("queen", "king"), ("woman", "man"), ("princess", "prince"), ("mother", "father"))
_SENTENCES = (
    "Once upon a time there was a {} who lived in a little house in the wood. "
    "One morning, when the snow lay deep upon the path,",
    "The {} lived in a castle on a high hill above the sea. Every morning, when the sun came up over the water,",
    "There was once a poor {} who had nothing in the world but a little cat. "
    "One day, when there was no more bread in the house,",
    "The {} walked along the river until it was quite dark. Then, because the night was cold,",
    "The {} was tired, and the road was long and dark. At last, when the moon had come up over the trees,",
    "Far away in the north a {} lived beside a lake. In the winter, when the ice was thick and the wind was cold,",
)
CANDIDATES = tuple(
    Case(opening=sentence, words=pair, answers=("she", "he"), question="") for sentence in _SENTENCES for pair in _PAIRS
)
"""Hand-written sentences times pairs: where `find_example` looks."""


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


def push_back(model: Transformer, tokenizer: Tokenizer, case: Case, report: Report = silent) -> PushBack:
    """The swap with no neutral sentence in between, with one, with two, up to all.

    Use a float64 model: far back the change drowns in float32's rounding.

    Raises:
        ValueError: as `measure_swap`.
    """
    swaps, total = [], len(case.fillers) + 1
    for n_fillers in range(total):
        report(n_fillers, total, f"{n_fillers} sentences in between")
        swaps.append(measure_swap(model, tokenizer, case, n_fillers))
    report(total, total, "done")
    config = model.config
    widths = [window for window in config.windows if window is not None]
    marks = tuple(k * max(widths) for k in (1, 2, 3)) if widths else ()
    return PushBack(case=case, swaps=tuple(swaps), windows=config.windows, marks=marks, reach=config.exact_reach())


def typical_beside(
    model: Transformer, tokenizer: Tokenizer, found: PushBack, seed: int = 0, report: Report = silent
) -> tuple[Typical, ...]:
    """Words of the longest text of the experiment replaced one at a time, felt at the distances of its swaps.

    Half of the words stand no later than the swapped one, so that the farthest distance has some too;
    replacements by `default_replacement`. A chosen word is to be seen beside these.
    """
    last = found.swaps[-1]
    ids = tokenizer.encode(found.case.text(0, last.n_fillers))
    early = np.linspace(1, last.position, TYPICAL_WORDS // 2)
    spread = np.linspace(1, max(len(ids) // 2, 1), TYPICAL_WORDS - TYPICAL_WORDS // 2)
    sources = np.unique(np.concatenate((early, spread)).round().astype(int)).tolist()
    if last.position > 1:  # the chosen word is not among those it is compared with, where there is an earlier one
        sources = [source for source in sources if source != last.position]
    profile = distance_profile(model, [ids], last.distance, sources=[sources], seed=seed, report=report)
    return tuple(
        Typical(
            distance=swap.distance,
            median=float(profile.kl_median[swap.distance]),
            mean=float(profile.kl_mean[swap.distance]),
            largest=float(profile.kl_max[swap.distance]),
            count=int(profile.count[swap.distance]),
        )
        for swap in found.swaps
    )


def single_token(tokenizer: Tokenizer, word: str) -> int:
    """The token of a word in mid-text.

    Raises:
        ValueError: the word is empty or has several pieces.
    """
    ids = tokenizer.encode(word.strip(), bos=False) if word.strip() else []
    if len(ids) != 1:
        pieces = "|".join(map(tokenizer.label, ids)) or "nothing"
        raise ValueError(f"{word!r} is {pieces}, {len(ids)} tokens; choose a word that is one token")
    return ids[0]


def forgotten(config: MistralConfig, influence: ForwardInfluence, step: int) -> Forgotten:
    """What a replaced token that has left every ring still changes at `step`: theory beside measurement.

    Raises:
        ValueError: `step` is not in the text, or the token is still in a ring then.
    """
    source, length = influence.source, len(influence.kl)
    if not source <= step < length:
        raise ValueError(f"step {step} does not come after position {source} in a text of {length} tokens")
    if not all(left := rings_left(config, source, step)):
        layer = left.index(False)
        raise ValueError(
            f"at step {step} the token of position {source} still lies in the ring of layer {layer} "
            f"(window {config.windows[layer]}); choose a later step or an earlier token"
        )
    row = first_row(step - source, config)
    return Forgotten(
        position=source,
        step=step,
        distance=step - source,
        traces_possible=row is not None,
        first_row=row,
        kl=float(influence.kl[step]),
        before=float(influence.before[step]),
        after=float(influence.after[step]),
    )


def find_example(model: Transformer, tokenizer: Tokenizer, cases: Sequence[Case], report: Report = silent) -> Example:
    """The case with the largest fall of the first answer's probability when the word is swapped.

    Only cases count in which the word has left every ring by the last token.

    Raises:
        ValueError: no case can be used; the message says why.
    """
    found, refused = [], []
    for done, case in enumerate(cases):
        report(done, len(cases), case.words[0])
        try:
            swap = measure_swap(model, tokenizer, case)
        except ValueError as error:
            refused.append(f"{case.text(0)} ({case.words[1]}): {error}")
            continue
        if all(rings_left(model.config, swap.position, swap.position + swap.distance)):
            found.append((swap.first[0] - swap.swapped[0], case, swap))
        else:
            refused.append(f"{case.text(0)} ({case.words[1]}): {swap.distance} tokens on, it is still in a ring")
    report(len(cases), len(cases), "done")
    if not found:
        raise ValueError(f"no candidate fits this model: {'; '.join(refused) or 'none was given'}")
    found.sort(key=lambda entry: entry[0], reverse=True)
    fall, case, best = found[0]
    others = tuple(swap for _, _, swap in found[1:])
    return Example(case=case, best=best, fall=fall, others=others, refused=tuple(refused))


def _prediction(model: Transformer, token_ids: Sequence[int]) -> Float[Tensor, " vocab_size"]:
    """Log-probabilities after the last token, in float64."""
    return log_probs(read(model, token_ids).logits[-1]).cpu()
