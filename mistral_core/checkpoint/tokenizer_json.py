"""`tokenizer.json`, Hugging Face's form of any tokenizer, read where every token can be given its exact bytes.

Two kinds can: byte-level BPE (Llama 3, SmolLM2, Mistral Nemo) and SentencePiece's BPE with byte fallback (Llama 2,
Mistral 7B). The `tokenizers` library cuts; what it is given is the file without the names of control tokens, so that
no typed text can reach one. Three rules, each the only one of its matter:

* begin and end: `bos_token` and `eos_token` of tokenizer_config.json, else `bos_token_id` and `eos_token_id` of
  config.json (of several the first), else a control token with a usual name;
* a text begins with the begin token where the file's post-processor puts it, or, where the file has none, where
  `add_bos_token` of tokenizer_config.json is true;
* added tokens: a special one is control, and is no text. Another one is text, found before a text is cut; but never
  where its name is a mark ("<tool_call>"): who types that means the name (`spelled.is_mark`).

The file is followed. transformers 5 cuts otherwise where the folder names the class LlamaTokenizer: it then puts
components of its own in place of the file's, and drops a space that begins a text.

Source: the `tokenizers` library's documentation of its components; transformers, `tokenization_utils_tokenizers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistral_core.byte_level import bytes_of_letters
from mistral_core.checkpoint.folder import DEFECTS_NAMED, CheckpointError, read_json
from mistral_core.checkpoint.json_cut import JsonCut, cut_of
from mistral_core.config import brief
from mistral_core.spelled import SpelledTokenizer, is_mark
from mistral_core.tokenizer import SPACE_PIECE

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
MOST_BYTES = 2**28
"""Published files have up to 35 MB."""
MOST_TOKENS = 2**22
_REMEDY = "take an edition of the model with a tokenizer.model"
_USUAL = {
    "bos": ("<s>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>", "<bos>", "[BOS]"),
    "eos": ("</s>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>", "<eos>", "[EOS]"),
}


@dataclass(frozen=True, kw_only=True)
class Added:
    """A token that was put beside the vocabulary.

    Attributes:
        control: whether it is no text. found: whether a text is searched for it before it is cut.
    """

    name: str
    control: bool
    found: bool
    entry: dict[str, Any]


def tokenizer_from_json(folder: Path) -> SpelledTokenizer:
    """The tokenizer of a folder's `tokenizer.json`.

    Raises:
        ValueError: one that cannot be made exact, is damaged, or has no begin or end token.
    """
    path = folder / FILE
    content = read_json(path, MOST_BYTES, "tokenizer")
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    added = _added(path, content, settings)
    model = _model(path, content)
    names = _names(path, model["vocab"], added)
    control = {entry.name: token_id for token_id, entry in added.items() if entry.control}
    ids = {name: token_id for token_id, name in enumerate(names)}
    begin, end = (_end(folder, settings, ids, control, which) for which in ("bos", "eos"))
    control |= {names[token_id]: token_id for token_id in (begin, end)}
    marks = {entry.name: token_id for token_id, entry in added.items() if not (entry.control or entry.found)}
    unreachable = {*control.values(), *marks.values()}
    cut = cut_of(path, content, names, {at: added[at].entry for at in added if at not in unreachable}, unreachable)
    return SpelledTokenizer(
        path,
        names=names,
        spelled=_spelled(path, names, {*added}, {*control.values()}, cut),
        control=control,
        cut=cut,
        bos_id=begin,
        eos_id=end,
        adds_bos=_adds_bos(path, content, settings, names[begin]),
        strips_prefix=cut.prefixes,
        rewriting=cut.rewriting,
        marks=marks,
    )


def _model(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The part that says the vocabulary and the merges, which must be a plain BPE."""
    model = content.get("model")
    if not isinstance(model, dict):
        raise CheckpointError(f"{path} has no model; copy it again from its source")
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind != "BPE":
        raise CheckpointError(
            f"{path} has a tokenizer of the type {brief(kind)}, whose tokens have no exact bytes here; only BPE is "
            f"read: {_REMEDY}"
        )
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise CheckpointError(
                f"{path} has the {name} {brief(model[name])}, with which a text's tokens do not join to the text; "
                f"Mistral's tokenizers have none: {_REMEDY}"
            )
    vocabulary, merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocabulary, dict) or not isinstance(merges, list):
        raise CheckpointError(f"{path} has no vocab with a list of merges; copy it again from its source")
    return model


