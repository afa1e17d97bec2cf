"""How a `tokenizer.json` cuts texts: its components, checked one by one, and the library's tokenizer made of them.

A component is let in where what it does to a text is known exactly: it cuts, or spells, or puts one space before the
first word. A normaliser of byte-level BPE may also rewrite the text (NFC, lower case); then `rewriting` says so, and
the tokens are those of what it made.

Patterns and rewritings that are not known to be soon done run in a process that can be ended (`cutting.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistral_core.checkpoint.cutting import Apart, Near, is_known, tokenizer_of
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.config import brief
from mistral_core.tokenizer import SPACE_PIECE

_REMEDY = "take an edition of the model with a tokenizer.model"
_REWRITE = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Replace", "Prepend"}
_SPLIT = {"Split", "Digits", "Punctuation", "UnicodeScripts"}
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, kw_only=True)
class JsonCut:
    """The library's tokenizer over a file's components; see `spelled.Cut`.

    Attributes:
        whole: for a text that begins everything. behind: for one behind a control token.
        byte_level: whether tokens are written in letters of bytes. byte_tokens: the byte of each token `<0x41>`, by id.
        prepends: whether a space always comes before a text. metaspace: whether one comes where none is.
        everywhere: whether that is so behind a control token too.
        found: added tokens that a text is searched for; before one of them no space comes.
        rewriting: a sentence on what becomes of a text; "" = nothing.
    """

    whole: Near | Apart
    behind: Near | Apart
    byte_level: bool
    byte_tokens: Mapping[int, int]
    prepends: bool
    metaspace: bool
    everywhere: bool
    found: tuple[str, ...]
    rewriting: str

    @property
    def prefixes(self) -> bool:
        """Whether a text's first word has a space before it."""
        return self.prepends or self.metaspace

    def ids(self, text: str, first: bool) -> list[int]:
        """Ids of the tokens."""
        return (self.whole if first else self.behind).ids(text)

    def reads(self, text: str, first: bool) -> str:
        """What the tokens join to."""
        if self.byte_level:
            return self.whole.normalised(text) if self.rewriting else text
        text = text.replace(SPACE_PIECE, " ")
        if not text or not (first or self.everywhere) or text.startswith(self.found):
            return text
        return " " + text if self.prepends or (self.metaspace and text[0] != " ") else text


def cut_of(
    path: Path, content: dict[str, Any], names: list[str], found: Mapping[int, dict[str, Any]], unreachable: set[int]
) -> JsonCut:
    """Checks the components and builds the tokenizer of them.

    Args:
        found: entries of the added tokens for which a text is searched, by id.
        unreachable: ids that no text becomes: control tokens and marks.

    Raises:
        CheckpointError: one whose effect on a text is not exactly known, or what the library refuses.
    """
    before, between = _parts(content, "normalizer", "normalizers"), _parts(content, "pre_tokenizer", "pretokenizers")
    byte_level = any(part.get("type") == "ByteLevel" for part in between)
    byte_tokens = {} if byte_level else _byte_tokens(path, content["model"], names)
    prepends, metaspace, everywhere, rewriting = False, False, False, ""
    if byte_level:
        rewriting = _check_byte_level(path, before, between)
    else:
        prepends, metaspace, everywhere = _check_spaces(path, before, between)
        if metaspace:
            rewriting = "a space that begins a text is taken for the one that stands before every first word"
    _check_found(path, before, found, metaspace, prefixes=prepends or everywhere)
    known = is_known([*before, *between])
    whole = tokenizer_of(path, _described(path, content, names, found, unreachable), known)
    behind = whole
    if metaspace and not everywhere:
        behind = tokenizer_of(path, _described(path, _never_first(content), names, found, unreachable), known)
    return JsonCut(
        whole=whole,
        behind=behind,
        byte_level=byte_level,
        byte_tokens=byte_tokens,
        prepends=prepends,
        metaspace=metaspace,
        everywhere=everywhere or prepends,
        found=tuple(entry["content"] for entry in found.values()),
        rewriting=rewriting,
    )


def _parts(content: dict[str, Any], name: str, several: str, depth: int = 0) -> list[dict[str, Any]]:
    """A component as a list of its parts; what is none, or lies too deep, is kept, to be refused by its name."""
    part = content.get(name)
    if part is None:
        return []
    if isinstance(part, dict) and part.get("type") == "Sequence" and isinstance(part.get(several), list) and depth < 10:
        return [inner for one in part[several] for inner in _parts({name: one}, name, several, depth + 1)]
    kind = part.get("type") if isinstance(part, dict) else part
    return [part if isinstance(part, dict) and isinstance(kind, str) else {"type": brief(kind)}]


def _refuse(path: Path, what: str, part: dict[str, Any], why: str) -> CheckpointError:
    said = {key: value for key, value in part.items() if key != "type"}
    return CheckpointError(f"{path} has the {what} {brief(part.get('type'))} with {brief(said)}: {why}; {_REMEDY}")


