"""Loading a model folder, in Mistral's layout, in Hugging Face's, or with a GGUF file.

A folder is checked whole before a weight is read: everything that is missing, superfluous,
wrongly shaped or wrongly typed comes in one error. Then the network is built without memory
and filled tensor by tensor, so the peak is the weights in the compute dtype and one tensor more.

What is loaded is a `FastTransformer`, and its weights lie in memory as that wants them (`fast.py`); on request they
are kept in fewer bytes (`narrow.py`).

Source: mistral-inference (names); transformers `convert_mistral_weights_to_hf.py`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mistral_core.analysis.accounting import loading_bytes
from mistral_core.analysis.progress import Report, silent
from mistral_core.checkpoint.configuration import read_published
from mistral_core.checkpoint.fast import FastTransformer, NoInitialisation, room
from mistral_core.checkpoint.folder import (
    GGUF,
    CheckpointError,
    detect_layout,
    one_message,
    refuse_pickle,
    versions_of,
    weight_files,
)
from mistral_core.checkpoint.gguf_folder import READ
from mistral_core.checkpoint.golden import GOLDEN_FILE, load_golden
from mistral_core.checkpoint.narrow import NARROW, Weights, computes, kept
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.stored import CHANGED, Stored, inventory, read_in_order
from mistral_core.checkpoint.tensors import add_to_hash, expected_shapes, file_name
from mistral_core.checkpoint.tokenizers import load_tokenizer, rewriting_notice, tokenizer_model_of
from mistral_core.config import MistralConfig, brief, named
from mistral_core.memory import free_bytes, gibibytes
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer

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
        trained_context: tokens of the longest text that it was trained on, by its files' own word; `None` = they do
            not say. It limits nothing.
        weights: how the matrices are kept. computes: a sentence on what is multiplied how, on this processor.
    """

    model: Transformer
    tokenizer: Tokenizer
    config: MistralConfig
    name: str
    model_hash: str
    folder: Path
    notices: tuple[str, ...] = ()
    trained_context: int | None = None
    weights: Weights = "float32"
    computes: str = ""

    @property
    def tokenizer_file(self) -> Path:
        """The `tokenizer.model` of the folder, for what is made from this model.

        Raises:
            ValueError: its tokenizer lies in a file of another kind.
        """
        path = tokenizer_model_of(self.tokenizer)
        if path is None:
            held = getattr(self.tokenizer, "path", self.folder).name
            raise ValueError(f"{self.folder} has its tokenizer in {held}; only a tokenizer.model can be passed on")
        return path


