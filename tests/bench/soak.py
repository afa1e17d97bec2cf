"""An hour with a class: thirty visitors that come, write, look, change pages and leave, while the server is watched.

    python -m tests.bench.soak --minutes 60 --out docs/soak.json

The server is the application as `make run` starts it, in a process of its own. Two visitors are pages of a real
Chromium; the others speak its messages over its websocket (`visitor.py`), which costs the server the same. Every ten
seconds the process is measured from outside: memory, threads, what `/metrics` says. At the end all leave, and it is
measured once more when the server has noticed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from prometheus_client.parser import text_string_to_metric_families

from tests.bench import fresh, machine
from tests.bench.ratios import spread
from tests.bench.visitor import visiting
from tests.e2e.browser import Server, browser, open_page, server

EVERY = 10.0
"""Seconds between two measurements."""
FLAT = 0.05
"""The last quarter may lie so far above the second one."""
GONE_WITHIN = 420.0
"""Seconds in which a server has noticed that all have left: Streamlit waits 120 for each, `app.session.visitors` 150."""
PATIENCE, PATIENCE_PER_TOKEN = 60.0, 0.4
"""Seconds after which a text that is not there is a problem: on a machine that others use too, so be it slow."""
WHO = ("king", "queen", "girl", "boy", "dog", "cat", "mouse", "fox", "wolf", "bear", "tailor", "miller", "giant")
PAGES = (*("attention", "ring", "shared_heads", "inside_a_block", "window") * 3, "reach", "break_it", "models")
"""Where a pupil goes from the desk; each is drawn as likely as it stands here."""
BAD = ("Traceback", "ERROR", "Error", "Exception", "WARNING", "Warning")
"""What a line of the log is counted for."""


class Class:
    """All visitors, and what went wrong for them."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        self.url, self.stop = url, stop
        self.visits = self.texts = self.branches = self.pages = self.tokens = 0
        self.problems: list[str] = []
        self.paces: list[float] = []
        self.refusals: dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, **more: int) -> None:
        """Adds to what was done."""
        with self._lock:
            for name, value in more.items():
                setattr(self, name, getattr(self, name) + value)

    def refused(self, sentences: Sequence[str]) -> None:
        """Sentences that pages said to visitors, counted."""
        with self._lock:
            for sentence in sentences:
                self.refusals[sentence] = self.refusals.get(sentence, 0) + 1

    def until_the_end(self, visit: Callable[[random.Random], None], number: int) -> None:
        """One seat of the room: visitor after visitor, until the bell rings."""
        draw = random.Random(number)
        self.stop.wait(draw.uniform(0, 30))
        while not self.stop.is_set():
            try:
                visit(draw)
            except Exception as error:  # a seat stays in use, whatever happened to one visit
                if not self.stop.is_set():
                    self.problems.append(f"{type(error).__name__}: {str(error).splitlines()[0]}"[:300])
            self.count(visits=1)
            self.stop.wait(draw.uniform(5, 30))

    def pupil(self, draw: random.Random) -> None:
        """Comes, writes some texts, looks at them on other pages, and leaves."""
        over = self.stop.is_set
        with visiting(self.url) as tab:
            tab.open("")
            tab.look(draw.uniform(3, 10), over)
            for _ in range(draw.randint(1, 4)):
                tokens = 1000 if draw.random() < 0.05 else draw.randint(100, 400)
                text = f"Once upon a time a {draw.choice(WHO)} met a {draw.choice(WHO)} and a {draw.choice(WHO)}."
                tab.write(text, draw.randrange(10**6), tokens)
                patience, began = PATIENCE + PATIENCE_PER_TOKEN * tokens, time.monotonic()
                if not tab.look(patience, lambda: tab.written or over()) and not tab.said:
                    status = tab.header.get("status")
                    self.problems.append(f"a text of {tokens} was not there after {patience:.0f} seconds: {status}")
                if tab.written:
                    self.paces.append(len(tab.ids) / (time.monotonic() - began))
                self.count(texts=1, tokens=len(tab.ids))
                tab.look(draw.uniform(10, 30), over)
                if draw.random() < 0.5 and len(tab.ids) > 40:
                    tab.say("branch", {"run": tab.run, "position": 30, "token_id": draw.randrange(300, 2000)})
                    tab.look(draw.uniform(10, 20), over)
                    self.count(branches=1)
                for page in draw.sample(PAGES, draw.randint(0, 2)):
                    tab.open(page, **tab.query)
                    tab.look(draw.uniform(5, 20), over)
                    self.count(pages=1)
                if over():
                    break
            self.problems += tab.problems
            self.refused(tab.said)

    def browsing(self, number: int) -> None:
        """A seat with a real browser; a new context for each visitor."""
        with browser() as launched:

            def visit(draw: random.Random) -> None:
                page = open_page(launched)
                try:
                    self._sit_before(page, draw)
                    self.problems += page.watch.problems()  # type: ignore[attr-defined]
                finally:
                    page.context.close()

            self.until_the_end(visit, number)

    def _sit_before(self, page: Page, draw: random.Random) -> None:
        done = "[data-ready='1'][data-status='done']"
        page.goto(self.url + "/")
        page.wait_for_selector(".start-card")
        self.stop.wait(draw.uniform(2, 6))
        page.goto(self.url + "/next_word")
        page.wait_for_selector("[data-ready='1']")
        for _ in range(draw.randint(1, 3)):
            text = (
                f"A {draw.choice(WHO)} sat by the fire and told the {draw.choice(WHO)} {draw.randrange(10**6)} tales."
            )
            page.locator("[class*='st-key-prompt'] textarea").fill(text)
            page.get_by_role("button", name="Write", exact=True).click()
            page.wait_for_function("text => new URLSearchParams(location.search).get('text') === text", arg=text)
            page.wait_for_selector(done)
            self.count(texts=1)
            page.evaluate("document.activeElement?.blur()")
            for _ in range(20):
                page.keyboard.press("ArrowLeft")
                self.stop.wait(draw.uniform(0.1, 0.6))
            page.locator(".mx-bars .mx-row:enabled").first.click()
            self.stop.wait(draw.uniform(5, 15))
            self.count(branches=1)
            for name in ("Attention", "Ring", "Next word"):
                page.get_by_role("link", name=name, exact=True).click()
                page.wait_for_selector(f".page-{name.lower().replace(' ', '_')}[data-ready='1'], {done}")
                self.stop.wait(draw.uniform(3, 8))
                self.count(pages=1)
            if self.stop.is_set():
                return


