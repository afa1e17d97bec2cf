"""Model folders: loading and saving, in Mistral's layout and in Hugging Face's.

A folder is checked whole before a weight is read: everything that is missing, superfluous,
wrongly shaped or wrongly typed comes in one error. Then the network is built without memory
and filled tensor by tensor, so the peak is the weights in the compute dtype and one tensor more.

Only safetensors are read. Pickle files (.bin, .pt, .pth) are programs: opening one runs it.

Hugging Face stores the rows of wq and wk so that rotary pairs lie half a head apart; here and in
Mistral's files they are neighbours. Both directions are in this file.

Source: mistral-inference (names); transformers `convert_mistral_weights_to_hf.py`, `permute`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mistral_core.checkpoint.configuration import (
    HUGGING_FACE,
    INDEX_FILE,
    CheckpointError,
    config_to_hugging_face,
    detect_layout,
    expected_shapes,
    hugging_face_name,
    load_config,
    read_config,
    refuse_pickle,
    report,
    rotary_heads,
    weight_files,
)
from mistral_core.checkpoint.golden import GOLDEN_FILE
from mistral_core.config import MistralConfig
from mistral_core.model import Transformer
from mistral_core.tokenizer import SentencePieceTokenizer

__all__ = [
    "CheckpointError",
    "LoadedModel",
    "from_half_split",
    "hash_tensors",
    "load_config",
    "load_model",
    "save_hugging_face",
    "save_mistral",
    "to_half_split",
]

_FLOATS = {"BF16", "F16", "F32", "F64"}


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model ready to run. Its parameters take no gradient, so threads may share it.

    Attributes:
        model: the network, in the compute dtype on its device.
        tokenizer: of the folder.
        config: the network's shape.
        name: the folder's name.
        model_hash: SHA-256 of the weights as stored (see `hash_tensors`), the same in both layouts.
        folder: where it was read from.
        notices: sentences on what the files left open and what was assumed.
    """

    model: Transformer
    tokenizer: SentencePieceTokenizer
    config: MistralConfig
    name: str
    model_hash: str
    folder: Path
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Stored:
    """One tensor in a file: the file, its name there, and what the header says of it."""

    path: Path
    key: str
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> Tensor:
        # The file is opened for each tensor: while it stays open, every page read of it counts as
        # memory of this process, and the peak would be twice the weights.
        try:
            with safe_open(self.path, framework="pt") as file:
                return file.get_tensor(self.key)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self.key} cannot be read from {self.path}: {error}") from error