def load_model(
    folder: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    weights: Weights = "float32",
    report: Report = silent,
) -> LoadedModel:
    """Loads a model folder of any layout.

    Args:
        folder: holds the configuration, the weights as safetensors and a tokenizer (`tokenizers.py`); or a GGUF file.
        dtype: compute dtype, whatever the file has.
        device: where the weights go, one tensor at a time.
        weights: "float32" = the matrices are kept in `dtype`; "bfloat16" and "int8" keep them in 2 bytes or 1, and
            compute in float32. What is bfloat16 in a safetensors file is then mapped: leave the file as it is.
        report: how many tensors have been read.

    Raises:
        CheckpointError: the folder is incomplete, damaged, not of this network, changes meanwhile, is not the
            bundled model that it was, or computes nothing; all defects of the tensors come together.
        ValueError: the configuration or the tokenizer is refused.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"dtype is {dtype}; a network computes in floating point, for example torch.float32")
    device = torch.device(device)
    _refuse_kind(weights, dtype, device)
    folder = Path(folder)
    refuse_pickle(folder)
    layout = detect_layout(folder)
    versions = versions_of([*folder.glob("*.json"), *folder.glob("tokenizer.model*"), *folder.glob("*.gguf")])
    published = read_published(folder)
    config = published.config
    tokenizer = _fitting_tokenizer(folder, config)
    files = weight_files(folder, layout)
    versions |= versions_of(files)
    stored = inventory(folder, files, layout)
    _check(stored, config, folder)
    _refuse_too_large(config, dtype, device, folder, weights)
    state, model_hash = _read_weights(stored, config, layout, _Place(config, dtype, device, weights), report)
    if changed := [path for path, version in versions.items() if versions_of([path]) != {path: version}]:
        raise CheckpointError(f"{changed[0]} {CHANGED}")
    _refuse_exchanged_bundle(folder, model_hash)
    model = _network_without_memory(config, weights)
    model.load_state_dict(state, assign=True)
    model.requires_grad_(False).eval()
    _refuse_noise(model, tokenizer.bos_id, folder)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        config=config,
        name=folder.resolve().name,
        model_hash=model_hash,
        folder=folder,
        notices=(*published.notices, *rewriting_notice(tokenizer)),
        trained_context=published.trained_context,
        weights=weights,
        computes=computes(weights) if dtype == torch.float32 else f"weights and everything else in {_name(dtype)}",
    )


def _refuse_kind(weights: Weights, dtype: torch.dtype, device: torch.device) -> None:
    """Refuses a kind of weights that there is not, or not with these other choices."""
    if weights != "float32" and weights not in NARROW:
        raise ValueError(f"weights is {weights!r}; it must be float32, {' or '.join(NARROW)}")
    if weights == "float32" or (dtype == torch.float32 and device.type == "cpu"):
        return
    what = f"on {device.type}" if device.type != "cpu" else f"in {_name(dtype)}"
    raise ValueError(f"weights in {weights} compute in float32 on the cpu, not {what}; leave one of the two out")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _refuse_too_large(
    config: MistralConfig, dtype: torch.dtype, device: torch.device, folder: Path, weights: Weights
) -> None:
    """Compares what the weights will take with what is free, before anything is taken."""
    sizes = [math.prod(shape) for shape in expected_shapes(config).values()]
    free = free_bytes()
    needs = {kind: size for kind, size in loading_bytes(config).items() if kind in NARROW}
    need = needs.get(weights, sum(sizes) * dtype.itemsize + max(sizes) * 4)  # and one tensor as the file has it
    if device.type != "cpu" or free is None or need <= free:
        return
    remedy = "free memory, or take a smaller model"
    if fits := [kind for kind, size in needs.items() if size < need and size <= free]:
        remedy = f"load it as {fits[0]}, which needs {gibibytes(needs[fits[0]])}, or free memory"
    raise CheckpointError(
        f"{folder.name} has {sum(sizes):,} weights and needs {gibibytes(need)} as "
        f"{weights if weights in needs else _name(dtype)}, but {gibibytes(free)} are free; {remedy}"
    )


def _refuse_exchanged_bundle(folder: Path, model_hash: str) -> None:
    """Compares the weights of a bundled model with the hash that lies beside them; it has been computed anyway."""
    if folder.resolve().parent != bundled_root().resolve():
        return
    golden = load_golden(folder)
    if golden is not None and golden.model_hash != model_hash:
        raise CheckpointError(
            f"the weights of {folder.name} have the hash {model_hash[:12]} and not those {golden.model_hash[:12]} "
            f"that came with this program; copy the folder again, or remove {GOLDEN_FILE} if you trained it anew"
        )


def _refuse_noise(model: Transformer, first: int, folder: Path) -> None:
    """Reads one token: weights can be finite one by one and still overflow together, or say nothing at all."""
    with torch.inference_mode():
        logits = model(torch.tensor([[first]]))
    finite = bool(logits.isfinite().all())
    if not finite or not logits.any():
        what = "all 0" if finite else "not finite"
        raise CheckpointError(
            f"the network in {folder} computes nothing: its logits after the first token are {what} "
            f"in {_name(logits.dtype)}; copy the weights again, or load them in a wider dtype"
        )


def _network_without_memory(config: MistralConfig, weights: Weights) -> Transformer:
    with torch.device("meta"), NoInitialisation():
        return NARROW.get(weights, FastTransformer)(config)


class _Place:
    """Where the tensors go, one at a time."""

    def __init__(self, config: MistralConfig, dtype: torch.dtype, device: torch.device, weights: Weights) -> None:
        self.config, self.dtype, self.device, self.weights = config, dtype, device, weights
        self.blocks: dict[str, Tensor] = {}

    def keep(self, name: str, tensor: Tensor) -> dict[str, Any]:
        """What is kept of a tensor, by its names in the network's `state_dict`."""
        if self.weights in NARROW:
            return kept(name, tensor, self.config, self.weights)
        return {name: room(name, self.config, self.blocks, self.dtype, self.device).copy_(tensor)}


