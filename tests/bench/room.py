"""A full room: so many visitors of the real application write at once, each by its own websocket, as browsers do.

`classroom` asks the engine alone; here every text goes all the way, through the page's script and the payload to
somebody who answers it (`visitor.py`). What is reported: tokens a second of all together; for each visitor the seconds
until its first written token is there, and until all of the text is; milliseconds from a click on another word to the
picture that shows the branch, while all others write; processor seconds of the server and of the visitors, which in a
real room have machines of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.bench import fresh, machine
from tests.bench.classroom import WORDS, prompt, together
from tests.bench.streams import latencies
from tests.bench.visitor import Visitor, visiting
from tests.e2e.browser import Server, server

PACE = 60.0
"""Tokens a second of a text at most, as the application writes unless another pace is chosen."""
PATIENCE = 120.0
"""Seconds after which a text is given up."""
CLICK_AT = 30
"""The position at which another word is clicked."""
APART = 0.25
"""Seconds from one visitor's click to the next one's: four clicks a second, of thirty pupils."""


class Seat:
    """One visitor of the room, and when what came to it."""

    def __init__(self, tab: Visitor, number: int, tokens: int) -> None:
        self.tab, self.number, self.tokens = tab, number, tokens
        self.first = self.complete = self.click = 0.0
        self.written = self.payloads = 0

    def write(self) -> None:
        """A new text, until all of it is here."""
        began, payloads, tab = time.monotonic(), self.tab.payloads, self.tab
        tab.write(prompt(self.number), self.number, self.tokens)
        if tab.look(PATIENCE, lambda: len(tab.ids) > tab.header.get("n_prompt", PATIENCE)):
            self.first = time.monotonic() - began
        if tab.look(PATIENCE, lambda: tab.written):
            self.complete = time.monotonic() - began
        self.written = len(tab.ids) - tab.header.get("n_prompt", 0)
        self.payloads = tab.payloads - payloads

    def branch(self) -> None:
        """While the text is written another word is clicked in it; until the picture shows the branch."""
        tab, one = self.tab, WORDS[self.number % 13]
        tab.write(f"There was a {one} in the forest.", 1000 + self.number, self.tokens)
        tab.look(PATIENCE, lambda: len(tab.ids) > CLICK_AT)
        tab.look(APART * self.number)
        before, began = tab.run, time.monotonic()
        tab.say("branch", {"run": before, "position": CLICK_AT, "token_id": 300 + self.number})
        if tab.look(PATIENCE, lambda: tab.run != before):
            self.click = time.monotonic() - began
        tab.look(PATIENCE, lambda: tab.written)


def timed(running: Server, work: Callable[[], None]) -> dict[str, float]:
    """Seconds of some work, and processor seconds of the server and of this process."""
    began, mine, theirs = time.monotonic(), time.process_time(), machine.cpu_seconds(running.process.pid)
    work()
    return {
        "seconds": time.monotonic() - began,
        "server_cpu_seconds": machine.cpu_seconds(running.process.pid) - theirs,
        "visitors_cpu_seconds": time.process_time() - mine,
    }


def room(running: Server, count: int, tokens: int) -> dict[str, Any]:
    """So many visitors, who all write at once, and then all write and click."""
    tabs = [Visitor(running.url) for _ in range(count)]
    try:
        seats = [Seat(tab, number, tokens) for number, tab in enumerate(tabs)]
        for tab in tabs:
            tab.open("next_word")
            tab.look(1.0, lambda tab=tab: bool(tab.header))  # type: ignore[misc]
        writing = timed(running, lambda: together([seat.write for seat in seats]))
        clicking = timed(running, lambda: together([seat.branch for seat in seats]))
    finally:
        for tab in tabs:
            tab.leave()
    return {
        "tokens_per_second": sum(seat.written for seat in seats) / writing["seconds"],
        "first_token": latencies([1000 * seat.first for seat in seats]),
        "complete": latencies([1000 * seat.complete for seat in seats]),
        "click": latencies([1000 * seat.click for seat in seats]),
        "payloads_per_second_of_each": sum(seat.payloads for seat in seats) / count / writing["seconds"],
        "bytes_of_each": sum(tab.nbytes for tab in tabs) / count,
        "writing": writing,
        "clicking": clicking,
        "problems": [problem for tab in tabs for problem in (*tab.problems, *tab.said)],
    }


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `room`, on the bundled model."""
    tokens, counts = (60, (1, 4)) if quick else (200, (1, 8, 28))
    log = fresh.ROOT / "build" / "room.log"
    log.parent.mkdir(exist_ok=True)
    with server(log) as running:
        with visiting(running.url) as first:  # whatever is made once
            first.write("The king had two sons.", 0, 20)
            first.look(PATIENCE, lambda: first.written)
        found = {str(count): room(running, count, tokens) for count in counts}
    return {"visitors": found, "tokens_of_each": tokens, "seconds_at_the_pace": tokens / PACE}
