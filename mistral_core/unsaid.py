"""Words that a text leaves unsaid: a few slurs, told by how a word begins, whatever its case and its ending.

The stories that the bundled models read were printed before 1929 and hold such words, so the models write them too.
`sampling` takes away the tokens that would complete one of them; nothing else about a text changes.

A word is a run of letters. Of a stem every word that begins with it is meant ("s-" before it makes another word), of
`WHOLE` the word alone. Both are compared without regard to case. A text that ends in a word of `WHOLE` holds it, though
letters might follow: so at no token of a text does a reader see one, and "niggard" is still written by the pieces
that do not pause there.

What is not on the list: words of which ordinary ones are made or that mean something else as well (chink, coon, Jap in
Japan, squaw in squawk, Injun in injunction, Sambo, savage, heathen, gypsy), coarse words, and what a text says
without any such word. It is no filter for what is true or kind.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Int

from mistral_core.tokenizer import StreamingDecoder, Tokenizer

STEMS = {
    "nigger": "the slur for black people in English, the most frequent one of the stories; German took it over",
    "neger": "the same in German: Neger, Negerin, Negerlein",
    "negro": "the older English word, an insult now; with Negroes and Negroid, and the place names that begin so",
    "negress": "of a woman",
    "darky": "of black people, as if it were fond",
    "darkie": "the same in other spellings: darkie, darkies",
    "darkey": "and darkeys",
    "pickaninn": "of black children: pickaninny, pickaninnies",
    "piccaninn": "the same in British spelling",
    "blackamoor": "of black people in old tales",
    "mulatt": "likens people to mules: mulatto; German Mulatte, Mulattin",
    "kaffir": "of black people in southern Africa",
    "kaffer": "the same in German and Dutch; the models spell it in English too, though no story does",
    "kaffre": "the same in older spelling",
    "hottentot": "of the Khoikhoi, made of mockery of their language; German Hottentotten",
    "kanake": "German, of people from the south of Europe and from Turkey (English Kanaka is none)",
    "chinaman": "of people from China",
    "chinamen": "of several",
    "coolie": "of workers from Asia",
    "redskin": "of the first peoples of America",
    "polack": "of people from Poland; German Polacke",
    "zigeuner": "German, of Sinti and Roma, as which they were persecuted",
}
"""The beginnings of words, lower-case, each with the reason why it stands here."""
WHOLE = {
    "nigga": "another spelling of the first stem; niggard begins with it and is no slur",
    "niggas": "of several",
    "kafir": "another spelling of kaffir; Kafiristan is a country",
    "kafirs": "of several",
    "caffre": "another spelling of kaffir; Caffrey is a name",
    "caffres": "of several",
    "caffer": "another one; Cafferty is a name",
    "caffers": "of several",
}
"""Words that are meant as they stand, because ordinary ones begin with them."""
_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"(?<!{_LETTER})(?:{'|'.join(STEMS)}|(?:{'|'.join(WHOLE)})(?!{_LETTER}))")
_HEAD, _TAIL = re.compile(rf"{_LETTER}*"), re.compile(rf"{_LETTER}*\Z")
_BREAK = re.compile(rb"[\x00-\x40\x5b-\x60\x7b-\x7f]")
"""A byte that is no part of a letter in UTF-8."""
_LONGEST = max(map(len, (*STEMS, *WHOLE)))


def holds_unsaid(text: str) -> bool:
    """Whether a text holds a word of the list.

    >>> holds_unsaid("Sniggering, a negative Nigerian in Montenegro was niggardly."), holds_unsaid("Mulattoes")
    (False, True)
    """
    return _WORD.search(text.casefold()) is not None


def list_fingerprint() -> str:
    """Names the list: texts that another one was applied to are other texts."""
    return hashlib.sha256(" ".join((*sorted(STEMS), "|", *sorted(WHOLE))).encode()).hexdigest()[:16]


class Unsaid:
    """Which tokens of a tokenizer would complete a word of the list, after any text.

    Most texts end in a word with which none of the list begins; then only tokens that hold a whole one are held
    back. What follows from the letters at the end is computed once for each beginning.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._after: dict[str, Int[np.ndarray, " held"]] = {}

    def held_back(self, ids: Sequence[int] | Int[np.ndarray, " tokens"]) -> Int[np.ndarray, " held"]:
        """Ids of the tokens that, put after the text of `ids`, would complete a word that was not complete before."""
        tail = self._tail(ids)
        if tail not in self._after:
            if tail in WHOLE or not any(word.startswith(tail) for word in (*STEMS, *WHOLE)):
                return self._inside
            self._after[tail] = np.union1d(self._inside, self._completing(tail))
        return self._after[tail]

    @cached_property
    def _texts(self) -> list[str]:
        return [self._tokenizer.text(token).casefold() for token in range(self._tokenizer.vocab_size)]

    @cached_property
    def _inside(self) -> Int[np.ndarray, " held"]:
        """Tokens that hold a word of the list behind something that is no letter, after whatever text."""
        found = (any(match.start() for match in _WORD.finditer(text)) for text in self._texts)
        return np.flatnonzero(np.fromiter(found, dtype=bool))

    @cached_property
    def _heads(self) -> dict[str, list[int]]:
        """Tokens by the letters that they begin with, as far as they do."""
        heads: dict[str, list[int]] = {}
        for token, text in enumerate(self._texts):
            if head := _HEAD.match(text)[0]:  # type: ignore[index]
                heads.setdefault(head, []).append(token)
        return heads

    def _completing(self, tail: str) -> Int[np.ndarray, " held"]:
        """Tokens whose first letters, put after these, make a word of the list."""
        ends = tuple(stem[len(tail) :] for stem in STEMS if stem.startswith(tail) and stem != tail)
        whole = {word[len(tail) :] for word in WHOLE if word.startswith(tail) and word != tail}
        found = [ids for head, ids in self._heads.items() if head in whole or head.startswith(ends)]
        return np.array(sorted(token for ids in found for token in ids), dtype=np.int64)

    def _tail(self, ids: Sequence[int] | Int[np.ndarray, " tokens"]) -> str:
        """The letters at the end of a text, or more of them than any word of the list has."""
        recent: list[int] = []
        size = 0
        for token in reversed(ids):
            recent.append(int(token))
            added = self._tokenizer.token_bytes(int(token))
            size += len(added)
            if size > 4 * _LONGEST + 4 or _BREAK.search(added):
                break
        decoder = StreamingDecoder(self._tokenizer, continuing=True)
        text = "".join(map(decoder.push, reversed(recent))) + decoder.flush()  # broken bytes are no letters
        return _TAIL.search(text.casefold())[0]  # type: ignore[index]


@lru_cache(maxsize=8)
def unsaid_of(tokenizer: Tokenizer) -> Unsaid:
    """The one `Unsaid` of a tokenizer."""
    return Unsaid(tokenizer)