def _read_weights(
    stored: Mapping[str, Stored], config: MistralConfig, layout: str, place: _Place, report: Report
) -> tuple[dict[str, Any], str]:
    """All tensors by Mistral's names, converted one at a time, and the hash of what the file has."""
    state: dict[str, Any] = {}
    damaged, digest = [], hashlib.sha256()
    names = sorted(expected_shapes(config))
    for done, name in enumerate(names):
        report(done, len(names), name)
        tensor = read_in_order(stored, config, layout, name)
        add_to_hash(digest, name, tensor)
        found = place.keep(name, tensor)
        if not all(_finite(part) for part in found.values()):
            damaged.append(f"{name} holds NaN or infinite numbers when read as {_name(place.dtype)}")
        state |= found
    if damaged:
        raise CheckpointError(one_message("the weights cannot be computed with", damaged))
    return state, digest.hexdigest()


def _finite(part: Any) -> bool:
    """Whether all numbers of what is kept are; those of whole numbers are if their scales are."""
    numbers = part if isinstance(part, Tensor) else part.scale
    return bool(numbers.amin().isfinite() and numbers.amax().isfinite())  # aminmax would copy what lies by columns


def _check(stored: dict[str, Stored], config: MistralConfig, folder: Path) -> None:
    """Compares the headers with the network; drops what is derived from the configuration.

    Raises:
        CheckpointError: lists every missing, extra, wrongly shaped and wrongly typed tensor.
    """
    layout = detect_layout(folder)
    readable = set(READ) if layout == GGUF else _FLOATS
    expected = {file_name(name, layout): shape for name, shape in expected_shapes(config).items()}
    derived = {key for key in stored if key.endswith("rotary_emb.inv_freq")}
    output = file_name("output.weight", layout)
    problems = [f"missing: {key} {list(shape)}" for key, shape in expected.items() if key not in stored]
    for key, tensor in stored.items():
        if key in expected:
            if tensor.shape != expected[key]:
                problems.append(f"wrong shape: {key} is {brief(list(tensor.shape))}, must be {list(expected[key])}")
            if tensor.dtype not in readable:
                problems.append(f"wrong type: {key} is {tensor.dtype}, must be one of {', '.join(sorted(readable))}")
        elif key == output and config.tied_embeddings:
            embedding = stored.get(file_name("tok_embeddings.weight", layout))
            if embedding and not torch.equal(tensor.read(), embedding.read()):
                problems.append(f"extra: {key} differs from the embedding, to which the configuration ties it")
        elif key not in derived:
            problems.append(f"extra: {named([key])} {brief(list(tensor.shape))} belongs to no part of this network")
    if problems:
        raise CheckpointError(one_message(f"the weights in {folder} do not fit its configuration", problems))


def _other(folder: Path, tokenizer: Tokenizer) -> str:
    """Where the missing tokens may be: a fine-tuning puts its own into tokenizer.json alone."""
    if tokenizer_model_of(tokenizer) and (folder / "tokenizer.json").is_file():
        return "take its tokenizer.model out of the folder, and tokenizer.json is read, which may have them"
    return "take the tokenizer that the model was trained with, or cut these rows off its embedding and output"


def _fitting_tokenizer(folder: Path, config: MistralConfig) -> Tokenizer:
    """The folder's tokenizer, with a token for each row of the embedding and no more."""
    tokenizer = load_tokenizer(folder)
    path = getattr(tokenizer, "path", folder)
    if tokenizer.vocab_size < config.vocab_size:
        raise CheckpointError(
            f"{path} has {tokenizer.vocab_size} tokens, but the network has {config.vocab_size}: tokens "
            f"{tokenizer.vocab_size} to {config.vocab_size - 1} would have no text; {_other(folder, tokenizer)}"
        )
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"{path} has {tokenizer.vocab_size} tokens, but the network only {config.vocab_size}; "
            f"take the tokenizer that the model was trained with"
        )
    return tokenizer
