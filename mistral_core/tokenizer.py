"""Text to token numbers and back: a small protocol, its SentencePiece form, and streaming.

Three views of a token, never mixed: its **bytes** (what it adds to a text), its **text** (those
bytes read alone) and its **label** (what a chip on screen shows). A character such as an emoji
may be spread over several byte tokens, so a text that grows is decoded by `StreamingDecoder`,
which holds bytes back until the character is complete.

SentencePiece writes a space as U+2581 and puts one before the first word (the dummy prefix),
which decoding takes away again. Therefore a literal U+2581 in a user's text comes back as a
space: the two are the same to the tokenizer.

Source: Kudo and Richardson, "SentencePiece" (arXiv 1808.06226); byte order of invalid sequences
as in its `SentencePieceProcessor::Decode` (one U+FFFD for each byte that starts no character).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import sentencepiece

SPACE_PIECE = "\u2581"
REPLACEMENT = "\ufffd"
_LABELS = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"}
_IGNORABLE = (
    range(0x034F, 0x0350), range(0x115F, 0x1161), range(0x17B4, 0x17B6), range(0x180B, 0x1810), range(0x3164, 0x3165),
    range(0xFE00, 0xFE10), range(0xFFA0, 0xFFA1), range(0xE0000, 0xE1000),
)  # fmt: skip
"""Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, beyond the categories of `_is_blank`."""
_BLANK = "\u2800\ufffc\U00013441\U00013442\U00016fe4\U0001d159"
"""Others whose glyph is empty: braille blank, object replacement, hieroglyphic blanks, filler, null notehead."""


_SURROGATES, _SPACES = range(0xD800, 0xE000), (0x20, ord(SPACE_PIECE))
_FIRST_PLANE = "".join(chr(code) for code in range(1, 0x10000) if code not in _SURROGATES and code not in _SPACES)


@runtime_checkable
class Tokenizer(Protocol):
    """What the rest of the program needs of a tokenizer. Token ids are 0 to `vocab_size - 1`."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def bos_id(self) -> int: ...

    @property
    def eos_id(self) -> int: ...

    @property
    def prefixes_space(self) -> bool:
        """Whether a text's first word is encoded as one in mid-text is, with a space before it."""

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of `text`, with the begin and end tokens where asked for."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a whole sequence; control tokens are invisible."""

    def token_bytes(self, token_id: int, first: bool = False) -> bytes:
        """UTF-8 bytes that a token adds; `first` = nothing is written yet (no dummy prefix)."""

    def text(self, token_id: int) -> str:
        """Exact text of a token in mid-text; U+FFFD for a byte that is no character by itself."""

    def label(self, token_id: int) -> str:
        """Printable form for a chip; not unique (see `SentencePieceTokenizer.label`)."""

    def __hash__(self) -> int:
        """Two that are equal are the same one: what is computed of a tokenizer is kept for it."""


