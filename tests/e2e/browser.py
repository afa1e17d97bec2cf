"""A server on a free loopback port, a real Chromium, and everything that should fail a test collected.

`page_at` gives a page whose console errors, foreign requests and failed requests are kept in a `Watch`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # nothing but loopback resolves: a stray request to a foreign host fails at once
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
]
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")
HARMLESS = ("/_stcore/",)
"""A deep link makes Streamlit probe `/<page>/_stcore/...` before the root: two 404s it expects."""


def chromium() -> str | None:
    """Debian's or another installed Chromium; `None` = Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


def counted(parts: dict[str, Any]) -> dict[str, Any]:
    """Parts of an address: layers and heads are counted from 1 there, as on the screen; in a picture's data from 0."""
    return {name: value + 1 if name in ("layer", "head") else value for name, value in parts.items()}


class Server:
    """A running application."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url, self.process, self._log = url, process, log

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(log: Path, *, entry: str = "app/server.py", port: int | None = None, **environment: str) -> Iterator[Server]:
    """The application as `make run` starts it, on a free port; its whole process group ends with the block."""
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", entry, "--server.port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process, log)
        yield Server(url, process, log)
    finally:
        if process.poll() is None:  # the number of one that has ended may belong to another process by now
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def sound_server(log: Path, **options: str) -> Iterator[Server]:
    """The same; at the end of the block it may have printed no error. `options`: as of `server`."""
    with server(log, **options) as running:
        yield running
        assert "Traceback" not in running.log, running.log[-3000:]
        assert "Uncaught app execution" not in running.log, running.log[-3000:]


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError("the server ended: " + log.read_text(errors="replace"))
        try:
            if urllib.request.urlopen(url + "/_stcore/health", timeout=1).status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not become healthy within 60 seconds")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), headless=True, args=ARGUMENTS)
        try:
            yield launched
        finally:
            launched.close()


class Watch:
    """Everything a page does that a visitor should never meet."""

    def __init__(self, page: Page) -> None:
        self.console: list[str] = []
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(LOCAL) else self.foreign.append(request.url))

    def _heard(self, message: Any) -> None:
        harmless = any(part in (message.location or {}).get("url", "") for part in HARMLESS)
        if message.type == "error" and not harmless:
            self.console.append(f"{message.text} at {(message.location or {}).get('url')}")

    def problems(self) -> list[str]:
        """All of them; a test wants an empty list."""
        return self.console + self.errors + [f"foreign request: {url}" for url in self.foreign]


def open_page(launched: Browser, *, width: int = 1440, height: int = 900, dark: bool = False, **options: Any) -> Page:
    """A fresh page in a fresh context, its `Watch` under `page.watch`."""
    context = launched.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options
    )
    page = context.new_page()
    page.set_default_timeout(60_000)  # for work of the model, on a machine that is busy
    page.watch = Watch(page)  # type: ignore[attr-defined]
    return page


def settled(page: Page) -> None:
    """Waits until no script runs and nothing on the page is stale. First wait for something of the page itself."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
    page.wait_for_function('!document.querySelector(\'[data-testid="stApp"] [data-stale="true"]\')')


def pick(page: Page, box: str, option: str) -> None:
    """Chooses in a list of Streamlit's; it closes where the page scrolls or is drawn anew, and is opened once more."""
    field = page.get_by_role("combobox", name=box)
    for _ in range(4):
        field.scroll_into_view_if_needed()
        field.click()
        with contextlib.suppress(PlaywrightTimeoutError):
            page.locator("[role='listbox']").get_by_role("option", name=option, exact=True).click(timeout=15_000)
            return
        page.keyboard.press("Escape")  # while a list is open, its field is no part of the page for others
    raise AssertionError(f"{option} could not be chosen in {box}")


def wait_for_tokens(root: Locator, count: int) -> int:
    """Waits until a picture shows at least so many tokens of a text; how many they are."""
    until = time.monotonic() + 60
    while (now := int(root.get_attribute("data-count") or 0)) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"the text has {now} tokens after 60 seconds and should have {count}")
        time.sleep(0.03)
    return now


def check_narrow_first_screen(page: Page, picture_of: str) -> None:
    """On 390 x 844 at least 250 px of the picture stand over a low timeline whose parts a finger meets."""
    timeline = page.locator(".mx-time").bounding_box()
    picture = page.locator(picture_of).bounding_box()
    assert timeline["height"] <= 84 and timeline["y"] + timeline["height"] <= 845, timeline
    assert picture["y"] + 250 <= timeline["y"] and picture["height"] >= 250, (picture, timeline)
    for part, least in (
        ("[data-act='back']", 44),
        ("[data-act='play']", 44),
        ("[data-part='speed']", 40),
        ("[data-part='slider']", 24),
    ):
        box = page.locator(part).bounding_box()
        assert min(box["width"], box["height"]) >= least, part
        assert timeline["y"] <= box["y"] and box["y"] + box["height"] <= 844.5, part
    chips = [box for box in (chip.bounding_box() for chip in page.locator(".mx-chips .mx-chip").all()) if box]
    assert len({round(box["y"]) for box in chips}) == 1 and chips[0]["y"] < picture["y"], "the chips stand in one row"
