"""A reader's own text, really compressed: what may be given, and what comes out. `own_text_run` does it, with torch."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mistral_core.experiments.finding import Table
from mistral_core.tokenizer import refuse_surrogates

MOST = 20_000
"""Characters of a text: some minutes of the bundled storyteller on one core."""
SMALL, LARGE = "storyteller", "smollm2"
"""The model that codes in seconds, and one that was fetched, if it was: it has more weights to read for each token."""
NAMED = 5
"""Characters that a sentence names."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """What one model or program made of the text.

    Attributes:
        by: its name. nbytes: of the code, and of what a decoder must know beside it.
        decoder: bytes of the files that the decoder needs; 0 = a program that every system has.
        back: whether it came back letter for letter; difference: the first place where not, in words.
        asked: bits that the model's probabilities ask for (the cross-entropy); bits: of its code, nothing beside it.
        tokens: that were coded. begins: of the code, hexadecimal.
    """

    by: str
    nbytes: int
    decoder: int
    back: bool
    difference: str = ""
    asked: float = math.nan
    bits: int = 0
    tokens: int = 0
    begins: str = ""


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A text as numbers, by models and by programs.

    Attributes:
        characters: of the text. size: bytes in UTF-8.
        models, programs: their codes. hashes: of the models, by name.
        notices: sentences on the text, and on models that could not code it.
        seconds: it took.
    """

    characters: int
    size: int
    models: tuple[Code, ...]
    programs: tuple[Code, ...]
    hashes: Mapping[str, str]
    notices: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what a program has not is null."""
        codes = [
            {**asdict(code), "asked": None if math.isnan(code.asked) else code.asked}
            for code in (*self.models, *self.programs)
        ]
        kept = {name: value for name, value in asdict(self).items() if name not in ("models", "programs", "notices")}
        return {**kept, "codes": codes, "notices": list(self.notices)}

    def table(self) -> Table:
        """A line for each model and program."""
        return Table(
            name="own text",
            title=f"The same {self.size:,} bytes, coded and decoded again",
            source="model",
            columns=(
                "coded by",
                "bytes",
                "bits per byte",
                "bytes with the decoder’s files",
                "bits that the probabilities ask for",
                "bits of the code",
                "came back",
            ),
            rows=tuple(
                (
                    code.by,
                    code.nbytes,
                    8 * code.nbytes / self.size,
                    code.nbytes + code.decoder,
                    None if math.isnan(code.asked) else code.asked,
                    code.bits or None,
                    "letter for letter" if code.back else code.difference,
                )
                for code in (*self.models, *self.programs)
            ),
        )


def checked(text: str) -> str:
    """A text that can be compressed.

    Raises:
        ValueError: empty, nothing but blanks, too long, or with half of a surrogate pair.
    """
    if not text:
        raise ValueError(f"there is no text; type or paste one of at most {MOST:,} characters")
    if not text.strip():
        raise ValueError(
            f"the text has {len(text):,} character{'s' if len(text) > 1 else ''} and all are blanks (spaces, line "
            "ends); give at least one that can be seen"
        )
    if len(text) > MOST:
        raise ValueError(
            f"the text has {len(text):,} characters; at most {MOST:,} are compressed, so leave out {len(text) - MOST:,}"
        )
    refuse_surrogates(text)
    return text


def noticed(text: str) -> list[str]:
    r"""What a reader may not see in a text, and what is done with it.

    >>> noticed("ab"), noticed("a\x00\x07b")
    ([], ['The text holds 2 control characters (U+0000, U+0007); they show nothing and are coded like all others.'])
    """
    hidden = [character for character in text if unicodedata.category(character) == "Cc" and character not in "\n\r\t"]
    if not hidden:
        return []
    names = sorted({f"U+{ord(character):04X}" for character in hidden})
    which = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    if len(hidden) == 1:
        return [f"The text holds a control character ({which}); it shows nothing and is coded like any other."]
    return [
        f"The text holds {len(hidden):,} control characters ({which}); they show nothing and are coded like all others."
    ]


def difference(text: str, again: str) -> str:
    """The first place where a text did not come back, in words; "" where it did.

    >>> difference("a b", "a b"), difference("a▁b", "a b"), difference("ab", "a")
    ('', 'character 2 was U+2581 and came back as U+0020', 'character 2 was U+0062 and did not come back')
    """
    if text == again:
        return ""
    at = next((at for at, (one, other) in enumerate(zip(text, again, strict=False)) if one != other), None)
    at = min(len(text), len(again)) if at is None else at
    if at == len(text):
        return f"it came back with {len(again) - at:,} characters more"
    came = f"came back as U+{ord(again[at]):04X}" if at < len(again) else "did not come back"
    return f"character {at + 1:,} was U+{ord(text[at]):04X} and {came}"
