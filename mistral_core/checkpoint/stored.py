"""The tensors of a model folder as its files have them: which there are, one at a time, and the hash of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mistral_core.checkpoint.configuration import load_config
from mistral_core.checkpoint.folder import (
    GGUF,
    HUGGING_FACE,
    CheckpointError,
    detect_layout,
    one_message,
    refuse_pickle,
    weight_files,
)
from mistral_core.checkpoint.gguf_folder import header_of, kind_of, read_tensor
from mistral_core.checkpoint.tensors import add_to_hash, expected_shapes, file_name, from_half_split, rotary_heads
from mistral_core.config import MistralConfig, named, printable

CHANGED = "changed while the model was being read, so its parts may be of two versions; load it again"


@dataclass(frozen=True)
class Stored:
    """One tensor in a file: the file, its name there, and what the header says of it."""

    path: Path
    key: str
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> Tensor:
        """The tensor.

        Raises:
            CheckpointError: the file cannot be read, or is another one by now.
        """
        # The file is opened for each tensor: while it stays open, every page read of it counts as
        # memory of this process, and the peak would be twice the weights.
        try:
            with safe_open(self.path, framework="pt") as file:
                tensor = file.get_tensor(self.key)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{self.key} cannot be read from {self.path}: {printable(str(error), 200)}"
            ) from error
        if tuple(tensor.shape) != self.shape:
            raise CheckpointError(f"{self.path} {CHANGED}")
        return tensor


class Quantised(Stored):
    """A tensor of a GGUF file, read out of its blocks."""

    def read(self) -> Tensor:
        """The tensor, its blocks multiplied out."""
        header = header_of(self.path)
        return torch.from_numpy(read_tensor(header, header.tensors[self.key]))


def inventory(folder: Path, files: list[Path], layout: str) -> dict[str, Stored]:
    """Every tensor of a folder by its name in the file, from the headers alone.

    Raises:
        CheckpointError: weights missing, unreadable, or stored twice.
    """
    if layout == GGUF:
        tensors = header_of(files[0]).tensors
        return {name: Quantised(files[0], name, kind_of(tensor), tensor.shape) for name, tensor in tensors.items()}
    return _of_safetensors(folder, files)


def _of_safetensors(folder: Path, files: Iterable[Path]) -> dict[str, Stored]:
    stored: dict[str, Stored] = {}
    problems = []
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                keys = file.keys()
                for key in keys:
                    if key in stored:
                        problems.append(f"{named([key])} is both in {stored[key].path.name} and in {path.name}")
                    header = file.get_slice(key)
                    stored[key] = Stored(path, key, header.get_dtype(), tuple(header.get_shape()))
        except (SafetensorError, OSError) as error:
            problems.append(
                f"{path.name} is not a complete safetensors file ({printable(str(error), 200)}); copy it again"
            )
    if problems:
        raise CheckpointError(one_message(f"the weights in {folder} cannot be read", problems))
    return stored


def read_in_order(stored: Mapping[str, Stored], config: MistralConfig, layout: str, name: str) -> Tensor:
    """The tensor that Mistral calls `name`, its rows in Mistral's order.

    Raises:
        CheckpointError: as `Stored.read`.
    """
    tensor = stored[file_name(name, layout)].read()
    heads = rotary_heads(config, name) if layout == HUGGING_FACE else None
    return tensor if heads is None else from_half_split(tensor, heads)


def weights_hash(folder: Path) -> str:
    """The `model_hash` that this folder would be loaded with; its tensors are read one at a time, and none is kept.

    Raises:
        CheckpointError: the folder lacks weights, or they cannot be read. ValueError: its configuration is refused.
    """
    refuse_pickle(folder)
    layout, config, digest = detect_layout(folder), load_config(folder), hashlib.sha256()
    stored = inventory(folder, weight_files(folder, layout), layout)
    if missing := [name for name in expected_shapes(config) if file_name(name, layout) not in stored]:
        raise CheckpointError(one_message(f"the weights in {folder} do not fit its configuration", missing))
    for name in sorted(expected_shapes(config)):
        add_to_hash(digest, name, read_in_order(stored, config, layout, name))
    return digest.hexdigest()
