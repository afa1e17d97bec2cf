"""Times that were taken in turns: what else a machine does then meets both sides alike, so they are compared as ratios.

Nothing here imports torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def ratios(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """Seconds of the first over those of the second, turn by turn.

    >>> ratios([2.0, 3.0], [1.0, 2.0])
    [2.0, 1.5]
    """
    return [a / b for a, b in zip(slower, faster, strict=True)]


def from_where_on(measured: Sequence[tuple[float, Sequence[float]]], least: float) -> float:
    """The first place from which on the median of the ratios is at least `least`; NaN = nowhere.

    Args:
        measured: places, rising, each with its ratios.

    >>> from_where_on([(1.0, [0.9]), (2.0, [1.5]), (4.0, [1.2, 1.3])], 1.2)
    2.0
    """
    first = math.nan
    for place, each in reversed(measured):
        if statistics.median(each) < least:
            break
        first = place
    return first
