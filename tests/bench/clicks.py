"""A click in a real browser while a class writes: from the click on another word to the picture that shows its branch.

The page itself knows the text up to there and the chosen word: that is the branch at first (`click_to_branch`). What
the server makes of it comes then (`click_to_answer`), and with it what only a model can know (`..._its_next_token`).

One page of a real Chromium, and two, which is more than two cores bear beside a server, and 28 clients of the same
engine in the same process (`crowd_app.py`), each one text after the other as fast as they come. Times are those of the
page's own clock and end with the second animation frame after the change, 33 ms of them are frames. `room` is the other
half: 28 visitors who all have a page.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from playwright.sync_api import Browser, Page

from tests.bench import fresh, machine
from tests.bench.browser import branch_click, branch_times, story
from tests.bench.streams import latencies
from tests.e2e.browser import Server, browser, server

ENTRY = "tests/bench/crowd_app.py"
PAGES = 2
FROM = 20
"""The step at which the first click branches; each one after it a step later."""
PAUSE_MS = 700
"""After each click, in which its branch is written on."""
WARM_UP = 3
"""Clicks of each page before any counts."""


def asked(running: Server, path: str) -> dict[str, Any]:
    """What the crowd says."""
    with urllib.request.urlopen(running.url + path) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def click(page: Page, step: int) -> dict[str, float]:
    """Goes to a step of the text, clicks the likeliest other word, and waits until the branch is seen to grow."""
    page.evaluate("step => mxBench.at(step)", step)
    found = branch_click(page)
    page.wait_for_timeout(PAUSE_MS)
    return found


def clicked(pages: list[Page], count: int) -> dict[str, Any]:
    """Clicks by turns."""
    return branch_times(
        [click(page, FROM + number) for number in range(count) for page in pages][WARM_UP * len(pages) :]
    )


def beside(launched: Browser, running: Server, others: int, count: int, tabs: int) -> dict[str, Any]:
    """Clicks of each page while so many others write."""
    seeds = [str(100 * others + number) for number in range(tabs)]
    pages = [story(launched, running.url, "next_word", seed=seed) for seed in seeds]
    asked(running, f"/crowd/{others}")
    time.sleep(1.0 if others else 0.0)  # until all of them write
    before, cpu, began = asked(running, "/crowd"), machine.cpu_seconds(running.process.pid), time.monotonic()
    found = clicked(pages, count)
    after, seconds = asked(running, "/crowd"), time.monotonic() - began
    found["server_cores"] = (machine.cpu_seconds(running.process.pid) - cpu) / seconds
    if others:
        found["tokens_per_second_of_the_others"] = (after["tokens"] - before["tokens"]) / seconds
        found["first_token"] = latencies(after["first_token"])
    said = [problem for page in pages for problem in page.watch.problems()]  # type: ignore[attr-defined]
    for page in pages:
        page.context.close()
    asked(running, "/crowd/0")
    return {**found, "problems": after.get("problems", []) + said}


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `clicks`, on the bundled model: one page and two, beside nobody and beside 28 who write."""
    count, crowd = (WARM_UP + 2, 4) if quick else (WARM_UP + 25, 28)
    log = fresh.ROOT / "build" / "clicks.log"
    log.parent.mkdir(exist_ok=True)
    with browser() as launched, server(log, entry=ENTRY) as running:
        found = {
            str(tabs): {str(others): beside(launched, running, others, count, tabs) for others in (0, crowd)}
            for tabs in range(1, PAGES + 1)
        }
        return {"pages": found, "server_errors": running.log.count("Traceback")}
