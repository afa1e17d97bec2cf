"""Which slot of a rolling buffer a position lives in (Mistral 7B, §2: i mod W); asks for no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    Positions = TypeVar("Positions", Tensor, np.ndarray, int)
else:  # tests check types while they run, and this module does not know what a tensor is
    Positions = Any


def slots_of(positions: Positions, n_slots: int, sinks: int = 0) -> Positions:
    """Round and round, behind the sinks. Of a tensor, an array or one position.

    >>> slots_of(np.arange(8), 5, 1).tolist(), slots_of(21, 16)
    ([0, 1, 2, 3, 4, 1, 2, 3], 5)
    """
    turning = (positions - sinks) % (n_slots - sinks) + sinks
    return positions * (positions < sinks) + turning * (positions >= sinks) if sinks else turning