def _check_byte_level(path: Path, before: list[dict[str, Any]], between: list[dict[str, Any]]) -> str:
    """Refuses what loses characters; returns a sentence on what is rewritten."""
    for part in before:
        if part.get("type") not in _REWRITE:
            raise _refuse(path, "normalizer", part, "what it makes of a text is not known here")
    for at, part in enumerate(between):
        kind = part.get("type")
        if kind == "ByteLevel":
            if part.get("add_prefix_space", True) is not False or at != len(between) - 1:
                raise _refuse(path, "pre-tokenizer", part, "it puts a space before a text, or is not the last")
        elif kind not in _SPLIT or part.get("behavior") == "Removed":
            raise _refuse(path, "pre-tokenizer", part, "it removes characters, or is not known here")
    kinds = ", ".join(str(part["type"]) for part in before)
    return f"a text is rewritten before it is cut ({kinds})" if kinds else ""


def _check_spaces(path: Path, before: list[dict[str, Any]], between: list[dict[str, Any]]) -> tuple[bool, bool, bool]:
    """How SentencePiece's spaces are written: by normalisers, or by a pre-tokenizer; one of them must.

    Returns:
        prepends, metaspace, everywhere: as `JsonCut` has them.
    """
    prepends = replaced = metaspace = everywhere = False
    for part in before:
        if part.get("type") == "Prepend" and part.get("prepend") == SPACE_PIECE and not prepends:
            prepends = True
        elif part.get("type") == "Replace" and (part.get("pattern"), part.get("content")) == (
            {"String": " "}, SPACE_PIECE,
        ):  # fmt: skip
            replaced = True
        else:
            raise _refuse(path, "normalizer", part, "it rewrites a text, which would not come back as it was typed")
    for at, part in enumerate(between):
        scheme = part.get("prepend_scheme") or ("always" if part.get("add_prefix_space", True) else "never")
        spaces = part.get("type") == "Metaspace" and part.get("replacement") == SPACE_PIECE and at == 0
        if spaces and not (prepends or replaced):
            replaced, metaspace, everywhere = True, scheme != "never", scheme == "always"
        elif part.get("type") not in _SPLIT or part.get("behavior") == "Removed":
            raise _refuse(path, "pre-tokenizer", part, "it removes characters, or is not known here")
    if not replaced:
        raise CheckpointError(f"{path} writes no space as {SPACE_PIECE!r}, as SentencePiece does; {_REMEDY}")
    return prepends, metaspace, everywhere


def _byte_tokens(path: Path, model: dict[str, Any], names: list[str]) -> dict[int, int]:
    """The byte of each token `<0x41>`, by id; all 256 must be there, so that no character is unknown."""
    found = {token_id: int(match[1], 16) for token_id, name in enumerate(names) if (match := _BYTE.fullmatch(name))}
    if model.get("byte_fallback") is not True or len(found) != 256:
        raise CheckpointError(
            f"{path} has {len(found)} byte tokens of 256 and byte_fallback {brief(model.get('byte_fallback'))}, so "
            f"characters outside its vocabulary would be lost; {_REMEDY}"
        )
    return found


def _check_found(
    path: Path, before: list[dict[str, Any]], found: Mapping[int, dict[str, Any]], metaspace: bool, prefixes: bool
) -> None:
    """Refuses added tokens whose search in a text changes more than the place of a cut."""
    for entry in found.values():
        why = ""
        if entry.get("lstrip") or entry.get("rstrip"):
            why = "it takes the spaces beside it away (lstrip, rstrip)"
        elif prefixes:
            why = "the word behind it would get a space that the text does not have"
        elif metaspace and (entry.get("single_word") or entry["content"][0] in (" ", SPACE_PIECE)):
            why = "whether a space comes before a text that begins with it is not known here"
        elif before and entry.get("normalized"):
            why = "it is searched in the rewritten text (normalized)"
        if why:
            raise CheckpointError(
                f"{path} has the added token {brief(entry.get('content'))}, which is text: {why}; {_REMEDY}"
            )


def _described(
    path: Path, content: dict[str, Any], names: list[str], found: Mapping[int, dict[str, Any]], unreachable: set[int]
) -> str:
    """The components in the library's JSON, in which no text reaches a control token or a mark.

    Their names are replaced by ones with a literal space, which no spelling has, and merges that would make them are
    left out.
    """
    vocabulary = {f" {at}" if at in unreachable else name: at for at, name in enumerate(names)}
    taken = {names[token_id] for token_id in unreachable} | {name for name in names if _BYTE.fullmatch(name)}
    merges = [pair for pair in _pairs(path, content["model"]["merges"]) if not {*pair, "".join(pair)} & taken]
    kept = {name: content.get(name) for name in ("version", "normalizer", "pre_tokenizer")}
    model = content["model"] | {"vocab": vocabulary, "merges": merges, "unk_token": None, "type": "BPE"}
    beside = [entry | {"special": False} for entry in found.values()]
    return json.dumps(kept | {"model": model, "added_tokens": beside, "truncation": None, "padding": None})


def _pairs(path: Path, merges: list[Any]) -> Iterator[tuple[str, str]]:
    """Merges as pairs; older files write them as "left right"."""
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise CheckpointError(f"{path} has the merge {brief(merge)}; it must be a pair of tokens: copy it again")
        yield pair[0], pair[1]


def _never_first(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a pre-tokenizer that puts no space before a text."""
    part = content["pre_tokenizer"]
    if part.get("type") == "Metaspace":
        return content | {"pre_tokenizer": part | {"prepend_scheme": "never", "add_prefix_space": False}}
    inner = [_never_first({"pre_tokenizer": one})["pre_tokenizer"] for one in part.get("pretokenizers", [])]
    return content | {"pre_tokenizer": part | ({"pretokenizers": inner} if inner else {})}
