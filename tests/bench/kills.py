"""What a kill costs a class that writes: the thread that writes, the server's process, a pupil's browser.

    python -m tests.bench.kills --times 20 --visitors 28 --out docs/kills.json

Each kill comes at a random moment while all visitors write. A visitor that lost its server asks for it again and opens
its address, as Streamlit's page does; a browser that was killed is started again and opens its address. Reported for
each kind: whether every text became the one that nobody disturbed, seconds until it went on and until it was complete,
tokens that had to be written twice, and what the page said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench import fresh, machine
from tests.bench.classroom import prompt, together
from tests.bench.ratios import spread
from tests.bench.visitor import Visitor
from tests.e2e.browser import ARGUMENTS, browser, chromium, free_port, open_page, server

TOKENS, PATIENCE = 100, 150.0
ENTRY = "tests/bench/kills_app.py"
DONE = "[data-ready='1'][data-status='done']"
STORY = "[data-part='story']"
TEXT = "Once upon a time a cat met a miller."


class Seat:
    """A pupil with a text, and what it saw of it."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number = url, number
        self.tab = Visitor(url)
        self.seen: list[tuple[float, int]] = []
        self.twice = 0

    def write(self) -> None:
        """Until the text is complete; a server that went away is waited for, and the address opened again."""
        self.seen, self.twice, until = [(time.monotonic(), 0)], 0, time.monotonic() + PATIENCE
        self.tab.write(prompt(self.number), self.number, TOKENS)
        while time.monotonic() < until:
            try:
                if self.tab.look(1.0, self._done):
                    return
            except Exception:  # the socket ended, in whatever way
                if self.tab.header.get("provenance") == "model":  # else nothing was written yet
                    self.twice = max(0, len(self.tab.ids) - self.tab.header["n_prompt"])
                self._again(until)

    def _done(self) -> bool:
        if (count := len(self.tab.ids)) != self.seen[-1][1]:
            self.seen.append((time.monotonic(), count))
        return self.tab.written

    def _again(self, until: float) -> None:
        query = self.tab.query
        while time.monotonic() < until:
            with contextlib.suppress(Exception):
                self.tab = Visitor(self.url)
                self.tab.open("next_word", **query)
                return
            time.sleep(0.5)

    def after(self, moment: float) -> tuple[float, float]:
        """Seconds from a moment until the text went on, and until it was complete."""
        later = [at for at, count in self.seen if at > moment and count]
        return (later[0] - moment, later[-1] - moment) if later else (float("nan"), float("nan"))


class Room:
    """A class that writes again and again, and the texts that nobody disturbed."""

    def __init__(self, url: str, count: int) -> None:
        self.seats = [Seat(url, number) for number in range(count)]
        self.whole = self.round()

    def round(self, *others: Callable[[], None]) -> list[list[int]]:
        """All write, each as a new visitor, since a session keeps its texts; the ids of each text."""
        for seat in self.seats:
            with contextlib.suppress(Exception):
                seat.tab.leave()
            seat.tab = Visitor(seat.url)
        together([*(seat.write for seat in self.seats), *others])
        return [seat.tab.ids for seat in self.seats]

    def disturbed(self, draw: random.Random, kill: Callable[[], None]) -> dict[str, Any]:
        """A round with a kill in it."""
        moment = 0.0

        def later() -> None:
            nonlocal moment
            time.sleep(draw.uniform(0.5, 3.5))
            moment = time.monotonic()
            kill()

        texts = self.round(later)
        print(f"killed at {moment:.0f}, load {machine.load_average()[0]}", file=sys.stderr, flush=True)
        on, complete = zip(*(seat.after(moment) for seat in self.seats if seat.seen[-1][0] > moment), strict=True)
        return {
            "texts_equal": sum(text == whole for text, whole in zip(texts, self.whole, strict=True)),
            "texts_under_way": len(on),
            "until_it_went_on": max(on),
            "until_complete": max(complete),
            "written_twice": sum(seat.twice for seat in self.seats),
        }


def summed(rounds: Sequence[dict[str, Any]], visitors: int, said: Sequence[str] = ()) -> dict[str, Any]:
    """Many kills of one kind as one row."""
    seconds = ("until_it_went_on", "until_complete")
    return {
        "kills": len(rounds),
        "texts": visitors * len(rounds),
        "texts_equal": sum(one["texts_equal"] for one in rounds),
        "tokens_written_twice_a_kill": spread([one["written_twice"] for one in rounds]),
        **{name: spread([one[name] for one in rounds]) for name in seconds},
        "said": sorted({*said}),
        "load_average": machine.load_average(),
    }


def of_worker(times: int, visitors: int, draw: random.Random, log: Path) -> dict[str, Any]:
    """The thread that writes dies."""
    with server(log, entry=ENTRY) as running:
        room = Room(running.url, visitors)

        def kill() -> None:
            urllib.request.urlopen(running.url + "/kill", timeout=60).read()

        rounds = [room.disturbed(draw, kill) for _ in range(times)]
        return summed(rounds, visitors)