def _added(path: Path, content: dict[str, Any], settings: dict[str, Any]) -> dict[int, Added]:
    """Tokens beside the vocabulary by id: those of the file, and those that tokenizer_config.json alone has."""
    entries = content.get("added_tokens") or []
    more = settings.get("added_tokens_decoder") or {}
    if not isinstance(entries, list) or not isinstance(more, dict):
        raise CheckpointError(f"{path} or {SETTINGS} beside it has no list of added tokens; copy them again")
    known = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    late = [{"id": int(key), **entry} for key, entry in more.items() if _is_late(key, entry, known)]
    found: dict[int, Added] = {}
    for entry in [*entries, *late]:
        token_id, name = (entry.get("id"), entry.get("content")) if isinstance(entry, dict) else (None, None)
        if type(token_id) is not int or not 0 <= token_id < MOST_TOKENS or not isinstance(name, str) or not name:
            raise CheckpointError(f"{path} has the added token {brief(entry)}; it must have an id and a content")
        control = entry.get("special") is True
        found[token_id] = Added(name=name, control=control, found=not (control or is_mark(name)), entry=entry)
    return found


def _is_late(key: str, entry: Any, known: list[Any]) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 10 and isinstance(entry, dict) and int(key) not in known


def _names(path: Path, vocabulary: dict[str, Any], added: dict[int, Added]) -> list[str]:
    """The name of each token by id, without a gap."""
    names: dict[int, str] = {}
    for name, token_id in [*vocabulary.items(), *((entry.name, token_id) for token_id, entry in added.items())]:
        if type(token_id) is not int or not 0 <= token_id < MOST_TOKENS or names.get(token_id, name) != name:
            raise CheckpointError(f"{path} gives {name[:40]!r} the id {brief(token_id)}, which is no id or another's")
        names[token_id] = name
    missing = [token_id for token_id in range(len(names)) if token_id not in names]
    if missing or len(set(names.values())) < len(names):
        what = f"no token {', '.join(map(str, missing[:DEFECTS_NAMED]))}" if missing else "a token under two ids"
        raise CheckpointError(f"{path} has {what}, but every id must have its token: {_REMEDY}")
    return [names[token_id] for token_id in range(len(names))]


def _spelled(path: Path, names: list[str], added: set[int], control: set[int], cut: JsonCut) -> list[bytes]:
    """The bytes of each token."""
    spelled = []
    for token_id, name in enumerate(names):
        if token_id in control:
            spelled.append(b"")
        elif cut.byte_level:
            spelled.append(name.encode() if token_id in added else bytes_of_letters(path, token_id, name))
        elif token_id in cut.byte_tokens:
            spelled.append(bytes([cut.byte_tokens[token_id]]))
        else:
            spelled.append(name.replace(SPACE_PIECE, " ").encode())
    return spelled


def _end(folder: Path, settings: dict[str, Any], ids: dict[str, int], control: dict[str, int], which: str) -> int:
    """The begin or end token, by the rule above."""
    named = settings.get(f"{which}_token")
    name = named.get("content") if isinstance(named, dict) else named
    if name is not None:
        if not isinstance(name, str) or name not in ids:
            raise CheckpointError(f"{folder / SETTINGS} has the {which}_token {brief(name)}, which is no token")
        return ids[name]
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    value = config.get(f"{which}_token_id")
    value = value[0] if isinstance(value, list) and value else value
    if value is not None:
        if type(value) is not int or not 0 <= value < len(ids):
            raise CheckpointError(
                f"{folder / 'config.json'} has the {which}_token_id {brief(value)}; ids are 0 to {len(ids) - 1}"
            )
        return value
    if usual := next((name for name in _USUAL[which] if name in control), None):
        return control[usual]
    raise CheckpointError(
        f"{folder} names no {'begin' if which == 'bos' else 'end'} token; name one as {which}_token in {SETTINGS}"
    )


def _adds_bos(path: Path, content: dict[str, Any], settings: dict[str, Any], begin: str) -> bool:
    """Whether a text begins with the begin token, by the rule above."""
    processor = content.get("post_processor")
    if processor is None:
        return settings.get("add_bos_token") is True
    parts = processor.get("processors") if isinstance(processor, dict) else None
    for part in parts if isinstance(parts, list) else [processor]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "TemplateProcessing":
            single = part.get("single")
            first = single[0] if isinstance(single, list) and single else None
            special = first.get("SpecialToken") if isinstance(first, dict) else None
            return isinstance(special, dict) and special.get("id") == begin
        if kind != "ByteLevel":
            raise CheckpointError(
                f"{path} has the post-processor {brief(kind)}; TemplateProcessing and ByteLevel are known: {_REMEDY}"
            )
    return False
