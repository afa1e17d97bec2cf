"""Are the tokens of a text those that encoding it gives? Where not, which stand in their place.

A tokenizer cuts every text in one way. A model that writes draws token after token, and may spell the same letters
with other ones: "ing" as "in" and "g". The letters are the same, and whoever reads the text again (from a file, in a
conversation) gets the tokenizer's own cut: other ids, other positions, other states. Where the two cuts meet at the
same letter the text is alike again; between such letters lies a place that differs.

Left out at the end: a control token and what follows it, and bytes of a character that is not complete.

Source: marginalising over the cuts of a text: Cao & Rimell 2021 (arXiv 2109.02550).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mistral_core.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Place:
    """Letters that are cut otherwise: written tokens `[start, stop)`, and `[again_start, again_stop)` of the encoding.

    Positions count the begin token, if there is one.
    """

    start: int
    stop: int
    again_start: int
    again_stop: int


@dataclass(frozen=True, kw_only=True)
class Reencoded:
    """A text as it was written, and as it is encoded.

    Attributes:
        written: ids that are compared; again: those of the encoding, with the same begin token.
        size: bytes of the text. places: where they differ, in the order of the text.
        left_out: written tokens at the end that are not compared. why: the reason; "" if there are none.
    """

    written: tuple[int, ...]
    again: tuple[int, ...]
    size: int
    places: tuple[Place, ...]
    left_out: int
    why: str

    @property
    def differing(self) -> int:
        """Written tokens that the encoding does not have there."""
        return sum(place.stop - place.start for place in self.places)


def reencoded(tokenizer: Tokenizer, token_ids: Sequence[int]) -> Reencoded:
    """Encodes the letters of a text anew, and lays both cuts beside each other.

    Raises:
        ValueError: no letter before the first control token, or a tokenizer that rewrites this text.
    """
    ids = list(token_ids)
    begin = 1 if ids[:1] == [tokenizer.bos_id] else 0
    pieces = [tokenizer.token_bytes(one, first=index == begin) for index, one in enumerate(ids)]
    control = next((i for i in range(begin, len(ids)) if not tokenizer.token_bytes(ids[i])), len(ids))
    stop, why = control, "a control token is no letter of a text" if control < len(ids) else ""
    try:
        b"".join(pieces[:stop]).decode("utf-8")
    except UnicodeDecodeError as error:
        ends = list(accumulate(len(piece) for piece in pieces[:stop]))
        stop = next(i for i, end in enumerate(ends) if end > error.start)
        why = "their bytes are no complete character"
    data = b"".join(pieces[:stop])
    if not data:
        raise ValueError(
            "this text begins with control tokens, as a conversation does; there is nothing to encode anew"
        )
    again = [*ids[:begin], *tokenizer.encode(data.decode("utf-8"), bos=False)]
    other = [tokenizer.token_bytes(one, first=index == begin) for index, one in enumerate(again)]
    if b"".join(other) != data:
        raise ValueError("this tokenizer rewrites the text before it cuts it, so both cuts are of other letters")
    return Reencoded(
        written=tuple(ids[:stop]),
        again=tuple(again),
        size=len(data),
        places=tuple(_places(ids[:stop], pieces[:stop], again, other)),
        left_out=len(ids) - stop,
        why=why,
    )


def _places(
    written: Sequence[int], pieces: Sequence[bytes], again: Sequence[int], other: Sequence[bytes]
) -> list[Place]:
    """What lies between letters at which both cuts have a token's end."""
    places: list[Place] = []
    i = j = 0
    while i < len(written) and j < len(again):
        first, second = i, j
        left, right = len(pieces[i]), len(other[j])
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left, i = left + len(pieces[i]), i + 1
            else:
                right, j = right + len(other[j]), j + 1
        if list(written[first:i]) == list(again[second:j]):
            continue
        if places and (places[-1].stop, places[-1].again_stop) == (first, second):
            first, second = places[-1].start, places.pop().again_start
        places.append(Place(start=first, stop=i, again_start=second, again_stop=j))
    return places
