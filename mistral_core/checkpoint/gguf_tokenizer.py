"""The tokenizer inside a GGUF file: byte-level BPE ("gpt2") or a SentencePiece vocabulary ("llama").

A SentencePiece model is a list of pieces with a score and a kind each, and a few settings; the file has them all, so
the model is built anew and SentencePiece itself cuts with it. What "llama" names is always its BPE: a pair of
neighbours is merged first where the piece that it makes has the highest score.

Source: llama.cpp, `gguf-py/gguf/constants.py` (names, kinds of tokens), `src/llama-vocab.cpp` (what a missing key
means); SentencePiece, `sentencepiece_model.proto`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mistral_core.byte_level import ByteLevelTokenizer
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.gguf_header import Header
from mistral_core.config import brief
from mistral_core.spelled import is_mark
from mistral_core.tokenizer import SentencePieceTokenizer, Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Kinds of tokens, in the file and in SentencePiece alike. A control token is no text."""
_BYTE_LEVEL = (NORMAL, CONTROL, USER_DEFINED, UNUSED)
"""Kinds that byte-level BPE reads."""
_FLAGS = {"add_space_prefix": True, "remove_extra_whitespaces": False, "add_bos_token": True}


def tokenizer_from_gguf(header: Header) -> Tokenizer:
    """The tokenizer whose vocabulary the file holds.

    Raises:
        ValueError: one of another kind, or a damaged vocabulary.
    """
    kind = header.values.get("tokenizer.ggml.model")
    if kind == "gpt2":
        return _byte_level(header)
    if kind == "llama":
        return _sentence_piece(header)
    raise CheckpointError(
        f"{header.path} has a tokenizer of the kind {brief(kind)}; read are byte-level BPE ('gpt2') and SentencePiece "
        f"('llama'), so put the tokenizer.model of the model's source beside it"
    )


def _wanted(header: Header, *names: str) -> list[Any]:
    """Values of keys that a tokenizer needs."""
    wanted = [f"tokenizer.ggml.{name}" for name in names]
    if missing := [key for key in wanted if key not in header.values]:
        raise CheckpointError(f"{header.path} lacks {', '.join(missing)}; a tokenizer needs them")
    return [header.values[key] for key in wanted]


def _sentence_piece(header: Header) -> SentencePieceTokenizer:
    tokens, scores, types, begin, end = _wanted(
        header, "tokens", "scores", "token_type", "bos_token_id", "eos_token_id"
    )
    _refuse_no_lists(header.path, tokens, types)
    _refuse_no_scores(header.path, tokens, scores, types)
    flags = {name: header.values.get(f"tokenizer.ggml.{name}", usual) for name, usual in _FLAGS.items()}
    if odd := next((name for name, value in flags.items() if not isinstance(value, bool)), None):
        raise CheckpointError(f"{header.path} has {odd} {brief(flags[odd])}; it must be true or false")
    if header.values.get("tokenizer.ggml.precompiled_charsmap"):
        raise CheckpointError(
            f"{header.path} has a precompiled_charsmap, which rewrites characters, so a text would not come back as "
            f"it was typed; Mistral's tokenizers have none"
        )
    for name, value in (("begin", begin), ("end", end)):
        if type(value) is not int or not 0 <= value < len(tokens) or types[value] == UNKNOWN:
            raise CheckpointError(
                f"{header.path} has the {name} token {brief(value)}; it must be one of 0 to {len(tokens) - 1}, and not "
                f"the unknown token {types.index(UNKNOWN)}"
            )
    kinds = [_kind(token, types[index], index in (begin, end)) for index, token in enumerate(tokens)]
    model = _model(tokens, scores, kinds, (begin, end), flags)
    return SentencePieceTokenizer(header.path, model=model, adds_bos=flags["add_bos_token"])


def _kind(token: str, kind: int, is_end: bool) -> int:
    """A token's kind here: marks that a fine-tuning added are control tokens, whatever the file calls them."""
    marks = kind == USER_DEFINED and is_mark(token)
    return CONTROL if is_end or marks else kind