def load_model(
    folder: str | Path, *, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> LoadedModel:
    """Loads a model folder of either layout.

    Args:
        folder: holds the configuration, the weights as safetensors, and `tokenizer.model`.
        dtype: compute dtype, whatever the file has.
        device: where the weights go, one tensor at a time.

    Raises:
        CheckpointError: the folder is incomplete, damaged or not of this network; all defects of the
            tensors are listed together.
        ValueError: the configuration or the tokenizer is refused.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"dtype is {dtype}; a network computes in floating point, for example torch.float32")
    folder = Path(folder)
    refuse_pickle(folder)
    layout = detect_layout(folder)
    config, notices = read_config(folder)
    tokenizer = _load_tokenizer(folder, config)
    stored = _inventory(folder, layout)
    _check(stored, config, folder)
    state, model_hash = _read_weights(stored, config, layout, dtype, torch.device(device))
    model = _network_without_memory(config)
    model.load_state_dict(state, assign=True)
    return LoadedModel(
        model=model.requires_grad_(False).eval(),
        tokenizer=tokenizer,
        config=config,
        name=folder.resolve().name,
        model_hash=model_hash,
        folder=folder,
        notices=notices,
    )


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


def from_half_split(weight: Float[Tensor, "rows dim"], heads: int) -> Float[Tensor, "rows dim"]:
    """Rows of wq or wk from Hugging Face's order to Mistral's: `(0, d/2, 1, d/2 + 1, ...)` in each head.

    >>> from_half_split(torch.arange(8.0)[:, None], heads=2).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
    """
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def to_half_split(weight: Float[Tensor, "rows dim"], heads: int) -> Float[Tensor, "rows dim"]:
    """The inverse of `from_half_split`: features `(0, 2, 4, ..., 1, 3, 5, ...)` of each head."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def hash_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over name, dtype, shape and bytes of tensors, in the order given.

    The hash of a model takes them by Mistral's names, sorted, in Mistral's row order and in the
    dtype of the file.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors:
        _add_to_hash(digest, name, tensor)
    return digest.hexdigest()


def _add_to_hash(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())


class _NoInitialisation(TorchFunctionMode):
    """Leaves new parameters as they are: random numbers nobody reads would cost most of the load time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.nn.init.kaiming_uniform_, torch.nn.init.normal_, Tensor.normal_):
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _network_without_memory(config: MistralConfig) -> Transformer:
    with torch.device("meta"), _NoInitialisation():
        return Transformer(config)


def _read_weights(
    stored: Mapping[str, _Stored], config: MistralConfig, layout: str, dtype: torch.dtype, device: torch.device
) -> tuple[dict[str, Tensor], str]:
    """All tensors by Mistral's names, converted one at a time, and the hash of what the file has."""
    state: dict[str, Tensor] = {}
    blocks: dict[str, Tensor] = {}
    damaged, digest = [], hashlib.sha256()
    for name in sorted(expected_shapes(config)):
        tensor = stored[_file_name(name, layout)].read()
        heads = rotary_heads(config, name) if layout == HUGGING_FACE else None
        if heads is not None:
            tensor = from_half_split(tensor, heads)
        _add_to_hash(digest, name, tensor)
        state[name] = _room(name, config, blocks, dtype, device).copy_(tensor)
        low, high = state[name].amin(), state[name].amax()  # aminmax would copy what lies by columns
        if not (low.isfinite() and high.isfinite()):
            damaged.append(f"{name} holds NaN or infinite numbers when read as {str(dtype).removeprefix('torch.')}")
    if damaged:
        raise CheckpointError(report("the weights cannot be computed with", damaged))
    return state, digest.hexdigest()


SIDE_BY_SIDE = (("wq", "wk", "wv"), ("w1", "w3"))
"""Projections of the same input; see `projection.together`."""


def _room(
    name: str, config: MistralConfig, blocks: dict[str, Tensor], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Memory for one tensor, laid out so that one token is multiplied by it fast (every choice measured).

    Projections of the same input lie by columns, side by side in one block (kept in `blocks` from the
    first of them on). Other matrices with at least as many outputs as inputs lie by columns too: the
    same shape, other strides. The rest, and the embedding, lie by rows.
    """
    shapes = expected_shapes(config)
    shape = shapes[name]
    *path, part = name.removesuffix(".weight").split(".")
    for members in SIDE_BY_SIDE:
        if part in members:
            names = [".".join([*path, member, "weight"]) for member in members]
            sizes = [shapes[member][0] for member in names]
            if names[0] not in blocks:
                blocks[names[0]] = torch.empty(shape[1], sum(sizes), dtype=dtype, device=device)
            return blocks[names[0]].t().split(sizes)[members.index(part)]
    if len(shape) == 2 and shape[0] >= shape[1] and name != "tok_embeddings.weight":
        return torch.empty(*reversed(shape), dtype=dtype, device=device).t()
    return torch.empty(*shape, dtype=dtype, device=device)


def _file_name(name: str, layout: str) -> str:
    return hugging_face_name(name) if layout == HUGGING_FACE else name


def _inventory(folder: Path, layout: str) -> dict[str, _Stored]:
    """Every tensor of a folder by its name in the file, from the headers alone.

    Raises:
        CheckpointError: weights missing, unreadable, or stored twice.
    """
    stored: dict[str, _Stored] = {}
    problems = []
    for path in weight_files(folder, layout):
        try:
            with safe_open(path, framework="pt") as file:
                keys = file.keys()
                for key in keys:
                    if key in stored:
                        problems.append(f"{key} is both in {stored[key].path.name} and in {path.name}")
                    header = file.get_slice(key)
                    stored[key] = _Stored(path, key, header.get_dtype(), tuple(header.get_shape()))
        except (SafetensorError, OSError) as error:
            problems.append(f"{path.name} is not a complete safetensors file ({error}); copy it again")
    if problems:
        raise CheckpointError(report(f"the weights in {folder} cannot be read", problems))
    return stored


def _check(stored: dict[str, _Stored], config: MistralConfig, folder: Path) -> None:
    """Compares the headers with the network; drops what is derived from the configuration.

    Raises:
        CheckpointError: lists every missing, extra, wrongly shaped and wrongly typed tensor.
    """
    layout = detect_layout(folder)
    expected = {_file_name(name, layout): shape for name, shape in expected_shapes(config).items()}
    derived = {key for key in stored if key.endswith("rotary_emb.inv_freq")}
    output = _file_name("output.weight", layout)
    problems = [f"missing: {key} {list(shape)}" for key, shape in expected.items() if key not in stored]
    for key, found in stored.items():
        if key in expected:
            if found.shape != expected[key]:
                problems.append(f"wrong shape: {key} is {list(found.shape)}, must be {list(expected[key])}")
            if found.dtype not in _FLOATS:
                problems.append(f"wrong type: {key} is {found.dtype}, must be one of {', '.join(sorted(_FLOATS))}")
        elif key == output and config.tied_embeddings:
            embedding = stored.get(_file_name("tok_embeddings.weight", layout))
            if embedding and not torch.equal(found.read(), embedding.read()):
                problems.append(f"extra: {key} differs from the embedding, to which the configuration ties it")
        elif key not in derived:
            problems.append(f"extra: {key} {list(found.shape)} belongs to no part of this network")
    if problems:
        raise CheckpointError(report(f"the weights in {folder} do not fit its configuration", problems))


def _load_tokenizer(folder: Path, config: MistralConfig) -> SentencePieceTokenizer:
    path = folder / "tokenizer.model"
    if not path.is_file():  # later Mistral releases number it: tokenizer.model.v3
        path = max(folder.glob("tokenizer.model.v*"), default=path, key=lambda found: found.name)
    others = [name for name in ("tekken.json", "tokenizer.json") if (folder / name).is_file()]
    if not path.is_file() and others:
        raise CheckpointError(f"{folder} has its tokenizer in {' and '.join(others)}; a tokenizer.model is needed")
    tokenizer = SentencePieceTokenizer(path)
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"{path} has {tokenizer.vocab_size} tokens, but the network only {config.vocab_size}; "
            f"take the tokenizer that the model was trained with"
        )
    return tokenizer


def _state(model: Transformer, dtype: torch.dtype | None) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}


def _prepare(folder: str | Path, written: set[str]) -> Path:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    layout_files = {"params.json", "config.json", INDEX_FILE}
    found = {path.name for path in folder.iterdir() if path.suffix == ".safetensors" or path.name in layout_files}
    if others := sorted(found - written - {GOLDEN_FILE}):
        raise ValueError(f"{folder} already holds {', '.join(others)}; save into another folder, or remove them")
    return folder


def _write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    unfinished = path.with_name(path.name + ".part")
    save_file(tensors, unfinished, metadata={"format": "pt"})
    os.replace(unfinished, path)


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _copy_tokenizer(source: str | Path | None, folder: Path) -> None:
    target = folder / "tokenizer.model"
    if source is not None and Path(source).resolve() != target.resolve():
        shutil.copyfile(source, target)
