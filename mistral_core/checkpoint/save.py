"""Saving a model as a folder, in Mistral's layout or in Hugging Face's.

Weights appear under their name only when complete. A folder that holds weights of the other layout is
refused: nobody could say which of them is the model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from mistral_core.checkpoint.configuration import config_to_hugging_face
from mistral_core.checkpoint.folder import INDEX_FILE
from mistral_core.checkpoint.golden import GOLDEN_FILE
from mistral_core.checkpoint.tensors import hugging_face_name, rotary_heads, to_half_split
from mistral_core.model import Transformer
from mistral_core.writing import write_whole


def save_mistral(
    model: Transformer, folder: str | Path, tokenizer_path: str | Path | None = None, dtype: torch.dtype | None = None
) -> None:
    """Writes `params.json`, `consolidated.safetensors` and, if given, `tokenizer.model`.

    Args:
        model: what is saved.
        folder: made if need be; weights of the same layout in it are replaced.
        tokenizer_path: copied beside the weights.
        dtype: of the file; default: the model's.

    Raises:
        WriteError: the target is full or not writable.
        ValueError: the folder holds weights that would make it ambiguous.
    """
    folder = _prepare(folder, {"params.json", "consolidated.safetensors"})
    _write_tensors(_state(model, dtype), folder / "consolidated.safetensors")
    _write_json(model.config.to_params(), folder / "params.json")
    _copy_tokenizer(tokenizer_path, folder)


def save_hugging_face(
    model: Transformer, folder: str | Path, tokenizer_path: str | Path | None = None, dtype: torch.dtype | None = None
) -> None:
    """Writes `config.json`, `model.safetensors` and, if given, `tokenizer.model`; see `save_mistral`.

    Raises:
        ValueError: layers with different windows (the format has one), or an ambiguous folder.
    """
    state = _state(model, dtype)
    config = model.config
    content = config_to_hugging_face(config, str(state["norm.weight"].dtype).removeprefix("torch."))
    folder = _prepare(folder, {"config.json", "model.safetensors"})
    converted = {}
    for name, tensor in state.items():
        heads = rotary_heads(config, name)
        converted[hugging_face_name(name)] = tensor if heads is None else to_half_split(tensor, heads)
    _write_tensors(converted, folder / "model.safetensors")
    _write_json(content, folder / "config.json")
    _copy_tokenizer(tokenizer_path, folder)


def _state(model: Transformer, dtype: torch.dtype | None) -> dict[str, Tensor]:
    state = model.state_dict()
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError("the weights of this model are rounded to int8; to save it, load it with float32 weights")
    return {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()}


def _prepare(folder: str | Path, written: set[str]) -> Path:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    layout_files = {"params.json", "config.json", INDEX_FILE}
    present = {path.name for path in folder.iterdir() if path.suffix == ".safetensors" or path.name in layout_files}
    if others := sorted(present - written - {GOLDEN_FILE}):
        raise ValueError(f"{folder} already holds {', '.join(others)}; save into another folder, or remove them")
    return folder


def _write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    write_whole(path, lambda part: save_file(tensors, part, metadata={"format": "pt"}))


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _copy_tokenizer(source: str | Path | None, folder: Path) -> None:
    target = folder / "tokenizer.model"
    if source is not None and Path(source).resolve() != target.resolve():
        shutil.copyfile(source, target)
