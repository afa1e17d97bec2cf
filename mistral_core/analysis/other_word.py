"""The same text with another word in it, token for token: what a patch takes the activations of.

A word is a run of tokens of letters and digits; any other character stands alone, with all tokens that it is made of.
The word that takes its place must have as many tokens, so that every position means the same in both texts. It is cut
as it would be where it stands: with the space before it that the old one has. The rest of the text keeps its own
tokens, which a drawn text may have otherwise than a tokenizer would cut them.

Asks for no torch. Source: "corrupted" runs: Meng et al. 2022 (arXiv 2202.05262), Vig et al. 2020 (arXiv 2004.12265).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from mistral_core.analysis.interventions import Patch, Span
from mistral_core.config import brief
from mistral_core.tokenizer import Tokenizer


def word_span(texts: Sequence[str], position: int) -> Span:
    """The tokens of the word that a position belongs to.

    >>> word_span(["", "The", " eleph", "ant", " ran", "."], 3)
    (2, 4)

    Args:
        texts: what each token contributes to the text.

    Raises:
        ValueError: there is no such position.
    """
    if not 0 <= position < len(texts):
        raise ValueError(f"position {position} is not in the text; positions are 0 to {len(texts) - 1}")
    first, end = position, position + 1
    while first > 0 and _goes_on(texts, first):
        first -= 1
    while end < len(texts) and _goes_on(texts, end):
        end += 1
    return first, end


def with_word(
    tokenizer: Tokenizer, token_ids: Sequence[int], texts: Sequence[str], position: int, word: str
) -> tuple[int, ...]:
    """The tokens of a text with another word in the place of one.

    Args:
        texts: what each token contributes to the text. position: any of the word that is replaced.

    Raises:
        ValueError: no such position, no word, or one of another number of tokens.
    """
    first, end = word_span(texts, position)
    pieces = _cut(tokenizer, texts, (first, end), word.strip()) if word.strip() else []
    if len(pieces) != end - first:
        cut = "|".join(map(tokenizer.label, pieces)) or "nothing"
        old = "".join(texts[first:end]).strip() or tokenizer.label(token_ids[first])
        raise ValueError(
            f"{brief(word.strip())} is {cut}, {_tokens(len(pieces))}, and {brief(old)} at {first} is "
            f"{_tokens(end - first)}; both texts need the same number, so choose a word that is {_tokens(end - first)}"
        )
    return (*token_ids[:first], *pieces, *token_ids[end:])


def patch_row(row: int, positions: Span, token_ids: Sequence[int]) -> Patch:
    """The stream of another text at a row of the state grid (0 = embedding, `l` = after `l` layers).

    Raises:
        ValueError: as `Patch`.
    """
    hook, layer = ("hook_resid_post", row - 1) if row else ("hook_resid_pre", 0)
    return Patch(hook=hook, layers=(layer,), positions=positions, token_ids=tuple(token_ids))


def _goes_on(texts: Sequence[str], position: int) -> bool:
    """Whether a token belongs to the word of the one before it; one without text is inside a longer character."""
    before = texts[position - 1]
    if not before:
        return position > 1  # the first is the begin
    text = next((text for text in texts[position:] if text), "")
    return bool(text) and _in_word(before[-1]) and _in_word(text[0])


def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def _cut(tokenizer: Tokenizer, texts: Sequence[str], span: Span, word: str) -> list[int]:
    """The tokens of a word in the place of another one."""
    first, text = span[0], "".join(texts[slice(*span)])
    space = text[: len(text) - len(text.lstrip())]
    if not tokenizer.prefixes_space:
        return tokenizer.encode(space + word, bos=False)
    if space.startswith(" ") or not any(texts[:first]):  # a begin has the space that the tokenizer puts there
        return tokenizer.encode(space[1:] + word, bos=False)
    before = texts[first - 1].strip(" ")
    alone, both = tokenizer.encode(before, bos=False), tokenizer.encode(before + space + word, bos=False)
    if both[: len(alone)] != alone:
        raise ValueError(
            f"{brief(word)} makes one token with {brief(before)} before it; choose a word of the text that has a "
            f"space before it"
        )
    return both[len(alone) :]


def _tokens(count: int) -> str:
    return f"{count} token{'s' * (count != 1)}"
