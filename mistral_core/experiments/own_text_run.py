"""Compresses a reader's text with models and with general programs, and decodes it again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mistral_core.analysis.progress import Report, part_of
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.experiments.coding import decode, encode
from mistral_core.experiments.compression_run import PROGRAMS, decoder_bytes
from mistral_core.experiments.models import Load
from mistral_core.experiments.own_text import Code, Compressed, checked, difference, noticed

BEGINS = 48
"""Bytes of a code that are shown."""


def compress(load: Load, text: str, names: Sequence[str], report: Report) -> Compressed:
    """Compresses a text by these models and by gzip, xz and zstd; each code is decoded, and compared with the text.

    Args:
        load: a model by its name; `None` = it is not there. report: hears how far it is, and may end it.

    Raises:
        ValueError: as `checked`, or no model could code the text.
    """
    started = time.perf_counter()
    plain = checked(text).encode()
    codes, hashes, notices, refused = list[Code](), dict[str, str](), noticed(text), list[str]()
    for done, name in enumerate(names):
        loaded = load(name)
        try:
            if loaded is None:
                raise ValueError(f"{name} is not there; `make {name}` or the repository brings it")
            codes.append(by_model(loaded, text, part_of(report, done, len(names), f"{{}} with {name}")))
        except ValueError as error:  # another model may still be able to
            refused.append(str(error))
            continue
        hashes[name] = loaded.model_hash
    if not codes:
        raise ValueError("; ".join(refused))
    return Compressed(
        characters=len(text),
        size=len(plain),
        models=tuple(codes),
        programs=tuple(by_program(name, plain) for name in PROGRAMS),
        hashes=hashes,
        notices=(*notices, *(said for code in codes if (said := shorter_than_asked(code))), *refused),
        seconds=round(time.perf_counter() - started, 2),
    )


def by_model(loaded: LoadedModel, text: str, report: Report) -> Code:
    """One model's code of the text, decoded again by the same model from its beginning.

    Raises:
        ValueError: the text is longer than what the model was trained on, or holds what its vocabulary cannot spell.
    """
    tokens, most = len(loaded.tokenizer.encode(text)), loaded.trained_context
    if most is not None and tokens > most and loaded.config.exact_reach() is None:
        raise ValueError(
            f"{loaded.name} reads {tokens:,} tokens in it and was trained on at most {most:,}; give a shorter text"
        )
    coded = encode(loaded.model, loaded.tokenizer, [text], part_of(report, 0, 2))
    (again,) = decode(loaded.model, loaded.tokenizer, coded, part_of(report, 1, 2))
    return Code(
        by=loaded.name,
        nbytes=coded.nbytes,
        decoder=decoder_bytes(loaded),
        back=again == text,
        difference=difference(text, again),
        asked=coded.asked,
        bits=8 * coded.words.nbytes,
        tokens=coded.tokens,
        begins=coded.words.tobytes()[:BEGINS].hex(" "),
    )


def shorter_than_asked(code: Code) -> str:
    """Why a code has fewer bits than its model's probabilities ask for; "" where it has not."""
    if code.bits >= code.asked:
        return ""
    return (
        f"The code of {code.by} is shorter than its probabilities ask for: some tokens are all but impossible to it,"
        " and the coder, which rounds to 24 bits, gives none so little."
    )


def by_program(name: str, plain: bytes) -> Code:
    """The code of a general program, at its highest setting, decoded again."""
    to, back = PROGRAMS[name]
    code = to(plain)
    return Code(by=name, nbytes=len(code), decoder=0, back=back(code) == plain)
