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
- only where that would be long (`MANY`), what was sent before the latest payload counts too while a run grows,
  or a long text would be sent many times over before the first answer: one lost payload is then healed
  by the next, more make the browser ask;
- everything that is said carries the browser's clock, so that what comes late changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.shared.messages import Ack, Need

TOKENS = "tokens"
Held = tuple[str, int]
"""Key of a part, and how much of it, from 0. The tokens have the key ""."""
NOTHING: Held = ("", 0)
MANY = 256
"""Tokens that may be on their way and are sent once more all the same: under 1 MB for the model at hand."""


@dataclass
class Transfer:
    """One run on its way: what was acknowledged, and how far the last two payloads went, older first."""

    acknowledged: Mapping[str, Held] = field(default_factory=dict)
    sent: list[Mapping[str, Held]] = field(default_factory=list)
    clock: float = float("-inf")


class Delivery:
    """What the browser of one picture holds of each run."""

    def __init__(self) -> None:
        self._runs: defaultdict[str, Transfer] = defaultdict(Transfer)

    def missing_from(self, run: str, *, growing: bool, part: str = TOKENS, key: str = "") -> int:
        """How much of a part the browser has under a key, so where the next payload begins."""
        transfer = self._runs[run]
        acknowledged = _held(transfer.acknowledged, part, key)
        if not growing or len(transfer.sent) < 2:
            return acknowledged
        before, latest = (_held(parts, part, key) for parts in transfer.sent)
        return acknowledged if latest - acknowledged <= MANY else max(acknowledged, before)

    def sent(self, run: str, tokens: int, **parts: Held) -> None:
        """Notes how far a payload went: its tokens, and what else the browser has once it arrives."""
        transfer = self._runs[run]
        transfer.sent = [*transfer.sent[-1:], {TOKENS: ("", tokens), **parts}]

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
        transfer.sent = []
        if event["n"] > transfer.clock:
            transfer.acknowledged = {**transfer.acknowledged, TOKENS: ("", int(event["from"]))}
            transfer.clock = event["n"]

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self._runs.pop(run, None)


def _held(parts: Mapping[str, Held], part: str, key: str) -> int:
    held_key, to = parts.get(part, NOTHING)
    return to if held_key == key else 0
