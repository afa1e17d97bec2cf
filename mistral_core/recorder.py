"""From the hooks of a run to the arrays of its Trace.

A `Recorder` is the sink of one row. Its arrays are allocated once, from the plan and the longest
length the run can have; a position's row is written when the position is read and never again,
so a Trace taken in the middle of a run can share the memory.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mistral_core.config import MistralConfig
from mistral_core.trace import BY_OFFSET, RecordingPlan, row_shape

_HALF = frozenset({torch.bfloat16, torch.float16})


class Recorder:
    """Keeps what its plan names, one row a position.

    Attributes:
        arrays: hook name -> `[capacity, ...]`, float64 for a float64 model, else float32.
        omitted: one sentence for each array that did not fit the plan's budget.
    """

    def __init__(
        self, config: MistralConfig, plan: RecordingPlan, capacity: int, max_context: int, dtype: torch.dtype
    ) -> None:
        kind = np.float64 if dtype == torch.float64 else np.float32
        kept, self.omitted = plan.fit(config, capacity, max_context, np.dtype(kind).itemsize)
        self.arrays = {
            name: np.full((capacity, *row_shape(config, name, max_context)), _fill(name), kind) for name in kept
        }
        self._by_offset = frozenset(name for name in kept if name.split(".", 2)[-1] in BY_OFFSET)
        self._start = 0
        self._known: tuple[Tensor, int, np.ndarray] | None = None

    def begin(self, start: int) -> None:
        """Says which position the first real column of the next call has."""
        self._start = start
        self._known = None

    def wants(self, name: str) -> bool:
        return name in self.arrays

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        array = self.arrays[name]
        rows = _numpy(value)[0]
        if name in self._by_offset and query_positions is not None and key_positions is not None:
            columns = self._columns(query_positions, key_positions, array.shape[2])
            rows = by_offset(rows, columns, _fill(name))
        array[self._start : self._start + len(rows)] = rows
        return value

    def _columns(self, query_positions: Tensor, key_positions: Tensor, width: int) -> np.ndarray:
        """`offset_columns`, kept while the layers of one call hand in the same positions."""
        if self._known is None or self._known[0] is not key_positions or self._known[1] != width:
            columns = offset_columns(_numpy(query_positions)[0], _numpy(key_positions)[0], width)
            self._known = (key_positions, width, columns)
        return self._known[2]


def _fill(name: str) -> float:
    """What stands where there is no key: a score of -inf, and 0 everywhere else."""
    return -np.inf if name.endswith("hook_attn_scores") else 0.0


def _numpy(tensor: Tensor) -> np.ndarray:
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.dtype in _HALF:  # numpy has no bfloat16; float32 holds it exactly
        tensor = tensor.float()
    return tensor.cpu().numpy()


def offset_columns(query_positions: np.ndarray, key_positions: np.ndarray, width: int) -> np.ndarray:
    """Where the key at each offset stands: `[query_pos, width]` indices of the key axis, -1 where there is none.

    Args:
        query_positions: `[query_pos]`. key_positions: `[key_pos]` in any order (a ring's slots, say), -1 = empty.
        width: number of offsets kept.
    """
    real = np.flatnonzero(key_positions >= 0)
    lowest = int(key_positions[real].min())
    column = np.full(int(key_positions[real].max()) - lowest + 1, -1)
    column[key_positions[real] - lowest] = real
    wanted = query_positions[:, None] - np.arange(width) - lowest
    inside = (wanted >= 0) & (wanted < len(column))
    return np.where(inside, column[np.where(inside, wanted, 0)], -1)


def by_offset(value: np.ndarray, columns: np.ndarray, fill: float) -> np.ndarray:
    """Rearranges a key axis into offsets: column `o` of query `q` is the key at position `q - o`.

    Args:
        value: `[n_heads, query_pos, key_pos]`.
        columns: from `offset_columns`.
        fill: for offsets at which there is no key.

    Returns:
        `[query_pos, n_heads, width]`.
    """
    if len(columns) == 1:
        gathered = value[:, 0].take(columns[0], axis=1, mode="wrap")[None]  # -1 takes the last: replaced below
    else:
        gathered = value[:, np.arange(len(columns))[:, None], columns].transpose(1, 0, 2)
    missing = columns < 0
    return np.where(missing[:, None, :], fill, gathered) if missing.any() else gathered
