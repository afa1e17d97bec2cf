"""The tokenizer of a model folder: a SentencePiece model, or what a GGUF file holds. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

from mistral_core.checkpoint.folder import GGUF, CheckpointError, detect_layout, gguf_file
from mistral_core.tokenizer import SentencePieceTokenizer, Tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder; a `tokenizer.model` wins over what a GGUF file holds.

    Raises:
        ValueError: there is none, or one that is refused.
    """
    path = folder / "tokenizer.model"
    if not path.is_file():  # later Mistral releases number it: tokenizer.model.v3
        path = max(folder.glob("tokenizer.model.v*"), default=path, key=lambda numbered: numbered.name)
    if not path.is_file() and detect_layout(folder) == GGUF:
        from mistral_core.checkpoint.gguf_folder import header_of, tokenizer_from_gguf

        return tokenizer_from_gguf(header_of(gguf_file(folder)))
    others = [name for name in ("tekken.json", "tokenizer.json") if (folder / name).is_file()]
    if not path.is_file() and others:
        raise CheckpointError(f"{folder} has its tokenizer in {' and '.join(others)}; a tokenizer.model is needed")
    return SentencePieceTokenizer(path)
