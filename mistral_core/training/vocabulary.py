"""A SentencePiece vocabulary learned from the texts, of the kind that Mistral's first models have.

Byte-pair encoding with byte fallback (no text is unknown), no normalisation (a text comes back as it
was typed), a newline a piece of its own, digits one by one, a space put before the first word.
`<unk>` 0, `<s>` 1, `</s>` 2, no padding.

Which lines it is learned from is decided here, not drawn: the same texts give the same vocabulary.

Source: Kudo and Richardson, "SentencePiece" (arXiv 1808.06226), `spm_train`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import sentencepiece

MAX_TRAINING_BYTES = 40_000_000
"""Of text; more changes few pieces and costs memory."""
MAX_LINE = 4000
"""Characters of a line; SentencePiece leaves longer ones out, so they are cut here."""
LEAST_PIECES = 3 + 256 + 1
"""Unknown, begin, end, a piece for each byte, the newline."""


def learn_vocabulary(documents: Iterable[str], vocab_size: int, total_bytes: int) -> bytes:
    """The content of a `tokenizer.model` for these documents.

    Args:
        vocab_size: pieces to learn; a short text may give fewer.
        total_bytes: of all documents; beyond 40 MB evenly spaced ones are taken.

    Raises:
        ValueError: a vocabulary that cannot hold the characters of the text, or no text.
    """
    if vocab_size <= LEAST_PIECES:
        raise ValueError(
            f"vocab_size is {vocab_size}; {LEAST_PIECES} are bytes and control tokens, choose more, such as 4096"
        )
    every = max(1, -(-total_bytes // MAX_TRAINING_BYTES))
    chosen = (document for number, document in enumerate(documents) if number % every == 0)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(chosen),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=True,
            user_defined_symbols=["\n"],
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=-1,
            max_sentence_length=4 * MAX_LINE + 1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).rsplit("]", 1)[-1].strip() or str(error)
        raise ValueError(
            f"no vocabulary of {vocab_size} pieces can be learned from this text ({reason}); "
            f"choose another --vocab or give more text"
        ) from error
    return model.getvalue()


def _lines(documents: Iterable[str]) -> Iterator[str]:
    for document in documents:
        for line in document.split("\n"):
            for start in range(0, len(line), MAX_LINE):
                yield line[start : start + MAX_LINE]
