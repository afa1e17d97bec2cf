"""The protocol between growing runs and one picture: what the browser holds, what was sent, what is sent again.

A run grows at its end, and so does each **part** of it: the tokens, and what goes beside them under a key
(the alternatives under the sampling settings, what is derived under the run's length). A payload contains
what is missing. The browser appends what follows, leaves out what it has, and after every payload that
contained something says what it holds (`ack`); where a payload begins beyond its end, it asks for what
is missing (`need`). Payloads and what is said may be lost, come twice, or in another order:

- only what was acknowledged counts as held; so what was lost is sent again, and again, until it is
  acknowledged, and then never more;
- Streamlit's browser side leaves out payloads that come close upon each other (more than half of them, and
  several in a row, while a text is written at 60 tokens a second): so each begins where the browser
  certainly is, and whichever arrives can be shown;
- a payload has `MOST` tokens at most, so that one is soon made, soon there and soon answered, and sending
  it again costs little: a long text comes in several, each after the answer to the one before;
- where many pages look (`app/session/looks.py`), what was sent is given time to be answered: a look within it, such
  as the one with the answer itself, carries no tokens, and so asks for no further answer;
- everything that is said carries the browser's clock, so that what comes late changes nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.shared.messages import Ack, Need

TOKENS = "tokens"
Held = tuple[str, int]
"""Key of a part, and how much of it, from 0. The tokens have the key ""."""
NOTHING: Held = ("", 0)
MOST = 512
"""Tokens of one payload: 1.3 MB, and a third of a second of work, for the model at hand."""


@dataclass
class Transfer:
    """One run on its way: what was acknowledged, and when, by the browser's clock; when tokens were sent, by ours."""

    acknowledged: Mapping[str, Held] = field(default_factory=dict)
    clock: float = float("-inf")
    sent: float = float("-inf")


class Delivery:
    """What the browser of one picture holds of each run.

    Args:
        clock: seconds; replaced in tests.

    Attributes:
        rest: seconds after tokens of a growing text were sent in which none are.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self.rest = clock, 0.0
        self._runs: defaultdict[str, Transfer] = defaultdict(Transfer)

    def held(self, run: str, part: str = TOKENS, key: str = "") -> int:
        """How much of a part the browser has under a key: a payload contains what follows."""
        held_key, to = self._runs[run].acknowledged.get(part, NOTHING)
        return to if held_key == key else 0

    def span(self, run: str, length: int, *, growing: bool = False) -> tuple[int, int]:
        """Which tokens of so many go with the next payload: `[start, stop)`.

        Args:
            growing: whether it says that the text is being written; one that says that all is there brings all.
        """
        start, transfer, now = min(self.held(run), length), self._runs[run], self._clock()
        if growing and start and length - start < MOST and now - transfer.sent < self.rest:
            return start, start
        transfer.sent = now
        return start, min(length, start + MOST)

    def behind(self, run: str, length: int) -> bool:
        """Whether a text comes in several payloads, and the last of them is not acknowledged yet."""
        return self.held(run) < length and length > MOST

    def acknowledge(self, event: Ack) -> None:
        """The browser says what it holds."""
        transfer = self._runs[event["run"]]
        if event["n"] > transfer.clock:
            parts = {name: (str(key), int(to)) for name, (key, to) in event["parts"].items()}
            transfer.acknowledged = {TOKENS: ("", int(event["to"])), **parts}
            transfer.clock = event["n"]

    def send_again(self, event: Need) -> None:
        """The browser lacks tokens from some position on; they go with the next payload."""
        transfer = self._runs[event["run"]]
        if event["n"] > transfer.clock:
            transfer.acknowledged = {**transfer.acknowledged, TOKENS: ("", int(event["from"]))}
            transfer.clock, transfer.sent = event["n"], float("-inf")

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self._runs.pop(run, None)