def _model(tokens: Any, scores: Any, kinds: list[int], ends: tuple[int, int], flags: dict[str, bool]) -> bytes:
    """The serialized SentencePiece model of a vocabulary."""
    from sentencepiece import sentencepiece_model_pb2 as schema

    model: Any = schema.ModelProto()  # type: ignore[attr-defined]
    for token, score, kind in zip(tokens, scores, kinds, strict=True):
        model.pieces.add(piece=token, score=score, type=kind)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = 2  # BPE
    trainer.vocab_size = len(tokens)
    trainer.byte_fallback = BYTE in kinds
    trainer.unk_piece = tokens[kinds.index(UNKNOWN)]
    trainer.bos_piece, trainer.eos_piece = tokens[ends[0]], tokens[ends[1]]
    trainer.unk_id, trainer.bos_id, trainer.eos_id = kinds.index(UNKNOWN), *ends
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = flags["add_space_prefix"]
    normalizer.remove_extra_whitespaces = flags["remove_extra_whitespaces"]
    normalizer.escape_whitespaces = True
    return bytes(model.SerializeToString())


def _refuse_no_scores(path: Path, tokens: Any, scores: Any, types: Any) -> None:
    """Refuses scores that are no finite numbers, unknown kinds, and a vocabulary that SentencePiece would not take."""
    numbers = isinstance(scores, tuple) and all(type(score) is float and math.isfinite(score) for score in scores)
    if not numbers or len(scores) != len(tokens):
        raise CheckpointError(f"{path} has no finite score for each token; copy it again from its source")
    merged = [score for token, score, kind in zip(tokens, scores, types, strict=True) if kind == NORMAL and token[1:]]
    if len(merged) > 1 and len({*merged}) == 1:
        raise CheckpointError(
            f"{path} gives all its pieces the score {merged[0]:g}, so which are merged first is unknown; put the "
            f"tokenizer.model of the model's source beside it"
        )
    if (odd := next((at for at, kind in enumerate(types) if kind not in range(NORMAL, BYTE + 1)), None)) is not None:
        raise CheckpointError(
            f"{path} gives token {odd}, {tokens[odd][:40]!r}, the type {brief(types[odd])}; types are 1 to 6"
        )
    if types.count(UNKNOWN) != 1 or "" in tokens or len(set(tokens)) < len(tokens):
        raise CheckpointError(
            f"{path} has {types.count(UNKNOWN)} unknown tokens, {tokens.count('')} empty ones and "
            f"{len(tokens) - len(set(tokens))} twice; a SentencePiece vocabulary has 1, 0 and 0: copy it again"
        )


def _byte_level(header: Header) -> ByteLevelTokenizer:
    path = header.path
    tokens, merges, types, begin, end = _wanted(
        header, "tokens", "merges", "token_type", "bos_token_id", "eos_token_id"
    )
    pre = header.values.get("tokenizer.ggml.pre", "")
    adds_bos = header.values.get("tokenizer.ggml.add_bos_token", pre in ("llama-bpe", "tekken"))
    _refuse_no_lists(path, tokens, types, merges)
    _refuse_other_kinds(path, tokens, types)
    if not isinstance(pre, str) or not isinstance(adds_bos, bool) or {type(begin), type(end)} != {int}:
        said = ", ".join(brief(value) for value in (pre, adds_bos, begin, end))
        raise CheckpointError(
            f"{path} has a tokenizer whose pre, add_bos_token, bos_token_id and eos_token_id are {said}; they must be "
            f"a name, true or false, and two numbers of tokens: copy it again from its source"
        )
    return ByteLevelTokenizer(
        path,
        tokens=tokens,
        merges=merges,
        control=[index for index, entry in enumerate(types) if entry == CONTROL],
        user_defined=[index for index, entry in enumerate(types) if entry == USER_DEFINED],
        pre=pre,
        bos_id=begin,
        eos_id=end,
        adds_bos=adds_bos,
    )


def _refuse_no_lists(path: Path, tokens: Any, types: Any, merges: Any = ()) -> None:
    """Refuses lists that are none, and tokens or merges that are no texts."""
    if not all(isinstance(entry, tuple) for entry in (tokens, types, merges)) or len(types) != len(tokens):
        raise CheckpointError(f"{path} has no list of tokens with a type for each; copy it again")
    if not all(isinstance(entry, str) for entry in (*tokens, *merges)):
        raise CheckpointError(f"{path} has tokens or merges that are no texts; copy it again from its source")


def _refuse_other_kinds(path: Path, tokens: Any, types: Any) -> None:
    """Refuses tokens that would be found otherwise."""
    if (odd := next((index for index, entry in enumerate(types) if entry not in _BYTE_LEVEL), None)) is not None:
        raise CheckpointError(
            f"{path} gives token {odd}, {tokens[odd][:40]!r}, the type {brief(types[odd])}; read are {_BYTE_LEVEL}: "
            f"text, control, user-defined, unused. Take a file whose tokenizer has no others"
        )
