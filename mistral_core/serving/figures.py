"""What an engine counts while it works, for whoever watches a server."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

LAST = 1000
"""Steps of which the times are kept."""


@dataclass
class Figures:
    """Counts since the start.

    Attributes:
        tokens: written, of all texts.
        steps: seconds of the last steps, each a token of every text that was written then.
    """

    tokens: int = 0
    steps: deque[float] = field(default_factory=lambda: deque(maxlen=LAST))

    def p95(self) -> float:
        """Seconds that 95 of 100 of the last steps did not exceed; 0 before the first.

        >>> Figures(steps=deque([0.3, 0.1, 0.2])).p95()
        0.3
        """
        ordered = sorted(self.steps)
        return ordered[round(0.95 * (len(ordered) - 1))] if ordered else 0.0


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What an engine holds at one moment: texts that are written, and that wait; bytes of all that anybody holds."""

    writing: int
    waiting: int
    nbytes: int