class SentencePieceTokenizer:
    """A `tokenizer.model` behind the protocol.

    Names of control tokens in a typed text are text, never control: "<s>", and in the files of Mistral's
    instruct models from v2 on also "[INST]" and its like, are cut into pieces as any other word. Only ids bring a
    control token in; `named` has them. (Pieces that the file calls user-defined are text and are found.)

    Args:
        path: the SentencePiece model file, or the file that `model` was made from.
        model: the serialized model, where no file holds it alone.
        adds_bos: whether a text begins with the begin token, as the model was trained.

    Raises:
        ValueError: the file is missing, is not a SentencePiece model, lacks a begin or end token, or
            does not give a text back as it was typed (repeated spaces, characters that it normalises).
    """

    def __init__(self, path: str | Path, model: bytes | None = None, adds_bos: bool = True) -> None:
        self.path, self.is_file, self._adds_bos = Path(path), model is None, adds_bos
        self._processor = _open(self.path, model)
        count = self._processor.get_piece_size()
        ids = list(range(count))
        self._pieces: list[str] = self._processor.id_to_piece(ids)
        self._is_byte: list[bool] = self._processor.is_byte(ids)
        self._is_control: list[bool] = self._processor.is_control(ids)
        self.named = {self._pieces[token_id]: token_id for token_id in ids if self._is_control[token_id]}
        self._unknown: int = self._processor.unk_id()
        self._strips_prefix = self._probe_prefix()
        for name, value in (("begin", self.bos_id), ("end", self.eos_id)):
            if not 0 <= value < count:
                raise ValueError(f"{self.path} has no {name} token (its id is {value}); Mistral needs <s> and </s>")
        if self._processor.decode(self._processor.encode("a  b")) != "a  b":
            raise ValueError(
                f"{self.path} does not keep repeated spaces, so a text would not come back as it was typed; "
                f"Mistral's tokenizers keep them (remove_extra_whitespaces is false)"
            )
        self._refuse_rewriting()

    @property
    def vocab_size(self) -> int:
        """Number of pieces, control and byte tokens included."""
        return len(self._pieces)

    @property
    def bos_id(self) -> int:
        """Id of `<s>`, which begins a text."""
        return int(self._processor.bos_id())

    @property
    def eos_id(self) -> int:
        """Id of `</s>`, which ends a text."""
        return int(self._processor.eos_id())

    @property
    def prefixes_space(self) -> bool:
        """Whether a text's first word is encoded as one in mid-text is: SentencePiece puts a space before it."""
        return self._strips_prefix

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of `text`; names of control tokens in it ("<s>", "[INST]") are ordinary text.

        Raises:
            ValueError: `text` holds half of a surrogate pair, which no UTF-8 file can.
        """
        refuse_surrogates(text)
        ids: list[int] = self._processor.encode(text)
        begins = bos and (self._adds_bos or not ids)
        return [self.bos_id] * begins + ids + [self.eos_id] * eos

    def encode_after_control(self, text: str) -> list[int]:
        """Token ids of a text behind a control token, where its first word has the dummy prefix too.

        A space that begins the text is that prefix: "[INST] Hello" and "[INST]Hello" read the same, which is how
        mistral-common cuts the messages of v1 to v3.

        Raises:
            ValueError: as `encode`.
        """
        if not (self._strips_prefix and text.startswith(" ")):
            return self.encode(text, bos=False)
        return self.encode(text[1:], bos=False) or [int(self._processor.piece_to_id(SPACE_PIECE))]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        return str(self._processor.decode([self._check(token_id) for token_id in ids]))

    def token_bytes(self, token_id: int, first: bool = False) -> bytes:
        """UTF-8 bytes that a token adds to a text.

        Args:
            token_id: a token of the vocabulary.
            first: whether nothing is written yet; then the dummy prefix is dropped.

        Returns:
            The bytes; none for a control token.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        token_id = self._check(token_id)
        piece = self._pieces[token_id]
        if self._is_byte[token_id]:
            return bytes([int(piece[3:5], 16)])
        if self._is_control[token_id]:
            return b""
        if token_id == self._unknown:
            return str(self._processor.decode([token_id])).encode()
        if first and self._strips_prefix:
            piece = piece.removeprefix(SPACE_PIECE)
        return piece.replace(SPACE_PIECE, " ").encode()

    def text(self, token_id: int) -> str:
        """Exact text of a token in mid-text: with its leading space; "" for a control token."""
        return self.token_bytes(token_id).decode("utf-8", errors="replace")

    def label(self, token_id: int) -> str:
        """Printable form of a token.

        One leading space is dropped, as chips stand apart anyway ("upon" for " upon"; `text` keeps
        it), so two tokens may share a label. Whatever would be invisible has a sign: "␣" a space
        that is the whole token or a further one, "↵" a newline, `<0xE2>` a byte, `<s>` a control token,
        `<U+0301>` an accent without a letter or a character that shows nothing.
        """
        token_id = self._check(token_id)
        piece = self._pieces[token_id]
        if self._is_byte[token_id] or self._is_control[token_id] or token_id == self._unknown:
            return piece
        word = piece.replace(SPACE_PIECE, " ")
        if word.strip(" "):
            word = word.removeprefix(" ")
        return visible(word)

    def _refuse_rewriting(self) -> None:
        """Refuses a model whose normaliser changes any character of the first plane; 2 ms for all of them."""
        plain = self._processor.normalize(_FIRST_PLANE).replace(SPACE_PIECE, "")
        if plain == _FIRST_PLANE:
            return
        normalize = self._processor.normalize
        changed = next((c for c in _FIRST_PLANE if normalize(c).replace(SPACE_PIECE, "") != c), "\n")
        raise ValueError(
            f"{self.path} rewrites U+{ord(changed):04X} and perhaps others, so a text would not come back as it was "
            f"typed; Mistral's tokenizers rewrite nothing (their normalization_rule_name is identity)"
        )

    def _check(self, token_id: int) -> int:
        if not 0 <= token_id < len(self._pieces):
            raise ValueError(f"token id {token_id} is not in the vocabulary; ids are 0 to {len(self._pieces) - 1}")
        return int(token_id)

    def _probe_prefix(self) -> bool:
        """Whether decoding takes the space before the first word away; models without it exist.

        Any piece that begins with a space tells, be it nothing but spaces: the first one is dropped or it is not.
        """
        for token_id, piece in enumerate(self._pieces):
            if piece.startswith(SPACE_PIECE) and not self._is_control[token_id]:
                return str(self._processor.decode([token_id])) != piece.replace(SPACE_PIECE, " ")
        return False


