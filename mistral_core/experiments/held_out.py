"""The text on which experiments measure losses: eight stories that come with the repository, or a file that one names.

The bundled stories were written for these experiments, so no model was trained on them. They are few; whoever has
more held-out text names a file of it (plain or .xz) in the environment variable MISTRAL_HELD_OUT, and a finding says
which text it read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mistral_core.analysis.evaluation import read_documents
from mistral_core.experiments.finding import Table
from mistral_core.experiments.record import BUNDLED, VARIABLE


@dataclass(frozen=True)
class HeldOut:
    """A text that none of the models was trained on.

    Attributes:
        documents: of it. name: of its file. size: of the documents, bytes in UTF-8.
    """

    documents: tuple[str, ...]
    name: str
    size: int


def held_out(quick: bool) -> HeldOut:
    """The bundled stories in the quick form; else the file that the variable names, where it does.

    Raises:
        ValueError: the file cannot be read, or holds no text.
    """
    named = "" if quick else os.environ.get(VARIABLE, "")
    path = Path(named).expanduser() if named else BUNDLED
    documents = tuple(read_documents(path))
    return HeldOut(documents, path.name, sum(len(one.encode()) for one in documents))


def text_table(text: HeldOut) -> Table:
    """Which text was read."""
    return Table(
        name="text",
        title=f"Held-out text that was read ({VARIABLE} names another one for the long form)",
        source="recorded",
        columns=("file", "documents", "bytes"),
        rows=((text.name, len(text.documents), text.size),),
    )
