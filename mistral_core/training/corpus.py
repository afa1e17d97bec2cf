"""A corpus: the documents of every source as token numbers on disk, mapped into memory.

    FOLDER/corpus.json          what it was made from, and the sizes
           tokenizer.model
           valid.txt            documents held out, separated by blank lines
           attribution.csv ...  whose the texts are, where that lies beside them
           wide.000.tokens ...  BOS piece piece ... EOS BOS ..., uint16, little-endian

A document is packed behind the next without padding, as BOS + pieces + EOS: exactly what the
evaluation reads. Shards are read through memory maps, so a corpus may be larger than memory and
several trainings share its pages. It is made under another name and renamed when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mistral_core.analysis.evaluation import read_documents
from mistral_core.tokenizer import SentencePieceTokenizer
from mistral_core.training.texts import Texts, hold_out, without_unsaid
from mistral_core.training.vocabulary import learn_vocabulary
from mistral_core.unsaid import list_fingerprint

SHARD_TOKENS = 2**25
"""Of one file: 64 MB."""
HEADER, VALID, TOKENIZER = "corpus.json", "valid.txt", "tokenizer.model"
CLEANED = "left_out"
"""In `made_from`: which list of words was taken out; absent where none was."""
TOKEN = np.dtype("<u2")
Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Source:
    """One source of training text.

    Attributes:
        name: by which a mix calls it.
        shards: token numbers of each file, mapped.
        tokens, bytes, documents: its size; bytes are those of the documents in UTF-8.
    """

    name: str
    shards: tuple[np.ndarray, ...]
    tokens: int
    bytes: int
    documents: int


@dataclass(frozen=True, eq=False)
class Corpus:
    """What a training reads.

    Attributes:
        folder: where it lies.
        tokenizer: of its tokens.
        sources: by name.
        valid: documents held out.
        facts: the header: names and sizes of the files it was made from, how validation was chosen.
    """

    folder: Path
    tokenizer: SentencePieceTokenizer
    sources: dict[str, Source]
    valid: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def bytes_per_token(self) -> float:
        """Of the training text, to turn nats per token into bits per byte."""
        sources = self.sources.values()
        return sum(source.bytes for source in sources) / sum(source.tokens for source in sources)


def prepare_corpus(
    texts: Texts,
    folder: str | Path,
    *,
    vocab_size: int,
    tokenizer: str | Path | None = None,
    shard_tokens: int = SHARD_TOKENS,
    progress: Progress = lambda line: None,
    rebuild: bool = False,
    wanted: dict[str, Any] | None = None,
    clean: bool = False,
) -> Corpus:
    """Makes a corpus, or opens the one that is there already and still fits the texts.

    Nothing is removed but an out of date corpus, and that only where `rebuild` allows it.

    Args:
        texts: the files.
        folder: where the corpus goes.
        vocab_size: pieces to learn, where no tokenizer is given.
        tokenizer: an existing `tokenizer.model` to use instead.
        progress: told what is being done.
        rebuild: whether a corpus of other texts in the folder is replaced.
        wanted: `made_from` of the corpus that a run was begun with, where there is such a run.
        clean: whether lines that hold a word of `mistral_core.unsaid` are left out of what is trained on.

    Raises:
        ValueError: text that cannot be read, a vocabulary that does not fit, a full disk, a folder that holds
            something else, or texts that are not those of the run; nothing is left behind, and what was in
            the folder stays.
    """
    folder = Path(folder)
    made_from = _made_from(texts, vocab_size, tokenizer) | ({CLEANED: list_fingerprint()} if clean else {})
    if wanted is not None and made_from != wanted:
        raise ValueError(
            f"the texts in {texts.folder}, the vocabulary or what --clean leaves out are not those that this run was "
            f"begun with; leave --data and --tokenizer out to go on with the tokens that are there, or begin another "
            f"run with --out"
        )
    if _fits(folder, made_from, rebuild):
        return open_corpus(folder)
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        _write_corpus(texts, unfinished, vocab_size, tokenizer, shard_tokens, made_from, progress)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(unfinished, folder)
    except OSError as error:
        raise ValueError(
            f"the corpus cannot be written to {folder}: {error.strerror or error}; free space there (about as much as "
            f"the unpacked text takes) and run the same command again"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return open_corpus(folder)


def open_corpus(folder: str | Path) -> Corpus:
    """Opens a corpus made by `prepare_corpus`.

    Raises:
        ValueError: there is none, or its files do not have the sizes that its header says.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / HEADER).read_text("utf-8"))
        sources = {name: _open_source(folder, name, entry) for name, entry in facts["sources"].items()}
        held = (folder / VALID).read_text("utf-8")
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{folder} is not a complete corpus ({error}); remove it, and it is made anew") from error
    valid = tuple(document for document in held.split("\n\n") if document)
    return Corpus(folder, SentencePieceTokenizer(folder / TOKENIZER), sources, valid, facts)


def _fits(folder: Path, made_from: dict[str, Any], rebuild: bool) -> bool:
    """Whether the folder holds this very corpus; false where one may be made there.

    Raises:
        ValueError: it holds a corpus of other texts that must stay, or files that are no corpus.
    """
    if not (folder / HEADER).is_file():
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ValueError(f"{folder} is there already and is no corpus; name an empty or a new folder with --corpus")
        return False
    try:
        held = json.loads((folder / HEADER).read_text("utf-8"))["made_from"]
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{folder} is not a complete corpus ({error}); remove it, and it is made anew") from error
    if held != made_from and not rebuild:
        raise ValueError(
            f"the tokens in {folder} were made from other texts, with another vocabulary or another --clean, and other "
            f"runs may read them; name another folder with --corpus, or leave --data out to train on the tokens that "
            f"are there"
        )
    return bool(held == made_from)


