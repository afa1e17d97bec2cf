"""Vocabularies whose tokens are all spelled in bytes, behind the protocol of `tokenizer.py`.

Whatever cuts a text, each of its tokens has exact bytes, and the bytes of a text's tokens, joined, are exactly what
the model reads of it: `SpelledTokenizer` compares the two for every text that it cuts. Where a tokenizer rewrites
texts before it cuts them, it says so (`rewriting`), and `tokenizer.as_read` gives what it made of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from mistral_core.config import brief
from mistral_core.tokenizer import StreamingDecoder, refuse_surrogates, visible

_BRACKETS = ("<>", "[]", "{}", "||")


@runtime_checkable
class Cut(Protocol):
    """How a text becomes tokens. `first` = the text begins everything; else a control token stands before it."""

    def ids(self, text: str, first: bool) -> list[int]:
        """Ids of the tokens."""

    def reads(self, text: str, first: bool) -> str:
        """What these tokens must join to: the text with what is put before it, rewritten where it is."""


class SpelledTokenizer:
    """Tokens with their bytes, and a way to cut texts, behind the protocol.

    Names of control tokens in a typed text are text, never control; only ids bring one in.

    Args:
        path: the file that it comes from, for messages.
        names: how the file writes each token, by id. spelled: its bytes, none for a control token.
        control: ids of tokens that are no text, by name. cut: how a text becomes tokens.
        marks: ids of further tokens that no typed text becomes, by name; they are text where a model writes them.
        adds_bos: whether a text begins with the begin token, as the model was trained.
        strips_prefix: whether a space stands before the first word, which is not of the text.
        rewriting: a sentence on what becomes of a text before it is cut; "" = nothing.

    Raises:
        ValueError: a begin or end token outside the vocabulary.
    """

    def __init__(
        self,
        path: Path,
        *,
        names: Sequence[str],
        spelled: Sequence[bytes],
        control: Mapping[str, int],
        cut: Cut,
        bos_id: int,
        eos_id: int,
        adds_bos: bool,
        strips_prefix: bool = False,
        rewriting: str = "",
        marks: Mapping[str, int] | None = None,
    ) -> None:
        refuse_outside(path, len(names), bos_id, eos_id)
        self.path, self.rewriting = path, rewriting
        self.named = {**control, **(marks or {})}
        self._bos, self._eos, self._adds_bos, self._strips_prefix = bos_id, eos_id, adds_bos, strips_prefix
        self._names, self._bytes, self._cut = tuple(names), tuple(spelled), cut
        self._control_ids = frozenset(control.values())
        self._missing = frozenset(range(256)) - {token[0] for token in self._bytes if len(token) == 1}

    @property
    def vocab_size(self) -> int:
        """Number of tokens, control tokens included."""
        return len(self._names)

    @property
    def bos_id(self) -> int:
        """Id of the token that begins a text, where the model wants one."""
        return self._bos

    @property
    def eos_id(self) -> int:
        """Id of the token that ends a text."""
        return self._eos

    @property
    def prefixes_space(self) -> bool:
        """Whether a text's first word is encoded as one in mid-text is, with a space before it."""
        return self._strips_prefix

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of `text`; names of control tokens in it are ordinary text.

        The begin token comes first only where the model was trained so, and before an empty text, which has to begin
        with something.

        Raises:
            ValueError: `text` holds half of a surrogate pair, which no UTF-8 file can, or a character that the
                vocabulary cannot spell.
        """
        ids = self._ids(text, first=True)
        begins = bos and (self._adds_bos or not ids)
        return [self._bos] * begins + ids + [self._eos] * eos

    def encode_after_control(self, text: str) -> list[int]:
        """Token ids of a text behind a control token; with a space before it only where the file says so.

        Raises:
            ValueError: as `encode`.
        """
        return self._ids(text, first=False)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        decoder = StreamingDecoder(self)
        return "".join([*(decoder.push(token_id) for token_id in ids), decoder.flush()])

    def token_bytes(self, token_id: int, first: bool = False) -> bytes:
        """UTF-8 bytes that a token adds to a text; none for a control token.

        Args:
            token_id: a token of the vocabulary.
            first: whether nothing is written yet; then the space before a first word is dropped.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        added = self._bytes[self._check(token_id)]
        return added.removeprefix(b" ") if first and self._strips_prefix else added

    def text(self, token_id: int) -> str:
        """Exact text of a token in mid-text: with its leading space; "" for a control token."""
        return self.token_bytes(token_id).decode("utf-8", errors="replace")

    def label(self, token_id: int) -> str:
        """Printable form of a token, as `SentencePieceTokenizer.label`; `<0xE2>` for each byte of a part."""
        token_id = self._check(token_id)
        if token_id in self._control_ids:
            return self._names[token_id]
        try:
            word = self._bytes[token_id].decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in self._bytes[token_id])
        return visible(word.removeprefix(" ") if word.strip(" ") else word)

    def _ids(self, text: str, first: bool) -> list[int]:
        """Tokens of a text, whose bytes were compared with it."""
        refuse_surrogates(text)
        read = self._cut.reads(text, first)
        spelled = read.encode()
        if self._missing and (lacking := self._missing & {*spelled}):
            character = next(c for c in read if lacking & {*c.encode()})
            raise ValueError(f"the vocabulary has no token for a byte of U+{ord(character):04X}; remove this character")
        ids = self._cut.ids(text, first)
        got = b"".join(self._bytes[token_id] for token_id in ids)
        if got != spelled:
            at = next((at for at, (mine, its) in enumerate(zip(got, spelled, strict=False)) if mine != its), len(got))
            raise ValueError(
                f"{self.path} cuts this text into tokens that say {brief(got[at : at + 12])} from byte {at} on, where "
                f"the text has {brief(spelled[at : at + 12])}; remove this part of the text"
            )
        return ids

    def _check(self, token_id: int) -> int:
        if not 0 <= token_id < len(self._names):
            raise ValueError(f"token id {token_id} is not in the vocabulary; ids are 0 to {len(self._names) - 1}")
        return int(token_id)


def is_mark(name: str) -> bool:
    """Whether a token's name stands in brackets, as "<|im_start|>" and "[INST]" do, and not a word or spaces.

    Such tokens are never found in a typed text: who types their name means the name.
    """
    return len(name) > 2 and name[0] + name[-1] in _BRACKETS


def refuse_outside(path: Path, count: int, bos_id: int, eos_id: int) -> None:
    """Refuses begin and end tokens that are none of a vocabulary's.

    Raises:
        ValueError: one of the two is not 0 to `count - 1`.
    """
    for name, value in (("begin", bos_id), ("end", eos_id)):
        if not 0 <= value < count:
            raise ValueError(f"{path} has the {name} token {brief(value)}; ids are 0 to {count - 1}")
