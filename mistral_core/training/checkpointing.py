"""What a run must remember, written so that no moment of a power cut leaves nothing.

A checkpoint is one safetensors file: weights, the optimisers' state, and in its header the counters
and a SHA-256 of all tensors and one of the counters. It is written under another name, flushed to
the disk and renamed; the two newest stay. Reading takes the newest one whose hashes are right: a
damaged one falls back to the one before, with a sentence.

No random state is stored because there is none: dropout and order of the text are functions of
(seed, step), and the step is a counter.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mistral_core.checkpoint.tensors import hash_tensors

KEPT = 2
"""Checkpoints that stay."""
_HEADER = "training"


@dataclass(frozen=True)
class Stored:
    """A checkpoint read back.

    Attributes:
        path: its file.
        tensors: by the names under which they were given.
        counters: JSON values.
        notices: sentences on damaged checkpoints that were passed over.
    """

    path: Path
    tensors: dict[str, Tensor]
    counters: dict[str, Any]
    notices: tuple[str, ...] = ()


@dataclass
class Progress:
    """The counters of a run, stored with its weights.

    Attributes:
        step: steps done.
        dealt: pieces of each source so far.
        best_bits, best_step: the best validation and when.
        stale: validations since then.
        seconds: spent in steps, over all starts.
        losses, counted: sum and number of the losses since the last line of the diary.
        ended: why the run is over; "" while it is not.
        validations: (step, bits per byte) so far.
        choice: how it computes.
    """

    step: int = 0
    dealt: dict[str, int] = field(default_factory=dict)
    best_bits: float | None = None
    best_step: int = 0
    stale: int = 0
    seconds: float = 0.0
    losses: float = 0.0
    counted: int = 0
    ended: str = ""
    validations: list[list[int | float]] = field(default_factory=list)
    choice: dict[str, Any] = field(default_factory=dict)


def write_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> Path:
    """Writes the checkpoint of a step and removes those before the last two.

    One of a later step can only be damaged, or the run would have gone on from it; it goes too.

    Raises:
        OSError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    path = folder / f"checkpoint-{step:09d}.safetensors"
    write_tensors(path, tensors, counters)
    earlier = [stored for stored in checkpoints(folder) if stored.name <= path.name]
    for stored in checkpoints(folder):
        if stored not in earlier[-KEPT:]:
            stored.unlink(missing_ok=True)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    return sorted(folder.glob("checkpoint-*.safetensors"))


def read_newest(folder: Path) -> Stored | None:
    """The newest checkpoint that is whole; `None` where the run has none.

    Raises:
        ValueError: there are checkpoints and all are damaged.
    """
    notices: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            tensors, counters = read_tensors(path)
        except ValueError as error:
            notices.append(f"{error}; going on from the checkpoint before it")
            continue
        return Stored(path, tensors, counters, tuple(notices))
    if notices:
        raise ValueError(
            f"every checkpoint in {folder} is damaged; copy them again from a backup, or remove them to start over"
        )
    return None


def remove_unfinished(folder: Path) -> None:
    """Removes what a killed run left half written; each file is as large as a checkpoint."""
    for path in folder.glob("*.safetensors.part"):
        path.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
    """Writes tensors with counters and a hash, all or nothing.

    Raises:
        OSError: the file cannot be written; what was there before stays.
    """
    given = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    header = {"counters": dict(counters), "counters_sha256": _hash_counters(counters), "sha256": _hash(given)}
    content = save(given, metadata={_HEADER: json.dumps(header)})
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `write_tensors` wrote.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        if _hash(tensors) != header["sha256"]:
            raise ValueError("its tensors do not have the hash that its header states")
        if header.get("counters_sha256", stated := _hash_counters(header["counters"])) != stated:
            raise ValueError("its counters do not have the hash that its header states")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    return {name: tensor.clone() for name, tensor in tensors.items()}, header["counters"]


def as_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies for a network that is trained: float32, each in memory of its own."""
    return {name: tensor.detach().to(torch.float32).clone().contiguous() for name, tensor in tensors.items()}


def _hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, types and numbers; numbers without an axis (AdamW counts so) included."""
    return hash_tensors((f"{name} {list(tensor.shape)}", tensor.reshape(-1)) for name, tensor in tensors.items())


def _hash_counters(counters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(counters), sort_keys=True).encode()).hexdigest()


def _flush_folder(folder: Path) -> None:
    """Makes the rename itself durable, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
