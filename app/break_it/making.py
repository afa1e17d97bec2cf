"""The changes that are asked for, as interventions of the core: what another text lends is read in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app import compute
from app.break_it.question import Choice
from app.break_it.spelling import Asked, Lent
from mistral_core.analysis.interventions import Add, Intervention, Patch
from mistral_core.analysis.other_word import patch_row, with_word, word_span
from mistral_core.analysis.spelled_changes import in_rings
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel


def check_words(trace: Trace, choice: Choice) -> None:
    """Refuses words that cannot take the place of those in the text; asks for no weights.

    Raises:
        ValueError: a word of another number of tokens, or a tokenizer that is not at hand.
    """
    for lent in _lent(choice.asked()):
        _other(compute.tokenizer(trace.model_name), trace, lent)


def interventions_of(loaded: LoadedModel, trace: Trace, choice: Choice) -> tuple[Intervention, ...]:
    """All changes of a choice.

    Raises:
        ValueError: a change that is spelled otherwise, or a word as `check_words`.
    """
    return tuple(_made(loaded, trace, asked) for asked in choice.asked())


def while_writing(interventions: Sequence[Intervention], target: int) -> tuple[Intervention, ...]:
    """The same for a text that goes on from the target in words of its own: behind it no state of another text fits."""
    out: list[Intervention] = []
    for one in interventions:
        if isinstance(one, Patch):
            first, end = one.positions
            if first <= target:
                out.append(replace(one, positions=(first, min(end, target + 1))))
        else:
            out.append(one)
    return tuple(out)


def lending_text(loaded: LoadedModel, trace: Trace, choice: Choice) -> tuple[int, ...] | None:
    """The other text, if there is exactly one that differs from this."""
    texts = {_other(loaded.tokenizer, trace, lent) for lent in _lent(choice.asked())} - {_ids(trace)}
    return texts.pop() if len(texts) == 1 else None


def _made(loaded: LoadedModel, trace: Trace, asked: Asked) -> Intervention:
    if not isinstance(asked, Lent):
        return in_rings(asked, loaded.config)
    other = _other(loaded.tokenizer, trace, asked)
    if asked.times is None:
        return patch_row(asked.row, asked.positions, other)
    from mistral_core.analysis.intervening import direction

    last = word_span(trace.token_texts, asked.source)[1] - 1
    way = direction(loaded.model, _ids(trace), other, asked.row, last)
    return Add(row=asked.row, positions=asked.positions, vector=tuple(asked.times * number for number in way))


def _lent(asked: Sequence[Asked]) -> list[Lent]:
    return [one for one in asked if isinstance(one, Lent)]


def _other(tokenizer: Tokenizer, trace: Trace, lent: Lent) -> tuple[int, ...]:
    return with_word(tokenizer, _ids(trace), trace.token_texts, lent.source, lent.word)


def _ids(trace: Trace) -> tuple[int, ...]:
    return tuple(int(token) for token in trace.token_ids)
