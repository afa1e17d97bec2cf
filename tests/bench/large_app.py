"""The application on a network of Mistral 7B's shape: written, attention of chosen layers, and who else is slowed.

    python -m tests.bench.large make FOLDER/mistral-7b-shape
    python -m tests.bench.large_app FOLDER/mistral-7b-shape [--free 12]

One visitor chooses the model on the page models, has it write eight words, and looks at heads and rings. Another one
has a text of the bundled storyteller open meanwhile, steps in it, branches, and writes. Printed as JSON: seconds until
the model is there and the sentences that said how far it was, tokens a second, the most memory that the server held,
and what the other visitor waits for, before and meanwhile. `--free`: GB that the application is to take for free, so
that it keeps the weights as it would on a machine of that size.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from tests.bench import machine
from tests.bench.browser import DONE, STORY, branch_trips, client_steps, probed, trying
from tests.e2e.browser import Server, browser, open_page, server, settled

WORDS = 8
TEXT = "Once upon a time there was a king, and"
LAYERS = (3, 29)
"""Counted from 1, as on the screen."""
PATIENCE = 900_000
"""Milliseconds until the model must be there."""


def peak_bytes(running: Server) -> int:
    """The most that the server's process has held, mapped files counted."""
    lines = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


class Neighbour:
    """A visitor with a text of the bundled model."""

    def __init__(self, page: Page, url: str) -> None:
        self._page, self._url = page, url
        self._open(n=40)

    def _open(self, **more: Any) -> float:
        began = time.perf_counter()
        self._page.goto(f"{self._url}/next_word?{urlencode({**STORY, **more})}")
        self._page.wait_for_selector(DONE, timeout=PATIENCE)
        return time.perf_counter() - began

    def waits(self) -> dict[str, Any]:
        """What it waits for now: steps in the browser, a branch with its first token, and 20 tokens written anew."""
        settled(self._page)
        steps = trying(lambda: client_steps(self._page, 12, 60)["click_to_picture"])
        branch = trying(lambda: branch_trips(self._page, 2))
        seconds = self._open(seed=time.monotonic_ns() % 10**6, n=20)  # another seed, so nothing of it is there yet
        return {"step": steps, "branch": branch, "open_and_write_20_tokens_seconds": round(seconds, 2)}


def choose(page: Page, url: str, name: str) -> dict[str, Any]:
    """Chooses the model on its page; what the page says of it."""
    page.goto(f"{url}/models")
    settled(page)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name).click()
    page.get_by_text("7,241,732,096").or_(page.get_by_text("32 : 8")).first.wait_for()
    settled(page)
    said = page.get_by_text("Memory is short").all_inner_texts()
    return {"memory": said[0] if said else "the weights fit in float32"}


def write(page: Page, url: str, name: str, neighbour: Neighbour) -> dict[str, Any]:
    """Has it write, with the neighbour measured while the model is read and while it writes."""
    query = {"model": name, "text": TEXT, "seed": 0, "n": WORDS * 8}
    began = time.perf_counter()
    page.goto(f"{url}/next_word?{urlencode(query)}")
    sentences: list[str] = []
    progress = page.get_by_text("tensors").first
    progress.wait_for(timeout=60_000)
    sentences.append(progress.inner_text())
    while_read = neighbour.waits()
    sentences += progress.all_inner_texts()
    page.wait_for_selector("[data-ready='1'][data-status='running']", timeout=PATIENCE)
    root = page.locator("[data-ready='1']")
    before = int(root.get_attribute("data-count") or 0)
    while int(root.get_attribute("data-count") or 0) == before:
        time.sleep(0.05)
    first = time.perf_counter()
    while_written = neighbour.waits()
    text = page.locator("[data-part='story']").inner_text()
    now = int(root.get_attribute("data-count") or 0)
    until = time.perf_counter()
    page.wait_for_selector(DONE, timeout=PATIENCE)
    alone = time.perf_counter() - until
    total = int(page.locator(DONE).get_attribute("data-count") or 0)
    return {
        "seconds_to_first_token": round(first - began, 1),
        "said_meanwhile": sentences,
        "tokens_per_second_beside_the_neighbour": round((now - before - 1) / (until - first), 2),
        "tokens_per_second_alone": round((total - now) / alone, 2) if total > now else None,
        "neighbour_while_it_is_read": while_read,
        "neighbour_while_it_writes": while_written,
        "text": text[-200:],
    }


