"""A folder with a GGUF file: the network that it describes and its weights.

Such files carry everything in one: numbers of the architecture, weights, many of them quantised in blocks, and the
vocabulary (`gguf_tokenizer.py`). Of their architectures "llama" is this network, without a window unless the file
names one. Their rows of wq and wk lie in the adjacent-pair order of Mistral's own files, not in Hugging Face's.

Source: llama.cpp, `gguf-py/gguf/constants.py` (names), `convert_hf_to_gguf.py` (`permute`, the order of rows).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mistral_core.checkpoint.folder import CheckpointError, in_words
from mistral_core.checkpoint.gguf_header import Header, StoredTensor, bytes_of, read_header
from mistral_core.config import V01_ROPE_THETA, MistralConfig, brief, named

ARCHITECTURE = "llama"
READ = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
"""Types of tensors that are read, as the package calls them."""
_FIELDS = {
    "embedding_length": "dim",
    "block_count": "n_layers",
    "attention.head_count": "n_heads",
    "attention.head_count_kv": "n_kv_heads",
    "feed_forward_length": "hidden_dim",
    "attention.layer_norm_rms_epsilon": "norm_eps",
}
_USED = {"rope.freq_base", "rope.dimension_count", "attention.key_length", "attention.value_length", "vocab_size"}
_USED |= {"attention.sliding_window", "expert_count", "expert_used_count", "rope.scaling.type"}
_NUMBERS = {"attention.layer_norm_rms_epsilon", "rope.freq_base"}
_WHOLE = (set(_FIELDS) | {"attention.key_length", "attention.value_length", "rope.dimension_count"}) - _NUMBERS
_WHOLE |= {"attention.sliding_window"}
_NO_EFFECT = {"context_length", "tensor_data_layout"}


@lru_cache(maxsize=2)
def _header(path: Path, size: int, changed: int) -> Header:
    return read_header(path)


def header_of(path: Path) -> Header:
    """The header of a file, read once for each version of it.

    Raises:
        CheckpointError: as `read_header`.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return _header(path, stat.st_size, stat.st_mtime_ns)


def config_from_gguf(header: Header) -> tuple[MistralConfig, tuple[str, ...]]:
    """The shape of the network that a file describes, and what was assumed.

    Raises:
        CheckpointError: another architecture, something that changes the network and is not known here, or no
            embedding.
    """
    values, path = header.values, header.path
    architecture = values.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise CheckpointError(
            f"{path} holds the architecture {brief(architecture)}; only {ARCHITECTURE!r} is this network "
            f"(Mistral's models are of it, and so are Llama 2, TinyLlama and SmolLM2)"
        )
    own = {key.removeprefix("llama."): value for key, value in values.items() if key.startswith("llama.")}
    problems = [f"it lacks llama.{key}" for key in _FIELDS if key not in own and key != "attention.head_count_kv"]
    problems += _foreign(own, header) + _no_numbers(own)
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        problems.append("it has no matrix token_embd.weight, the embedding of its tokens")
    if problems or embedding is None:
        raise CheckpointError(f"{path} describes no network that can be run here: {in_words(problems)}", problems)
    own.setdefault("attention.head_count_kv", own["attention.head_count"])
    theta, rows = own.get("rope.freq_base"), embedding.shape[0]
    notices = []
    if theta is None:
        notices.append(f"{path.name} names no rope.freq_base; taking {V01_ROPE_THETA:g}, llama.cpp's default")
    if own.get("vocab_size", rows) != rows:
        notices.append(f"{path.name} says vocab_size {brief(own['vocab_size'])}; taking the embedding's {rows} rows")
    numbers: dict[str, Any] = {field: own[key] for key, field in _FIELDS.items()}
    numbers["norm_eps"] = float(numbers["norm_eps"])
    config = MistralConfig(
        **numbers,
        head_dim=_head_dim(own, path),
        vocab_size=rows,
        rope_theta=float(V01_ROPE_THETA if theta is None else theta),
        sliding_window=own.get("attention.sliding_window") or None,  # llama.cpp writes 0 for none
        tied_embeddings="output.weight" not in header.tensors,
    )
    return config, tuple(notices)


def _no_numbers(own: dict[str, Any]) -> list[str]:
    """Sentences on values of another kind: a file can say "32", 32.5 or a list of a number for each layer."""
    problems = []
    for key in sorted(_WHOLE | _NUMBERS):
        value, kinds = own.get(key, 1), int if key in _WHOLE else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            one = "one whole number" if key in _WHOLE else "one number"
            problems.append(f"llama.{key} is {brief(value)}; it must be {one} for all layers")
    return problems


def _foreign(own: dict[str, Any], header: Header) -> list[str]:
    """Sentences on what makes it another network than Mistral's."""
    problems = []
    for key in ("expert_count", "expert_used_count"):
        if own.get(key, 0) != 0:
            problems.append(f"llama.{key} is {brief(own[key])}: a mixture of experts is another network")
    if own.get("rope.scaling.type", "none") != "none":
        problems.append(
            f"llama.rope.scaling.type is {brief(own['rope.scaling.type'])}, but Mistral's angles are not scaled"
        )
    if "rope_freqs.weight" in header.tensors:
        problems.append("rope_freqs.weight scales the rotary angles, and Mistral's are not scaled")
    if biases := sorted(name for name in header.tensors if name.endswith(".bias")):
        problems.append(f"{named(biases[:1])} is a bias, and Mistral's projections have none")
    if unknown := sorted(set(own) - set(_FIELDS) - _USED - _NO_EFFECT):
        problems.append(f"unknown keys {named([f'llama.{key}' for key in unknown])} may change the network")
    return problems


def _head_dim(own: dict[str, Any], path: Path) -> int:
    """The width of a head, which up to four keys say; they must agree."""
    dim, heads = own["embedding_length"], own["attention.head_count"]
    widths = [
        own[key] for key in ("attention.key_length", "attention.value_length", "rope.dimension_count") if key in own
    ]
    if not widths and heads > 0 and dim % heads == 0:
        return dim // heads
    if len(set(widths)) != 1:
        raise CheckpointError(
            f"{path} gives a head the widths {widths or 'none'}, with {dim} numbers on {heads} heads; "
            f"keys, values and rotary pairs must have the same one"
        )
    return int(widths[0])


def kind_of(tensor: StoredTensor) -> str:
    """The name of a tensor's type."""
    from gguf.constants import GGMLQuantizationType

    try:
        return GGMLQuantizationType(tensor.kind).name
    except ValueError:
        return f"type {tensor.kind}"


def read_tensor(header: Header, tensor: StoredTensor) -> np.ndarray:
    """A tensor's numbers in float32, out of their blocks; only the pages of this tensor are read.

    Raises:
        CheckpointError: a type that is not read here.
    """
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    size = bytes_of(tensor)
    if size is None or kind_of(tensor) not in READ:
        raise CheckpointError(f"{tensor.name} is stored as {kind_of(tensor)}; read are {', '.join(READ)}")
    rows = int(np.prod(tensor.shape[:-1]))
    with header.path.open("rb") as file:
        file.seek(tensor.offset)
        raw = np.frombuffer(file.read(size), np.uint8)
    if raw.size != size:
        raise CheckpointError(f"{header.path} changed while the model was being read; load it again")
    kind = GGMLQuantizationType(tensor.kind)
    if kind.name in ("F32", "F16"):
        raw = raw.view(np.float32 if kind.name == "F32" else np.float16)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is refused by whoever reads it, by name
        numbers = dequantize(raw.reshape(rows, -1), kind)
    return np.array(numbers, np.float32).reshape(tensor.shape)