def measured(running: Server, began: float) -> dict[str, Any]:
    """The server as the system and as itself sees it."""
    status = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
        if ":" in line
    )
    with urllib.request.urlopen(running.url + "/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        figures = {sample.name.removeprefix("explorer_"): sample.value for one in families for sample in one.samples}
    return {
        "at": round(time.monotonic() - began, 1),
        "resident_mb": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "anonymous_mb": round(int(status["RssAnon"].split()[0]) / 1024, 1),
        "threads": int(status["Threads"]),
        "load_average": machine.load_average()[0],
        **figures,
    }


def bad_lines(log: str) -> list[str]:
    """Lines of a log that tell of something wrong."""
    return [line for line in log.splitlines() if any(word in line for word in BAD)]


def quarters(samples: Sequence[dict[str, Any]], field: str) -> list[float]:
    """Mean of each quarter."""
    length = len(samples) // 4
    return [
        round(statistics.fmean(sample[field] for sample in samples[n * length : (n + 1) * length]), 1) for n in range(4)
    ]


def report(samples: Sequence[dict[str, Any]], rooms: Class, log: str, **more: Any) -> dict[str, Any]:
    """What the hour was."""
    memory = quarters(samples, "resident_mb")
    held = [round(nbytes / 2**20, 1) for nbytes in quarters(samples, "texts_bytes")]
    rest = [round(all_of_it - texts, 1) for all_of_it, texts in zip(memory, held, strict=True)]
    return {
        "machine": machine.describe(),
        "resident_mb_by_quarter": memory,
        "anonymous_mb_by_quarter": quarters(samples, "anonymous_mb"),
        "texts_mb_by_quarter": held,
        "without_texts_mb_by_quarter": rest,
        "threads_by_quarter": quarters(samples, "threads"),
        "last_over_second_quarter": round(memory[3] / memory[1], 4),
        "without_texts_last_over_second_quarter": round(rest[3] / rest[1], 4),
        "flat": memory[3] <= (1 + FLAT) * memory[1],
        "most_threads": max(sample["threads"] for sample in samples),
        "load_average": round(statistics.fmean(sample["load_average"] for sample in samples), 2),
        "visits": rooms.visits,
        "texts": rooms.texts,
        "branches": rooms.branches,
        "pages_changed": rooms.pages,
        "tokens": samples[-1]["tokens_total"],
        "tokens_a_second_of_a_text": spread(rooms.paces) if rooms.paces else None,
        "problems": rooms.problems,
        "refusals": rooms.refusals,
        "bad_lines_of_the_log": bad_lines(log),
        **more,
        "samples": list(samples),
    }


def all_gone(running: Server, began: float) -> dict[str, Any]:
    """The server when it has noticed that everybody has left."""
    until = time.monotonic() + GONE_WITHIN
    while (now := measured(running, began))["visitors"] and time.monotonic() < until:
        time.sleep(EVERY)
    time.sleep(EVERY)  # threads of the last scripts end
    return {**measured(running, began), "seconds_until_noticed": round(GONE_WITHIN - (until - time.monotonic()), 1)} | (
        {"still_there": now["visitors"]} if now["visitors"] else {}
    )


def soak(minutes: float, sessions: int, browsers: int, folder: Path) -> dict[str, Any]:
    """So long, with so many visitors at once, some of them browsers."""
    stop, samples = threading.Event(), []
    with server(folder / "soak.log") as running:
        began = time.monotonic()
        before = measured(running, began)
        with visiting(running.url) as first:
            first.write("The king had two sons.", 0, 50)
            first.look(60, lambda: first.written)
            warm = measured(running, began)
        rooms = Class(running.url, stop)
        seats = [threading.Thread(target=rooms.browsing, args=(n,)) for n in range(browsers)]
        seats += [
            threading.Thread(target=rooms.until_the_end, args=(rooms.pupil, n)) for n in range(browsers, sessions)
        ]
        for seat in seats:
            seat.start()
        while time.monotonic() - began < 60 * minutes:
            time.sleep(EVERY)
            try:
                samples.append(measured(running, began))
            except OSError as error:  # the hour goes on, and is not called free of faults
                rooms.problems.append(f"the server's own numbers: {error}")
                continue
            with (folder / "soak.jsonl").open("a") as out:
                out.write(json.dumps({**samples[-1], "problems": len(rooms.problems)}) + "\n")
        stop.set()
        for seat in seats:
            seat.join(timeout=120)
        ends = {"before": before, "warm": warm, "after": all_gone(running, began)}
        return report(samples, rooms, running.log, sessions=sessions, browsers=browsers, minutes=minutes, **ends)


def main() -> int:
    """Returns the exit status: 1 if the memory grew, a thread was left over or the log tells of an error."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--browsers", type=int, default=2, help="of the sessions, pages of a real Chromium")
    parser.add_argument("--out", type=Path, default=fresh.ROOT / "build" / "soak.json")
    options = parser.parse_args()
    folder = options.out.parent if options.out.parent.name == "build" else fresh.ROOT / "build"
    folder.mkdir(parents=True, exist_ok=True)
    found = soak(options.minutes, options.sessions, options.browsers, folder)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in found.items() if name != "samples"}, indent=2))
    return int(not found["flat"] or bool(found["bad_lines_of_the_log"] or found["problems"]))


if __name__ == "__main__":
    raise SystemExit(main())
