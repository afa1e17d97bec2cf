"""`tekken.json`, the tokenizer of Mistral's models since Nemo: bytes of tokens by rank, a pattern, and special tokens.

The pattern cuts a text into words; within a word, of all neighbours whose joined bytes are a token, those of the
lowest rank are merged first, the leftmost of several; a word that is a token is that token. Special tokens have the
first ids, so a token's id is its rank and their number. Their names in a typed text are text.

A pattern that is not known to be soon done runs in a process that can be ended (`cutting.py`).

Source: mistral-common, `tokens/tokenizers/tekken.py`; the merging is that of tiktoken, `_educational.py`.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mistral_core.checkpoint.cutting import words_of
from mistral_core.checkpoint.folder import CheckpointError, read_json
from mistral_core.config import brief
from mistral_core.spelled import SpelledTokenizer

FILE = "tekken.json"
MOST_BYTES = 2**28
"""Published files have up to 20 MB."""
MOST_TOKENS = 2**22
BEGIN, END = "<s>", "</s>"
OLD_SPECIAL = (
    *("<unk>", BEGIN, END, "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"),
    *("[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)
"""Special tokens of files up to version 7, which do not name theirs."""
_NAMELESS = ("v1", "v2", "v3", "v7")
_REMEDY = "copy it again from its source, or take an edition of the model with a tokenizer.json"


def tokenizer_from_tekken(folder: Path) -> SpelledTokenizer:
    """The tokenizer of a folder's `tekken.json`.

    Raises:
        ValueError: a damaged file, tokens that are no bytes or too few, a pattern that is none, or no <s> and </s>.
    """
    path = folder / FILE
    content = read_json(path, MOST_BYTES, "tokenizer")
    config = content.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("pattern"), str):
        raise CheckpointError(f"{path} has no config with a pattern; {_REMEDY}")
    special, control = _special(path, content, config)
    ranked = _ranked(path, content.get("vocab"), _whole(path, config, "default_vocab_size") - len(special))
    ids = {name: at for at, name in enumerate(special)}
    marks = {name: token_id for name, token_id in ids.items() if not control[token_id]}
    return SpelledTokenizer(
        path,
        names=[*special, *(token.decode("utf-8", errors="replace") for token in ranked)],
        spelled=[*(b"" if control[at] else name.encode() for at, name in enumerate(special)), *ranked],
        control={name: token_id for name, token_id in ids.items() if control[token_id]},
        marks=marks,
        cut=RankedCut(path, config["pattern"], ranked, len(special)),
        bos_id=ids[BEGIN],
        eos_id=ids[END],
        adds_bos=True,
    )


def _whole(path: Path, config: dict[str, Any], name: str) -> int:
    value = config.get(name)
    if type(value) is not int or not 0 < value <= MOST_TOKENS:
        raise CheckpointError(f"{path} has {name} {brief(value)}; it must be a number of tokens, 1 to {MOST_TOKENS:,}")
    return value


def _special(path: Path, content: dict[str, Any], config: dict[str, Any]) -> tuple[list[str], list[bool]]:
    """Names of the special tokens by id, unused ones filled up, and whether each is control."""
    entries = content.get("special_tokens")
    if entries is None and config.get("version") in _NAMELESS:
        entries = [{"rank": at, "token_str": name, "is_control": True} for at, name in enumerate(OLD_SPECIAL)]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CheckpointError(f"{path} of version {brief(config.get('version'))} names no special_tokens; {_REMEDY}")
    count = _whole(path, {"default_num_special_tokens": len(entries)} | config, "default_num_special_tokens")
    names = [f"<SPECIAL_{at}>" for at in range(count)]
    control = [True] * count
    for at, entry in enumerate(entries):
        name = entry.get("token_str")
        if entry.get("rank") != at or at >= count or not isinstance(name, str) or not name:
            raise CheckpointError(
                f"{path} has the special token {brief(entry)} in place {at} of {count}; it must have a token_str and "
                f"its place as rank: {_REMEDY}"
            )
        names[at], control[at] = name, entry.get("is_control", True) is not False
    if len({*names}) < count or not {BEGIN, END} <= {*names}:
        raise CheckpointError(f"{path} has a special token twice, or lacks {BEGIN} or {END}; {_REMEDY}")
    control[names.index(BEGIN)] = control[names.index(END)] = True
    return names, control


def _ranked(path: Path, vocabulary: Any, count: int) -> list[bytes]:
    """The bytes of the first `count` tokens by rank; a file has more than the model uses."""
    if not isinstance(vocabulary, list) or not 256 <= count <= len(vocabulary):
        has = len(vocabulary) if isinstance(vocabulary, list) else "none"
        raise CheckpointError(f"{path} has {has} tokens, and the model {count} beside special ones; {_REMEDY}")
    ranked = []
    for rank, entry in enumerate(vocabulary[:count]):
        said = entry.get("token_bytes") if isinstance(entry, dict) else None
        try:
            token = base64.b64decode(said, validate=True) if isinstance(said, str) else b""
        except (binascii.Error, ValueError):
            token = b""
        if not token or entry.get("rank") != rank:
            raise CheckpointError(
                f"{path} has {brief(entry)} in place {rank}; a token must have its place as rank and its bytes in "
                f"base64: {_REMEDY}"
            )
        ranked.append(token)
    if len({*ranked}) < count or {*ranked[:256]} != {bytes([byte]) for byte in range(256)}:
        raise CheckpointError(f"{path} has a token twice, or its first 256 are not the bytes; {_REMEDY}")
    return ranked


class RankedCut:
    """Words by a pattern, and tokens within a word by rank; see `spelled.Cut`."""

    def __init__(self, path: Path, pattern: str, ranked: Sequence[bytes], first_id: int) -> None:
        self._words = words_of(path, pattern)
        self._rank = {token: rank for rank, token in enumerate(ranked)}
        self._first = first_id

    def ids(self, text: str, first: bool) -> list[int]:
        """Ids of the tokens."""
        return [self._first + rank for word in self._words(text) for rank in merged(word.encode(), self._rank)]

    def reads(self, text: str, first: bool) -> str:
        """The text itself."""
        return text


def merged(word: bytes, rank: Mapping[bytes, int]) -> list[int]:
    """Ranks of the tokens of a word, in O(n log n) for n bytes.

    Args:
        word: its bytes. rank: of every token; every single byte is one.

    >>> merged(b"abab!", {b"a": 0, b"b": 1, b"!": 2, b"ab": 3})
    [3, 3, 2]
    """
    if word in rank:
        return [rank[word]]
    size = len(word)
    end, before = list(range(1, size + 1)), list(range(-1, size - 1))  # of the part that begins at a place

    def pairs(*starts: int) -> list[tuple[int, int, int]]:
        spans = ((at, end[end[at]]) for at in starts if at >= 0 and end[at] < size)
        return [(rank[word[at:stop]], at, stop) for at, stop in spans if word[at:stop] in rank]

    waiting = pairs(*range(size))
    heapq.heapify(waiting)
    while waiting:
        _, at, stop = heapq.heappop(waiting)
        middle = end[at]
        if middle < 0 or middle >= stop or end[middle] != stop:  # one of the two is merged otherwise by now
            continue
        end[at], end[middle] = stop, -1
        if stop < size:
            before[stop] = at
        for pair in pairs(at, before[at]):
            heapq.heappush(waiting, pair)
    starts, at = [], 0
    while at < size:
        starts.append(at)
        at = end[at]
    return [rank[word[at : end[at]]] for at in starts]
