"""The tokenizer of a model folder, in any of the files that hold one.

    tokenizer.model   SentencePiece (`tokenizer.py`); it wins over all others
    tokenizer.json    Hugging Face's form of any tokenizer (`tokenizer_json.py`)
    tekken.json       Mistral's form since Nemo (`tekken.py`)
    *.gguf            the vocabulary beside the weights (`gguf_tokenizer.py`)

Nothing here imports torch.
"""

from __future__ import annotations

from pathlib import Path

from mistral_core.checkpoint.folder import GGUF, detect_layout, gguf_file
from mistral_core.tokenizer import SentencePieceTokenizer, Tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder: of several, the first of the files above.

    Raises:
        ValueError: there is none, or one that is refused.
    """
    path = folder / "tokenizer.model"
    if not path.is_file():  # later Mistral releases number it: tokenizer.model.v3
        path = max(folder.glob("tokenizer.model.v*"), default=path, key=lambda numbered: numbered.name)
    if path.is_file():
        return SentencePieceTokenizer(path)
    if (folder / "tokenizer.json").is_file():
        from mistral_core.checkpoint.tokenizer_json import tokenizer_from_json

        return tokenizer_from_json(folder)
    if (folder / "tekken.json").is_file():
        from mistral_core.checkpoint.tekken import tokenizer_from_tekken

        return tokenizer_from_tekken(folder)
    if detect_layout(folder) == GGUF:
        from mistral_core.checkpoint.gguf_folder import header_of
        from mistral_core.checkpoint.gguf_tokenizer import tokenizer_from_gguf

        return tokenizer_from_gguf(header_of(gguf_file(folder)))
    return SentencePieceTokenizer(path)


def tokenizer_model_of(tokenizer: Tokenizer) -> Path | None:
    """The `tokenizer.model` that a tokenizer was read from; `None` where it comes from a file of another kind."""
    return tokenizer.path if isinstance(tokenizer, SentencePieceTokenizer) and tokenizer.is_file else None


def rewriting_notice(tokenizer: Tokenizer) -> tuple[str, ...]:
    """A sentence on what the tokenizer makes of a typed text, if it changes any."""
    said = getattr(tokenizer, "rewriting", "")
    return (f"the tokenizer does not read a text as it was typed: {said}",) if said else ()
