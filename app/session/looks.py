"""How often a page looks again at a text that is being written: as often as it asks where few look, less where many do.

A look costs this server some milliseconds: a script of Streamlit, a payload, messages. Thirty pages that look twelve
times a second want several processors, and what they take is missing where the texts are written: without this,
thirty texts of 200 tokens take more than a minute instead of seconds (`python -m tests.bench --only room`). So all
looks together are given a share of one processor, by what a look was seen to cost here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

SHARE = 0.4
"""Of one processor, for all looks; the rest writes, draws pages anew and answers clicks."""
AROUND = 0.005
"""Seconds that Streamlit takes around a look that are not seen in it (measured with 1.67: script, messages, socket)."""
RUNS = 2
"""Looks for each turn: the one that was due, and the one with the browser's answer."""
MOST = 1.0
"""Seconds between two looks at most: a page must not seem to stand still."""
PRESENT = 4.0
"""Seconds since its last look in which a page counts."""


class Looks:
    """Counts the pages that look, and what a look costs.

    Args:
        clock: seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._last: dict[Hashable, float] = {}
        self._cost = 0.003

    def took(self, who: Hashable, seconds: float) -> None:
        """A page has looked.

        Args:
            seconds: of a processor that its payload took.
        """
        with self._lock:
            now = self._clock()
            self._last[who] = now
            self._cost += 0.05 * (min(seconds, 0.1) - self._cost)
            for other in [one for one, at in self._last.items() if now - at > PRESENT]:
                del self._last[other]

    def over(self, who: Hashable) -> None:
        """A page has nothing to wait for any more."""
        with self._lock:
            self._last.pop(who, None)

    def every(self, least: float, now: float = 0.0) -> float:
        """Seconds until a page should look again.

        Args:
            least: what the page asks for. now: what is in use; kept unless another one is clearly better, as the
                browser begins to count anew with each.
        """
        with self._lock:
            wanted = RUNS * len(self._last) * (self._cost + AROUND) / SHARE if len(self._last) > 1 else 0.0
        fitting = max(least, min(MOST, wanted))
        return now if now >= least and 0.7 < fitting / now < 1.4 and fitting > least else round(fitting, 2)


looks = Looks()
"""Of this server."""