def of_server(times: int, visitors: int, draw: random.Random, log: Path) -> dict[str, Any]:
    """The server's process is killed and started again at once, as a supervisor would; a browser is among its visitors."""
    port, said, waited, same = free_port(), [], [], 0
    with contextlib.ExitStack() as stack, browser() as launched:
        running = [stack.enter_context(server(log, port=port))]
        room = Room(running[0].url, visitors)
        page = patient(launched)
        page.goto(f"{running[0].url}/next_word?model=storyteller&text={TEXT}&n=40")
        before = story(page)

        def kill() -> None:
            os.killpg(running[-1].process.pid, signal.SIGKILL)
            running[-1].process.wait()
            running.append(stack.enter_context(server(log, port=port)))

        rounds = []
        for _ in range(times):
            rounds.append(room.disturbed(draw, kill))
            began = time.monotonic()
            page.locator(".visit").get_by_text("began anew").wait_for()
            said.append(page.locator(".visit summary").first.inner_text())
            page.locator(".visit").get_by_role("button", name="close").click()
            same += story(page) == before
            waited.append(time.monotonic() - began)
        browser_waited = spread(waited)  # after the last of the others had its text
        return {**summed(rounds, visitors, said), "browser_texts_equal": same, "browser_waited": browser_waited}


def patient(launched: Browser) -> Page:
    """A page that waits longer than one of tests: the machine is as busy as it can be."""
    page = open_page(launched)
    page.set_default_timeout(1000 * PATIENCE)
    return page


def story(page: Page) -> str:
    """The whole text that a picture shows."""
    page.wait_for_selector(DONE)
    return page.locator(STORY).inner_text()


@contextlib.contextmanager
def marked() -> Iterator[tuple[Browser, int]]:
    """A Chromium and its process, found by a word in its command line."""
    mark = f"--mark-{uuid.uuid4().hex}"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), headless=True, args=[*ARGUMENTS, mark])
        yield launched, pid_of(mark)
        with contextlib.suppress(Exception):
            launched.close()


def pid_of(mark: str) -> int:
    """The first process that was started with this argument and is nobody's helper."""
    for found in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            command = found.joinpath("cmdline").read_bytes()
            if mark.encode() in command and b"--type=" not in command:
                return int(found.name)
    raise ProcessLookupError(f"no process was started with {mark}")


def of_browser(times: int, visitors: int, draw: random.Random, log: Path) -> dict[str, Any]:
    """A browser is killed while its text is written, among others who write; another one opens its address."""
    rounds: list[dict[str, Any]] = []
    seats: list[list[list[int]]] = []
    with server(log) as running:
        address = f"{running.url}/next_word?model=storyteller&text={TEXT}&n={TOKENS}"
        with browser() as launched:
            page = patient(launched)
            page.goto(address)
            whole = story(page)
        room, over = Room(running.url, visitors), threading.Event()

        def write_on() -> None:
            while not over.is_set():
                seats.append(room.round())

        others = threading.Thread(target=write_on)
        others.start()
        try:
            for _ in range(times):
                rounds.append(_killed(address, whole, draw))
        finally:
            over.set()
            others.join()
        seconds = [one.pop("seconds") for one in rounds]
    equal = sum(text == known for texts in seats for text, known in zip(texts, room.whole, strict=True))
    return {
        "kills": times,
        "texts": times,
        "texts_equal": sum(one["equal"] for one in rounds),
        "tokens_that_were_there": spread([one["tokens"] for one in rounds]),
        "until_complete": spread(seconds),
        "texts_of_others": sum(map(len, seats)),
        "texts_of_others_equal": equal,
        "load_average": machine.load_average(),
    }


def _killed(address: str, whole: str, draw: random.Random) -> dict[str, Any]:
    with marked() as (launched, pid):
        page = patient(launched)
        page.goto(address)
        page.wait_for_selector("[data-ready='1'][data-status='running']")
        time.sleep(draw.uniform(0.1, 2.0))
        tokens = int(page.locator("[data-ready='1']").first.get_attribute("data-count") or 0)
        last = page.url
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    with browser() as again:
        page = patient(again)
        page.goto(last)
        return {"equal": story(page) == whole, "tokens": tokens, "seconds": time.monotonic() - began}


KINDS = {"worker": of_worker, "server": of_server, "browser": of_browser}


def main() -> int:
    """Returns the exit status: 1 if a text became another one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--visitors", type=int, default=28)
    parser.add_argument("--only", choices=tuple(KINDS), default=None)
    parser.add_argument("--out", type=Path, default=fresh.ROOT / "build" / "kills.json")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.only and options.out.exists() else {}
    found |= {"machine": machine.describe(), "visitors": options.visitors, "tokens_of_each": TOKENS}
    for name in [options.only] if options.only else KINDS:
        log = options.out.parent / f"kills-{name}.log" if options.out.parent.name == "build" else Path(os.devnull)
        found[name] = KINDS[name](options.times, options.visitors, random.Random(name), log)
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps(found[name]), flush=True)
    return int(any(found[name]["texts_equal"] < found[name]["texts"] for name in KINDS if name in found))


if __name__ == "__main__":
    raise SystemExit(main())
