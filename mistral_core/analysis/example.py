"""The swapped word of the first page, found by a search: never chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import rings_left
from mistral_core.analysis.swap import Case, Swap, measure_swap
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer


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


def find_example(model: Transformer, tokenizer: Tokenizer, cases: Sequence[Case], report: Report = silent) -> Example:
    """The case with the largest fall of the first answer's probability when the word is swapped.

    Only cases count in which the word has left every ring by the last token.

    Raises:
        ValueError: no case can be used; the message says why.
    """
    fitting, refused = [], []
    for done, case in enumerate(cases):
        report(done, len(cases), case.words[0])
        try:
            swap = measure_swap(model, tokenizer, case)
        except ValueError as error:
            refused.append(f"{case.text(0)} ({case.words[1]}): {error}")
            continue
        if all(rings_left(model.config, swap.position, swap.position + swap.distance)):
            fitting.append((swap.first[0] - swap.swapped[0], case, swap))
        else:
            refused.append(f"{case.text(0)} ({case.words[1]}): {swap.distance} tokens on, it is still in a ring")
    report(len(cases), len(cases), "done")
    if not fitting:
        raise ValueError(f"no candidate fits this model: {'; '.join(refused) or 'none was given'}")
    fitting.sort(key=lambda entry: entry[0], reverse=True)
    fall, case, best = fitting[0]
    others = tuple(swap for _, _, swap in fitting[1:])
    return Example(case=case, best=best, fall=fall, others=others, refused=tuple(refused))
