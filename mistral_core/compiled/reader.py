"""The compiled step beside a model and its runs: where everything lies, and one token of each run read at once.

`Run`, its ring and its recorder stay what they are: the step writes into their memory what the plain network would,
equal up to the rounding of float32 (`tests/model/compiled`). What it cannot do is left to the plain network: weights
in fewer bytes, another dtype or device, hooks or sinks on the way, tensors other than those that every page needs.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.checkpoint.fast import FastTransformer, neighbours
from mistral_core.compiled import kernel
from mistral_core.generation import Run
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer
from mistral_core.rope import inverse_frequencies
from mistral_core.trace.recorder import Recorder
from mistral_core.trace.shapes import KEYS, LOGITS, PATTERN, VALUES, layer_hook

RECORDED = {KEYS: kernel.ROT_K, VALUES: kernel.V, PATTERN: kernel.PATTERN}
"""Hooks of a layer that the step records."""


@dataclass(frozen=True, kw_only=True)
class _Matrices:
    """Addresses of a model's weights, as `kernel.step` takes them; `held` keeps them where they are."""

    weights: Int[np.ndarray, "layers 6"]
    columns: np.ndarray
    ends: Int[np.ndarray, " 2"]
    embedding: np.ndarray
    held: tuple[Tensor, ...]


@runtime_checkable
class Readable(Protocol):
    """What the step asks of a run: `mistral_core.generation.Run` has it."""

    n_read: int
    kv_cache: KVCache

    @property
    def total(self) -> int:
        """Longest possible length in tokens."""

    @property
    def recorder(self) -> Recorder:
        """Whose arrays are written."""


class CompiledReader:
    """Reads one token of each of several runs of one model.

    Raises:
        ValueError: the model cannot be read so; the message says why.
    """

    def __init__(self, model: Transformer) -> None:
        self.model, self._of = model, _matrices(model)
        c = model.config
        self._shape = (c.n_heads, c.n_kv_heads, c.head_dim, c.sinks)
        self._frequencies = inverse_frequencies(c.head_dim, c.rope_theta).numpy()
        self._windows = np.array([window or 0 for window in c.windows])
        self._suits: weakref.WeakKeyDictionary[Run, bool] = weakref.WeakKeyDictionary()
        self._places: weakref.WeakKeyDictionary[Readable, np.ndarray] = weakref.WeakKeyDictionary()

    def suits(self, run: Run) -> bool:
        """Whether a run of this model can be read so: nothing changes it on its way, and no other tensor is kept."""
        if run not in self._suits:
            recorder = run.watching
            self._suits[run] = isinstance(recorder, Recorder) and all(
                name == LOGITS or name.split(".", 2)[-1] in RECORDED for name in recorder.names
            )
        return self._suits[run]

    def read(self, runs: Sequence[Readable], tokens: Sequence[int]) -> Float[np.ndarray, "runs vocab_size"]:
        """Reads a token of each run: rings written, tensors recorded. The run itself is told by `Run.was_read`.

        Returns:
            the logits for the tokens after them, `[runs, vocab_size]`.
        """
        of, config = self._of, self.model.config
        positions = np.array([run.n_read for run in runs])
        angles = positions[:, None] * self._frequencies
        logits = np.empty((len(runs), config.vocab_size), np.float32)
        kernel.step(
            of.embedding[list(tokens)],
            positions,
            np.cos(angles).astype(np.float32),
            np.sin(angles).astype(np.float32),
            self._shape,
            config.hidden_dim,
            config.norm_eps,
            of.weights,
            of.columns,
            of.ends,
            self._windows,
            np.stack([self._place(run) for run in runs]),
            max(run.total for run in runs),
            logits,
        )
        for run, row in zip(runs, logits, strict=True):
            run.kv_cache.n_seen = run.kv_cache.n_seen + 1
            if (recorded := run.recorder.arrays_now.get(LOGITS)) is not None:
                recorded[run.n_read] = row
        return logits

    def _place(self, run: Readable) -> Int[np.ndarray, "layers 8"]:
        """Where the rings and the recorded arrays of a run lie; they stay there as long as it lives."""
        if run not in self._places:
            arrays = run.recorder.arrays_now
            places = np.zeros((len(run.kv_cache.rings), 8), np.int64)
            for layer, (ring, place) in enumerate(zip(run.kv_cache.rings, places, strict=True)):
                place[kernel.KEYS], place[kernel.VALUES] = ring.keys.data_ptr(), ring.values.data_ptr()
                place[kernel.HELD], place[kernel.SLOTS] = ring.positions.data_ptr(), ring.positions.shape[1]
                for hook, column in RECORDED.items():
                    if (array := arrays.get(layer_hook(layer, hook))) is not None:
                        place[column] = array.ctypes.data
                if (pattern := arrays.get(layer_hook(layer, PATTERN))) is not None:
                    place[kernel.WIDTH] = pattern.shape[2]
            self._places[run] = places
        return self._places[run]


def _matrices(model: Transformer) -> _Matrices:
    if type(model) is not FastTransformer or model.dtype != torch.float32:
        raise ValueError(f"a {type(model).__name__} in {model.dtype} is left to the plain network")
    if model.norm.weight.device.type != "cpu" or any(p.requires_grad for p in model.parameters()):
        raise ValueError("weights on another device, or such as are trained, are left to the plain network")
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        raise ValueError("a network with hooks on its modules is left to the plain network")
    last: Any = model.output if model.output is not None else model.tok_embeddings
    blocks: list[Any] = [*model.layers]
    found, kinds = [], set()
    for block in blocks:
        attention, mlp = block.attention, block.feed_forward
        joined = [[layer.weight for layer in layers] for layers in (
            (attention.wq, attention.wk, attention.wv),
            (mlp.w1, mlp.w3),
        )]  # fmt: skip
        if not all(neighbours(weights) for weights in joined):
            raise ValueError("weights that do not lie side by side are left to the plain network")
        kinds.add((True, _by_columns(attention.wo), True, _by_columns(mlp.w2), _by_columns(last)))
        found.append(
            (
                block.attention_norm.weight,
                joined[0][0],
                attention.wo.weight,
                block.ffn_norm.weight,
                joined[1][0],
                mlp.w2.weight,
            )
        )
    ends = (model.norm.weight, last.weight)
    if len(kinds) != 1:
        raise ValueError("layers whose weights lie in different ways are left to the plain network")
    return _Matrices(
        weights=np.array([[tensor.data_ptr() for tensor in tensors] for tensors in found]),
        columns=np.array(kinds.pop()),
        ends=np.array([tensor.data_ptr() for tensor in ends]),
        embedding=model.tok_embeddings.weight.numpy(),
        held=tuple(tensor for tensors in found for tensor in tensors) + ends,
    )


def _by_columns(layer: Any) -> bool:
    weight: Tensor = layer.weight
    if weight.is_contiguous():
        return False
    if weight.t().is_contiguous():
        return True
    raise ValueError("a matrix that lies neither by rows nor by columns is left to the plain network")
