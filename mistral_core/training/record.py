"""`training.json`: what a card says of how a model came to be, for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORD_FILE = "training.json"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record beside a model; `None` where there is none that can be read."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Puts it there."""
    (folder / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def unmet_seed(folder: Path) -> int:
    """The first seed above those that a model was trained with; 0 where none is on record.

    A seed decides in which order the pieces of a text come. A training that goes on from a model with a seed that
    it was trained with deals it the same pieces again, and it learns those by heart while it never sees the others.
    """
    return max(_seeds(read_record(folder)), default=-1) + 1


def _seeds(record: dict[str, Any] | None) -> list[int]:
    """Of the training on record, or of those whose mean the model is."""
    if record is None:
        return []
    try:
        own = [int(record["run"]["settings"]["seed"])]
    except (KeyError, TypeError, ValueError):
        own = []
    parts = record.get("mean_of")
    return own + [seed for part in parts or () for seed in _seeds(part.get("training"))]
