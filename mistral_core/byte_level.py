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
from mistral_core.tokenizer import StreamingDecoder, refuse_surrogates, visible

PRE_TOKENIZERS = ("smollm", "gpt-2")
"""How a text is cut before merging, by the names that GGUF files use: as GPT-2 does, SmolLM with each digit alone."""


def letters_of_bytes() -> dict[int, str]:
    """The letter that stands for each byte in a vocabulary: itself where that shows, else one from U+0100 on.

    >>> letters = letters_of_bytes()
    >>> letters[ord("A")], letters[ord(" ")], len(set(letters.values()))
    ('A', 'Ġ', 256)
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = (byte for byte in range(256) if byte not in shown)
    return {byte: chr(byte) for byte in shown} | {byte: chr(0x100 + index) for index, byte in enumerate(hidden)}


class ByteLevelTokenizer:
    """A vocabulary with merges behind the protocol.

    Args:
        path: the file that it comes from, for messages.
        tokens: spelled in letters of bytes, by id. merges: pairs "left right", the first merged first.
        control: ids of tokens that are no text. pre: one of `PRE_TOKENIZERS`.
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
    ) -> None:
        self.path = path
        if pre not in PRE_TOKENIZERS:
            raise ValueError(f"{path} cuts texts as {brief(pre)} does; known are {', '.join(PRE_TOKENIZERS)}")
        for name, value in (("begin", bos_id), ("end", eos_id)):
            if not 0 <= value < len(tokens):
                raise ValueError(f"{path} has the {name} token {brief(value)}; ids are 0 to {len(tokens) - 1}")
        self._bos, self._eos, self._adds_bos = bos_id, eos_id, adds_bos
        self._tokens = tuple(tokens)
        self._control = frozenset(control)
        self._bytes = self._spelled()
        self._missing = frozenset(range(256)) - {spelled[0] for spelled in self._bytes if len(spelled) == 1}
        self._merging = _merging(path, self._tokens, merges, pre)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, control tokens included."""
        return len(self._tokens)

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
        """Whether a text's first word is encoded as one in mid-text is: here never."""
        return False

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of `text`; names of control tokens in it are ordinary text.

        The begin token comes first only where the model was trained so, and before an empty text, which has to begin
        with something.

        Raises:
            ValueError: `text` holds half of a surrogate pair, which no UTF-8 file can.
        """
        refuse_surrogates(text)
        if self._missing and (lacking := self._missing & {*text.encode()}):
            character = next(c for c in text if lacking & {*c.encode()})
            raise ValueError(f"the vocabulary has no token for a byte of U+{ord(character):04X}; remove this character")
        ids: list[int] = self._merging.encode(text, add_special_tokens=False).ids
        begins = bos and (self._adds_bos or not ids)
        return [self._bos] * begins + ids + [self._eos] * eos

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        decoder = StreamingDecoder(self)
        return "".join([*(decoder.push(token_id) for token_id in ids), decoder.flush()])

    def token_bytes(self, token_id: int, first: bool = False) -> bytes:
        """UTF-8 bytes that a token adds to a text, wherever it stands; none for a control token.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        return self._bytes[self._check(token_id)]

    def text(self, token_id: int) -> str:
        """Exact text of a token in mid-text: with its leading space; "" for a control token."""
        return self.token_bytes(token_id).decode("utf-8", errors="replace")

    def label(self, token_id: int) -> str:
        """Printable form of a token, as `SentencePieceTokenizer.label`; `<0xE2>` for each byte of a part."""
        token_id = self._check(token_id)
        if token_id in self._control:
            return self._tokens[token_id]
        try:
            word = self._bytes[token_id].decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in self._bytes[token_id])
        return visible(word.removeprefix(" ") if word.strip(" ") else word)

    def _spelled(self) -> list[bytes]:
        """The bytes of each token."""
        byte_of = {letter: byte for byte, letter in letters_of_bytes().items()}
        spelled = []
        for token_id, token in enumerate(self._tokens):
            if token_id in self._control:
                spelled.append(b"")
                continue
            try:
                spelled.append(bytes(byte_of[letter] for letter in token))
            except KeyError as error:
                raise ValueError(
                    f"{self.path} spells token {token_id} as {token[:40]!r}, and {error.args[0]!r} stands for no byte; "
                    f"this is no byte-level vocabulary"
                ) from error
        return spelled

    def _check(self, token_id: int) -> int:
        if not 0 <= token_id < len(self._tokens):
            raise ValueError(f"token id {token_id} is not in the vocabulary; ids are 0 to {len(self._tokens) - 1}")
        return int(token_id)


def _merging(path: Path, tokens: Sequence[str], merges: Sequence[str], pre: str) -> Any:
    """The library's own tokenizer over a vocabulary."""
    import tokenizers
    from tokenizers import models, pre_tokenizers

    ids = {token: index for index, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        raise ValueError(f"{path} has {len(tokens) - len(ids)} tokens twice; copy it again from its source")
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    if bad := next((pair for pair in pairs if not {*pair, "".join(pair)} <= ids.keys()), None):
        raise ValueError(f"{path} merges {' '.join(bad)[:60]!r}, which is no pair of tokens that makes a token")
    merging = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=pairs))
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = [pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
    merging.pre_tokenizer = pre_tokenizers.Sequence([*digits, words])
    return merging