def _open(path: Path, model: bytes | None) -> sentencepiece.SentencePieceProcessor:
    if not path.is_file():
        raise ValueError(f"there is no tokenizer at {path}; a model folder needs one, or a tokenizer.json")
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.load_from_serialized_proto(path.read_bytes() if model is None else model)
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a SentencePiece model; copy it again from its source") from error
    if not processor.get_piece_size():
        raise ValueError(f"{path} is an empty SentencePiece model; copy it again from its source")
    return processor


def refuse_surrogates(text: str) -> None:
    """A text that no UTF-8 file can hold has no tokens.

    Raises:
        ValueError: it holds half of a surrogate pair.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise ValueError(
            f"character {error.start} of the text is U+{ord(half):04X}, half of a surrogate pair; remove it"
        ) from error


@lru_cache(maxsize=65536)
def visible(word: str) -> str:
    """The word with a sign for each character that shows nothing, or only together with the one before it."""
    signs, base = [], False
    for character in word:
        mark = unicodedata.category(character).startswith("M")
        shown = character != " " and character not in _LABELS and not _is_blank(character) and (base or not mark)
        signs.append(character if shown else _LABELS.get(character, f"<U+{ord(character):04X}>"))
        base = shown
    return "".join(signs)


def _is_blank(character: str) -> bool:
    """Whether a character alone leaves no ink: controls, formats, separators, unassigned and ignorable ones, blanks."""
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}:
        return True
    return any(ord(character) in span for span in _IGNORABLE) or character in _BLANK


class StreamingDecoder:
    """Decodes a text that grows token by token; what it has returned never changes.

    All pushes and the final `flush`, joined, equal `decode` of all tokens.

    Args:
        tokenizer: of the tokens.
        continuing: whether the tokens continue a text that is already there; then the first
            one keeps its leading space.
    """

    def __init__(self, tokenizer: Tokenizer, continuing: bool = False) -> None:
        self._tokenizer = tokenizer
        self._at_start = not continuing
        self._pending = b""

    def push(self, token_id: int) -> str:
        """The text that is certain now that `token_id` follows; "" inside a character."""
        added = self._tokenizer.token_bytes(token_id)
        if not added:  # a control token: bytes do not join across it
            return self.flush()
        if self._at_start:
            added, self._at_start = self._tokenizer.token_bytes(token_id, first=True), False
        text, self._pending = decode_bytes(self._pending + added, final=False)
        return text

    def flush(self) -> str:
        """What was held back, as `decode` would show a text that ends here."""
        text, self._pending = decode_bytes(self._pending, final=True)
        return text


def decode_bytes(data: bytes, final: bool) -> tuple[str, bytes]:
    """Characters of `data`, U+FFFD for each byte that starts none, and an unfinished rest."""
    if data.isascii():
        return data.decode("ascii"), b""
    text, start = [], 0
    while start < len(data):
        width = _width(data[start])
        part = data[start : start + width]
        if not final and len(part) < width and all(byte & 0xC0 == 0x80 for byte in part[1:]):
            break
        try:
            text.append(part.decode("utf-8"))
            start += width
        except UnicodeDecodeError:
            text.append(REPLACEMENT)
            start += 1
    return "".join(text), data[start:]


def _width(lead: int) -> int:
    """Bytes of the UTF-8 character that begins with `lead` (1 where none can)."""
    if 0xC2 <= lead <= 0xDF:
        return 2
    if 0xE0 <= lead <= 0xEF:
        return 3
    return 4 if 0xF0 <= lead <= 0xF4 else 1


def token_texts(tokenizer: Tokenizer, ids: Iterable[int]) -> tuple[list[str], list[str]]:
    """What each token of a text contributes, and its label.

    Returns:
        texts: joined, they are `decode(ids)`; "" for a token inside a longer character, which the
            completing token carries whole; bytes that never complete go to the token that shows it.
        labels: printable form of each.
    """
    decoder = StreamingDecoder(tokenizer)
    ids = list(ids)
    texts = [decoder.push(token_id) for token_id in ids]
    if texts:
        texts[-1] += decoder.flush()
    return texts, [tokenizer.label(token_id) for token_id in ids]


def as_read(tokenizer: Tokenizer, text: str) -> str:
    """What the model reads of a typed text: the text itself, unless its tokenizer rewrites texts.

    Raises:
        ValueError: as `encode`.
    """
    return tokenizer.decode(tokenizer.encode(text, bos=False))


def single_token(tokenizer: Tokenizer, word: str) -> int:
    """The token of a word in mid-text.

    Raises:
        ValueError: the word is empty or has several pieces.
    """
    in_text = word.strip() if tokenizer.prefixes_space else f" {word.strip()}"
    ids = tokenizer.encode(in_text, bos=False) if word.strip() else []
    if len(ids) != 1:
        pieces = "|".join(map(tokenizer.label, ids)) or "nothing"
        raise ValueError(f"{word!r} is {pieces}, {len(ids)} tokens; choose a word that is one token")
    return ids[0]