def written(page: Page, url: str, name: str) -> dict[str, Any]:
    """Eight words with nobody beside it."""
    query = {"model": name, "text": TEXT, "seed": 1, "n": WORDS}
    began = time.perf_counter()
    page.goto(f"{url}/next_word?{urlencode(query)}")
    page.wait_for_selector(DONE, timeout=PATIENCE)
    return {"seconds": round(time.perf_counter() - began, 1), "tokens": WORDS}


def looked_at(page: Page) -> dict[str, Any]:
    """Attention of the chosen layers, and the rings, of the text that was written last; by the way of a visitor."""
    found: dict[str, Any] = {}
    began = time.perf_counter()
    page.get_by_role("link", name="Attention", exact=True).click()
    picture = page.locator(f".page-attention{DONE}")
    picture.wait_for()
    settled(page)
    found["attention_seconds"] = round(time.perf_counter() - began, 2)
    for layer in LAYERS:
        began = time.perf_counter()
        while (now := int(picture.get_attribute("data-layer") or 0)) != layer - 1:
            picture.press("ArrowUp" if now < layer - 1 else "ArrowDown")
        title = page.locator("[data-part='one-title']").inner_text()
        settled(page)
        found[f"layer_{layer}"] = {"title": title, "seconds": round(time.perf_counter() - began, 2)}
    began = time.perf_counter()
    page.get_by_role("link", name="Ring", exact=True).click()
    page.wait_for_selector(f".page-ring{DONE}")
    settled(page)
    found["ring_seconds"] = round(time.perf_counter() - began, 2)
    found["ring_says"] = page.locator("[data-part='step']").inner_text()[:200]
    return found


def measure(folder: Path, free: float | None) -> dict[str, Any]:
    """All of it, on one server."""
    environment = {"MISTRAL_MODELS_DIR": str(folder.parent), "OMP_NUM_THREADS": "1"}
    options: dict[str, str] = {} if free is None else {"MEMORY_BYTES": str(int(free * 1e9))}
    entry = "app/server.py" if free is None else "tests/bench/small_app.py"
    with (
        tempfile.TemporaryDirectory() as logs,
        browser() as launched,
        server(Path(logs) / "log.txt", entry=entry, **environment, **options) as running,
    ):
        beside, page = probed(launched), open_page(launched)
        neighbour = Neighbour(beside, running.url)
        found: dict[str, Any] = {"load_average": machine.load_average(), "neighbour_before": neighbour.waits()}
        for part, work in (
            ("chosen", lambda: choose(page, running.url, folder.name)),
            ("written_beside", lambda: write(page, running.url, folder.name, neighbour)),
            ("written", lambda: written(page, running.url, folder.name)),
            ("looked_at", lambda: looked_at(page)),
        ):
            found[part] = trying(work)
            found[f"peak_gb_after_{part}"] = round(peak_bytes(running) / 1e9, 2)
            print(json.dumps({part: found[part]}), flush=True)
        found["problems"] = page.watch.problems() + beside.watch.problems()  # type: ignore[attr-defined]
        found["server_errors"] = [line for line in running.log.splitlines() if "Error" in line][:5]
        found["load_average_after"] = machine.load_average()
    return found


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large_app", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--free", type=float)
    options = parser.parse_args()
    print(json.dumps(measure(options.folder.resolve(), options.free), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
