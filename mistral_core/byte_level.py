"""Byte-level BPE behind the protocol of `tokenizer.py`: the tokenizer of GPT-2, Llama 3 and SmolLM2.

A text is cut into words, numbers and signs, each piece is spelled in bytes, and neighbouring pieces are merged in the
order in which training found them to be frequent. A byte is a token too, so a text comes back as it was typed; a few
vocabularies lack bytes that training never met, and a text with one of those is refused. Bytes are written as letters
in the vocabulary: a space is "Ġ".

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2; the letters for bytes
as in GPT-2's `encoder.py`. The merging is that of the `tokenizers` library.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mistral_core.config import brief
from mistral_core.spelled import SpelledTokenizer, is_mark, refuse_outside

_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"smollm": None, "gpt-2": None, "llama-bpe": _LLAMA_3, "tekken": _TEKKEN}
"""How a text is cut before merging, by the names that GGUF files use: as GPT-2 does, SmolLM with each digit alone, or
by a pattern, as Llama 3 and Mistral since Nemo do; then a word that is a token is not merged but taken."""


def letters_of_bytes() -> dict[int, str]:
    """The letter that stands for each byte in a vocabulary: itself where that shows, else one from U+0100 on.

    >>> letters = letters_of_bytes()
    >>> letters[ord("A")], letters[ord(" ")], len(set(letters.values()))
    ('A', 'Ġ', 256)
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = (byte for byte in range(256) if byte not in shown)
    return {byte: chr(byte) for byte in shown} | {byte: chr(0x100 + index) for index, byte in enumerate(hidden)}


_BYTE_OF = {letter: byte for byte, letter in letters_of_bytes().items()}


def bytes_of_letters(path: Path, token_id: int, token: str) -> bytes:
    """The bytes of a token that is written in their letters.

    Raises:
        ValueError: a letter that stands for no byte.
    """
    try:
        return bytes(_BYTE_OF[letter] for letter in token)
    except KeyError as error:
        raise ValueError(
            f"{path} spells token {token_id} as {token[:40]!r}, and {error.args[0]!r} stands for no byte; "
            f"this is no byte-level vocabulary"
        ) from error


class ByteLevelTokenizer(SpelledTokenizer):
    """A vocabulary with merges behind the protocol.

    Args:
        path: the file that it comes from, for messages.
        tokens: spelled in letters of bytes, by id. merges: pairs "left right", the first merged first.
        control: ids of tokens that are no text. pre: one of `PATTERNS`.
        user_defined: ids of tokens that are text as it is, found before a text is cut; but marks are not (`is_mark`).
        adds_bos: whether a text begins with the begin token, as the model was trained.

    Raises:
        ValueError: an unknown `pre`, tokens that are not bytes or occur twice, merges of what is no token, or a begin
            or end token outside the vocabulary.
    """

    def __init__(
        self,
        path: Path,
        *,
        tokens: Sequence[str],
        merges: Sequence[str],
        control: Sequence[int],
        pre: str,
        bos_id: int,
        eos_id: int,
        adds_bos: bool,
        user_defined: Sequence[int] = (),
    ) -> None:
        if pre not in PATTERNS:
            raise ValueError(f"{path} cuts texts as {brief(pre)} does; known are {', '.join(PATTERNS)}")
        refuse_outside(path, len(tokens), bos_id, eos_id)
        literal = {**dict.fromkeys(user_defined, True), **dict.fromkeys(control, False)}
        marks = {tokens[token_id]: token_id for token_id in user_defined if is_mark(tokens[token_id])}
        found = [tokens[token_id] for token_id in user_defined if tokens[token_id] not in marks]
        super().__init__(
            path,
            names=tokens,
            spelled=[
                token.encode() * literal[index] if index in literal else bytes_of_letters(path, index, token)
                for index, token in enumerate(tokens)
            ],
            control={tokens[token_id]: token_id for token_id in control},
            marks=marks,
            cut=_Merging(path, tokens, merges, pre, {*control, *marks.values()}, found),
            bos_id=bos_id,
            eos_id=eos_id,
            adds_bos=adds_bos,
        )


class _Merging:
    """The library's own tokenizer over a vocabulary; it rewrites nothing and puts nothing before a text."""

    def __init__(
        self,
        path: Path,
        tokens: Sequence[str],
        merges: Sequence[str],
        pre: str,
        unreachable: set[int],
        found: Sequence[str],
    ) -> None:
        import tokenizers
        from tokenizers import AddedToken, models

        ids = {token: index for index, token in enumerate(tokens)}
        if len(ids) < len(tokens):
            raise ValueError(f"{path} has {len(tokens) - len(ids)} tokens twice; copy it again from its source")
        pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
        if bad := next((pair for pair in pairs if not {*pair, "".join(pair)} <= ids.keys()), None):
            raise ValueError(f"{path} merges {' '.join(bad)[:60]!r}, which is no pair of tokens that makes a token")
        names = {tokens[index] for index in unreachable}
        pairs = [pair for pair in pairs if not {*pair, "".join(pair)} & names]
        ids = {f" {index}" if index in unreachable else token: index for token, index in ids.items()}
        merging: Any = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=pairs, ignore_merges=bool(PATTERNS[pre])))
        merging.pre_tokenizer = _words(pre)
        merging.add_tokens([AddedToken(name, normalized=False) for name in found])
        self._merging = merging

    def ids(self, text: str, first: bool) -> list[int]:
        return list(self._merging.encode(text, add_special_tokens=False).ids)

    def reads(self, text: str, first: bool) -> str:
        return text


def _words(pre: str) -> Any:
    """The library's cut of a text into words, spelled in letters of bytes."""
    from tokenizers import Regex, pre_tokenizers

    cuts: list[Any]
    if pattern := PATTERNS[pre]:
        cuts = [pre_tokenizers.Split(Regex(pattern), "isolated")]
    else:
        cuts = [pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)])
