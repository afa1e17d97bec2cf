"""Which files of a folder are which source, and which documents are held out.

    NAME.valid.txt, valid.txt, ... .xz    held out: validation, never trained on
    NAME.train.txt, NAME.txt, ... .xz     the source NAME

Documents are what stands between blank lines (`analysis.evaluation.split_documents`). Without a
`.valid` file about a twentieth of each source is held out, or of a source of more than 8 MB about
400,000 bytes: documents at even distances, or the ends of a source that has few of them. The choice
depends on the text alone, so every run on a folder holds out the same.

What is trained on is a copy without the lines that hold a word of `mistral_core.unsaid`. Held-out text keeps them: it
measures, and stays comparable.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mistral_core.analysis.evaluation import read_documents
from mistral_core.unsaid import holds_unsaid

HELD_OUT_EVERY = 20
"""One document in so many, where the folder names no validation text; of a large source, fewer."""
FEW_DOCUMENTS = 40
"""Below this many, the end of each document is held out instead."""
MAX_HELD_OUT_BYTES = 400_000
"""As much as measures a hundredth of a bit safely; more only costs time."""
SUFFIXES = (".txt", ".txt.xz")
ATTRIBUTION, MANIFEST = "attribution.csv", "manifest.json"
CREDITS = (ATTRIBUTION, MANIFEST)
"""Files beside the texts that say whose they are; they travel with the corpus and the model's card."""


@dataclass(frozen=True)
class Texts:
    """The files of a folder.

    Attributes:
        folder: where they lie.
        sources: training files by the name of their source.
        valid: validation files; empty = part of the sources is held out.
    """

    folder: Path
    sources: dict[str, tuple[Path, ...]]
    valid: tuple[Path, ...]

    def documents(self, source: str) -> Iterator[str]:
        """All documents of a source, in the order of its files' names.

        Raises:
            ValueError: a file is no text (see `read_documents`).
        """
        for path in self.sources[source]:
            yield from read_documents(path)

    def credits(self) -> tuple[Path, ...]:
        """The files that say whose the texts are, as far as they are there."""
        return tuple(path for name in CREDITS if (path := self.folder / name).is_file())

    def fingerprint(self) -> list[list[object]]:
        """Name, bytes and SHA-256 of each file: a corpus made from others is another one, a copied file is the same.

        Raises:
            ValueError: a file cannot be read.
        """
        paths = sorted({path for files in (*self.sources.values(), self.valid, self.credits()) for path in files})
        return [[path.name, path.stat().st_size, _sha256(path)] for path in paths]


def find_texts(folder: str | Path) -> Texts:
    """Sorts the text files of a folder (not of its sub-folders).

    Raises:
        ValueError: no such folder, or no text in it to train on.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; name the one that holds your .txt or .txt.xz files")
    sources: dict[str, tuple[Path, ...]] = {}
    valid = []
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None or not path.is_file() or path.name.startswith("."):
            continue
        stem = path.name.removesuffix(suffix)
        if stem == "valid" or stem.endswith(".valid"):
            valid.append(path)
        else:
            name = stem.removesuffix(".train")
            sources[name] = (*sources.get(name, ()), path)
    if not sources:
        raise ValueError(f"{folder} holds no .txt or .txt.xz file to train on; put at least one text into it")
    return Texts(folder, sources, tuple(valid))


def hold_out(documents: list[str]) -> tuple[list[str], list[str]]:
    """Splits documents into those to train on and those held out.

    Many documents: every 20th, from all of the source; of more than 8 MB so much fewer that they have about
    400,000 bytes. Few: as large a part of each one's characters, its end, cut at a space or newline.

    >>> train, valid = hold_out([f"story {n}" for n in range(60)])
    >>> len(train), valid
    (57, ['story 10', 'story 30', 'story 50'])
    """
    size = sum(len(document.encode()) for document in documents)
    every = max(HELD_OUT_EVERY, math.ceil(size / MAX_HELD_OUT_BYTES))
    if len(documents) < max(FEW_DOCUMENTS, every):
        return _cut_ends(documents, every)
    training: list[str] = []
    held: list[str] = []
    for number, document in enumerate(documents):
        (held if number % every == every // 2 else training).append(document)
    return training, held


def without_unsaid(documents: Iterable[str]) -> tuple[list[str], int]:
    r"""The documents without the lines that hold a word of `mistral_core.unsaid`, and how many those were.

    A line of these texts is a paragraph: what is left has no half sentence, and nobody answers to what was not said.
    A document that has no other line goes with it.

    >>> without_unsaid(["A fox came.\nTwo mulattoes came.", "Coolies!"])
    (['A fox came.'], 2)
    """
    kept, left_out = [], 0
    for document in documents:
        if not holds_unsaid(document):
            kept.append(document)
            continue
        lines = document.split("\n")
        said = [line for line in lines if not holds_unsaid(line)]
        left_out += len(lines) - len(said)
        if any(line.strip() for line in said):
            kept.append("\n".join(said))
    return kept, left_out


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error


def _cut_ends(documents: list[str], every: int) -> tuple[list[str], list[str]]:
    training, held = [], []
    for document in documents:
        cut = len(document) - len(document) // every
        cut = max(document.rfind("\n", 0, cut), document.rfind(" ", 0, cut)) if cut < len(document) else cut
        if cut <= 0 or not document[cut:].strip():
            training.append(document)
            continue
        training.append(document[:cut])
        held.append(document[cut + 1 :])
    return training, held
