"""From the hooks of a run to the arrays of its Trace.

A `Recorder` is the sink of one row. Its arrays are allocated once, from the plan and the longest
length the run can have; a position's row is written once and never again, so a Trace taken in the
middle of a run can share the memory.

While the model runs, tensors are only noted; they are copied many tokens at a time, when somebody
asks for the arrays or enough have gathered. Copying each tensor of each token at once would cost as
much as a tenth of the forward pass.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mistral_core.config import MistralConfig, Window
from mistral_core.trace.shapes import key_positions
from mistral_core.trace.trace import BY_OFFSET, RecordingPlan, row_shape

FLUSH_EVERY = 64
"""Calls after which what was noted is copied."""
_HALF = frozenset({torch.bfloat16, torch.float16})


class _Noted(NamedTuple):
    """A tensor as it passed: `value[0]` has the rows from position `start` on."""

    start: int
    value: Tensor
    query_positions: Tensor | None
    key_positions: Tensor | None


Columns = dict[tuple[int, int, Window], tuple[Tensor, np.ndarray]]
"""By identity of the key positions (kept, so that the identity stays theirs), width and window."""


class Recorder:
    """Keeps what its plan names, one row a position.

    Attributes:
        omitted: one sentence for each array that did not fit the plan's budget.
    """

    def __init__(
        self, config: MistralConfig, plan: RecordingPlan, capacity: int, max_context: int, dtype: torch.dtype
    ) -> None:
        kind = np.float64 if dtype == torch.float64 else np.float32
        recorded, self.omitted = plan.fit(config, capacity, max_context, np.dtype(kind).itemsize)
        self._arrays = {
            name: np.full((capacity, *row_shape(config, name, max_context)), _fill(name), kind) for name in recorded
        }
        self._windows = {
            name: config.windows[int(name.split(".", 2)[1])] for name in recorded if name.split(".", 2)[-1] in BY_OFFSET
        }
        self._noted: dict[str, deque[_Noted]] = {name: deque() for name in recorded}
        self._start = self._calls = 0
        self._copying = threading.Lock()  # the worker and a page may both want the arrays

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Hook name -> `[capacity, ...]`, float64 for a float64 model, else float32. Complete up to the last call."""
        self.flush()
        return self._arrays

    @property
    def names(self) -> tuple[str, ...]:
        """What is kept."""
        return tuple(self._arrays)

    @property
    def arrays_now(self) -> Mapping[str, np.ndarray]:
        """The arrays, without what is noted and not copied yet: for who writes rows of his own."""
        return self._arrays

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays: all of them are there from the beginning."""
        return sum(array.nbytes for array in self._arrays.values())

    def begin(self, start: int) -> None:
        """Says which position the first column of the next call has."""
        self._start = start
        self._calls += 1
        if self._calls % FLUSH_EVERY == 0:
            self.flush()

    def wants(self, name: str) -> bool:
        return name in self._arrays

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        self._noted[name].append(_Noted(self._start, value, query_positions, key_positions))
        return value

    def flush(self) -> None:
        """Copies what was noted into the arrays."""
        with self._copying:
            known: Columns = {}
            for name, queue in self._noted.items():
                noted = [queue.popleft() for _ in range(len(queue))]
                for group in _groups(noted):
                    rows = self._offsets(name, group, known) if name in self._windows else _rows(group)
                    start = group[0].start
                    self._arrays[name][start : start + len(rows)] = rows

    def _offsets(self, name: str, group: list[_Noted], known: Columns) -> np.ndarray:
        """`[positions, n_heads, width]` of calls in a row, each with its own order of keys."""
        width = self._arrays[name].shape[2]
        columns = np.concatenate([_columns(noted, width, self._windows[name], known) for noted in group])
        value = _numpy(torch.cat([noted.value[0] for noted in group], dim=1))  # [n_heads, positions, key_pos]
        return by_offset(value, columns, _fill(name))


def _groups(noted: list[_Noted]) -> list[list[_Noted]]:
    """Splits into calls that follow each other and have equally many keys, so that they can be joined."""
    groups: list[list[_Noted]] = []
    expected = (-1, -1)
    for one in noted:
        n_keys = one.value.shape[-1]
        if (one.start, n_keys) != expected:
            groups.append([])
        groups[-1].append(one)
        n_rows = one.value.shape[1] if one.key_positions is None else one.value.shape[2]
        expected = (one.start + n_rows, n_keys)
    return groups


def _rows(group: list[_Noted]) -> np.ndarray:
    return _numpy(torch.cat([noted.value[0] for noted in group]))


def _columns(noted: _Noted, width: int, window: Window, known: Columns) -> np.ndarray:
    """`offset_columns` of a call, worked out once for all layers that were handed the same positions."""
    queries, keys = noted.query_positions, noted.key_positions
    if queries is None or keys is None:
        raise ValueError("a tensor with a key axis came without positions; hand them to its HookPoint")
    held = known.get((id(keys), width, window))
    if held is None or held[0] is not keys:
        columns = offset_columns(_numpy(queries[0]), _numpy(keys[0]), width, window)
        held = known[id(keys), width, window] = (keys, columns)
    return held[1]


def _fill(name: str) -> float:
    """What stands where there is no key: a score of -inf, and 0 everywhere else."""
    return -np.inf if name.endswith("hook_attn_scores") else 0.0


def _numpy(tensor: Tensor) -> np.ndarray:
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.dtype in _HALF:  # numpy has no bfloat16; float32 holds it exactly
        tensor = tensor.float()
    return tensor.cpu().numpy()


def offset_columns(queries: np.ndarray, there: np.ndarray, width: int, window: Window = None) -> np.ndarray:
    """Where the key of each column stands: `[query_pos, width]` indices of the key axis, -1 where there is none.

    Args:
        queries: positions, `[query_pos]`.
        there: positions of the keys, `[key_pos]`, in any order (a ring's slots, say), -1 = empty.
        width: number of columns kept. window: of the layer; what lies behind it are the sinks.
    """
    real = np.flatnonzero(there >= 0)
    lowest = int(there[real].min())
    column = np.full(int(there[real].max()) - lowest + 1, -1)
    column[there[real] - lowest] = real
    keys = key_positions(queries, width, window)
    wanted = np.where(keys < 0, -1, keys - lowest)
    inside = (wanted >= 0) & (wanted < len(column))
    return np.where(inside, column[np.where(inside, wanted, 0)], -1)


def by_offset(value: np.ndarray, columns: np.ndarray, fill: float) -> np.ndarray:
    """Rearranges a key axis into the columns of `shapes.key_positions`.

    Args:
        value: `[n_heads, query_pos, key_pos]`.
        columns: `[query_pos, width]`, from `offset_columns`.
        fill: for columns in which there is no key.

    Returns:
        `[query_pos, n_heads, width]`.
    """
    gathered = value[:, np.arange(len(columns))[:, None], columns].transpose(1, 0, 2)
    return np.where((columns < 0)[:, None, :], fill, gathered)