def _made_from(texts: Texts, vocab_size: int, tokenizer: str | Path | None) -> dict[str, Any]:
    if tokenizer is None:
        vocabulary: Any = {"pieces": vocab_size}
    else:
        path = SentencePieceTokenizer(tokenizer).path  # refuses what is none
        vocabulary = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {"files": texts.fingerprint(), "vocabulary": vocabulary}


def _write_corpus(
    texts: Texts,
    folder: Path,
    vocab_size: int,
    tokenizer: str | Path | None,
    shard_tokens: int,
    made_from: dict[str, Any],
    progress: Progress,
) -> None:
    train, valid = _split(texts, progress)
    left_out = _clean(train, progress) if CLEANED in made_from else {}
    if tokenizer is None:
        size = sum(len(document.encode()) for documents in train.values() for document in documents)
        progress(f"learning {vocab_size:,} pieces from {size:,} bytes")
        everything = (document for documents in train.values() for document in documents)
        (folder / TOKENIZER).write_bytes(learn_vocabulary(everything, vocab_size, size))
    else:
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    encoder = SentencePieceTokenizer(folder / TOKENIZER)
    if encoder.vocab_size > np.iinfo(TOKEN).max + 1:
        raise ValueError(f"the tokenizer has {encoder.vocab_size:,} pieces; shards of 16 bits hold at most 65,536")
    sources = {}
    for name, documents in train.items():
        progress(f"reading {name}: {len(documents):,} documents")
        sources[name] = _write_source(folder, name, documents, encoder, shard_tokens)
    (folder / VALID).write_text("\n\n".join(valid), encoding="utf-8")
    for path in texts.credits():
        shutil.copyfile(path, folder / path.name)
    held = sum(len(document.encode()) for document in valid)
    share = held / (held + sum(source["bytes"] for source in sources.values()))
    chosen = ", ".join(path.name for path in texts.valid) or f"{share:.2%} of the texts, from all of each source"
    facts = {
        "made_from": made_from,
        "sources": sources,
        "valid": {"documents": len(valid), "bytes": held, "chosen": chosen},
        **({"left_out": left_out} if CLEANED in made_from else {}),
    }
    (folder / HEADER).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _split(texts: Texts, progress: Progress) -> tuple[dict[str, list[str]], list[str]]:
    """Documents to train on by source, and those held out."""
    train: dict[str, list[str]] = {}
    valid = [document for path in texts.valid for document in read_documents(path)]
    for name in texts.sources:
        progress(f"reading {name}")
        documents = list(texts.documents(name))
        train[name], held = (documents, []) if texts.valid else hold_out(documents)
        valid += held
    if not valid:
        raise ValueError(f"the text in {texts.folder} is too short to hold a part out for validation; give more text")
    return train, valid


def _clean(train: dict[str, list[str]], progress: Progress) -> dict[str, int]:
    """Takes lines with listed words out of the documents of each source; says and returns how many."""
    left_out = {}
    for name, documents in train.items():
        train[name], left_out[name] = without_unsaid(documents)
        progress(f"{name}: {left_out[name]:,} lines left out that hold a word of mistral_core/unsaid.py")
        if not train[name]:
            raise ValueError(f"{name} has no line without a word of mistral_core/unsaid.py; keep all with --no-clean")
    return left_out


def _write_source(
    folder: Path, name: str, documents: Iterable[str], tokenizer: SentencePieceTokenizer, shard_tokens: int
) -> dict[str, Any]:
    """Packs documents into shards; a document that does not fit goes on in the next one."""
    shards: list[int] = []
    held, n_bytes, n_documents = np.empty(0, TOKEN), 0, 0
    pending: list[np.ndarray] = []

    def flush(everything: bool) -> None:
        nonlocal held, pending
        held, pending = np.concatenate((held, *pending)), []
        while len(held) >= shard_tokens or (everything and len(held)):
            held[:shard_tokens].tofile(_shard_path(folder, name, len(shards)))
            shards.append(min(shard_tokens, len(held)))
            held = held[shard_tokens:]

    waiting = 0
    for document in documents:
        ids = np.array(tokenizer.encode(document, bos=True, eos=True), dtype=TOKEN)
        pending.append(ids)
        waiting, n_bytes, n_documents = waiting + len(ids), n_bytes + len(document.encode()), n_documents + 1
        if waiting >= shard_tokens:
            flush(everything=False)
            waiting = len(held)
    flush(everything=True)
    return {"shards": shards, "tokens": sum(shards), "bytes": n_bytes, "documents": n_documents}


def _open_source(folder: Path, name: str, entry: dict[str, Any]) -> Source:
    shards = []
    for number, length in enumerate(entry["shards"]):
        path = _shard_path(folder, name, number)
        if path.stat().st_size != length * TOKEN.itemsize:
            raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes, not {length * TOKEN.itemsize:,}")
        shards.append(np.memmap(path, dtype=TOKEN, mode="r"))
    return Source(name, tuple(shards), entry["tokens"], entry["bytes"], entry["documents"])


def _shard_path(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number:03d}.tokens"
