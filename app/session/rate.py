"""How often one visitor may begin a text: so many at once, then one whenever enough time has passed (a token bucket).

Whoever branches with quick fingers never meets it; a program that asks without end does, and others are served.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

BURST = 40
"""Texts that may be begun at once."""
EVERY = 1.0
"""Seconds after which one more may be."""


class Rate:
    """Of one visitor.

    Args:
        clock: seconds; replaced in tests.
    """

    def __init__(self, burst: int = BURST, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._every, self._clock = burst, every, clock
        self._left, self._at = float(burst), clock()

    def wait(self) -> int:
        """Seconds until the visitor may begin a text; 0 = now, and it is counted.

        >>> now = [0.0]
        >>> rate = Rate(2, 2.0, lambda: now[0])
        >>> rate.wait(), rate.wait(), rate.wait()
        (0, 0, 2)
        >>> now[0] = 2.0
        >>> rate.wait(), rate.wait()
        (0, 2)
        """
        now = self._clock()
        self._left, self._at = min(float(self._burst), self._left + (now - self._at) / self._every), now
        if self._left < 1:
            return max(1, math.ceil((1 - self._left) * self._every))
        self._left -= 1
        return 0
