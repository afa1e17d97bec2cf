"""The application in a real browser: first picture, writing, stepping, and the way to the server and back.

Server and browser share the machine, as they do at home. Times inside the page are its `performance.now`;
"picture" means the second animation frame after the change, when the frame with the change has been handed
to the screen. Streamlit's messages are counted as the browser hands them out, before any compression.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from mistral_core.checkpoint import registry
from mistral_core.tokenizer import SentencePieceTokenizer
from tests.bench import streams
from tests.bench.ratios import spread
from tests.e2e.browser import browser, open_page, server, settled

PROBE = Path(__file__).with_name("probe.js")
FIRST_PICTURE_AIM = 3.0
STEP_AIM_MS = 100.0
NEW_TOKENS = 200
DONE = "[data-ready='1'][data-status='done']"
PLAYING_AIM = 30.0
STORY = {
    "model": registry.DEFAULT_MODEL,
    "seed": "0",
    "n": str(NEW_TOKENS),
    "text": "Once upon a time there was a girl who lived in a little house in the wood.",
}


def probed(launched: Browser) -> Page:
    """A page in a fresh context, with the probe in it."""
    page = open_page(launched)
    page.add_init_script(path=PROBE)
    return page


def opened(page: Page, url: str) -> dict[str, Any]:
    """Seconds from the start of the navigation to the first picture, and what is on it."""
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("[data-ready='1']")
    page.evaluate("mxBench.painted()")
    seconds = time.perf_counter() - began
    return {"seconds": seconds, **page.evaluate("mxBench.drawn()")}


def visit(launched: Browser, url: str) -> dict[str, Any]:
    """One first picture in a fresh context."""
    page = probed(launched)
    found = opened(page, url)
    settled(page)
    found["problems"] = page.watch.problems()  # type: ignore[attr-defined]
    page.context.close()
    if found["colours"] < 3 or not found["characters"]:
        raise RuntimeError(f"the start page says that it is ready, but it shows nothing: {found}")
    return found


def first_picture(launched: Browser, folder: Path, servers: int, visits: int) -> dict[str, Any]:
    """The start page: the very first visit of `servers` new servers, and later ones of the last of them."""
    very_first, later = [], []
    for number in range(servers):
        with server(folder / f"server-{number}.log") as running:
            very_first.append(visit(launched, running.url))
            if number == servers - 1:
                later = [visit(launched, running.url) for _ in range(visits)]
    every = very_first + later
    return {
        "very_first_seconds": spread([found["seconds"] for found in very_first]),
        "later_seconds": spread([found["seconds"] for found in later]),
        "aim_seconds": FIRST_PICTURE_AIM,
        "aim_met": max(found["seconds"] for found in every) < FIRST_PICTURE_AIM,
        "fewest_colours": min(found["colours"] for found in every),
        "problems": sorted({problem for found in every for problem in found["problems"]}),
        "clock": "from the call that starts the navigation in a fresh context to the second frame after the picture "
        "is there, time.perf_counter of the driver: its own round trips are inside",
    }


def received(page: Page) -> list[int]:
    """A list that fills with the bytes of every message the server sends to this page."""
    sizes: list[int] = []

    def heard(payload: str | bytes) -> None:
        sizes.append(len(payload if isinstance(payload, bytes) else payload.encode()))

    page.on("websocket", lambda socket: socket.on("framereceived", heard))
    return sizes


def write(page: Page, url: str) -> dict[str, Any]:
    """Opens the desk, presses Write, and follows the text to its end."""
    sizes = received(page)
    opened(page, url + "/next_word")
    settled(page)
    n_prompt = len(_tokenizer().encode(page.get_by_role("textbox", name="Prompt").input_value()))
    page.wait_for_selector(".st-key-button-write button:enabled")
    before = page.evaluate("mxBench.root().dataset.run")
    page.evaluate("mxBench.follow()")
    sizes.clear()
    page.click(".st-key-button-write button")
    page.wait_for_selector(f"{DONE}:not([data-run='{before}'])", timeout=120_000)
    until = len(sizes)
    page.evaluate("mxBench.following = false")
    series, clicked = page.evaluate("[mxBench.series, mxBench.clicked]")
    return streams.streaming(series, clicked, n_prompt, sizes[:until])


def _tokenizer() -> SentencePieceTokenizer:
    return SentencePieceTokenizer(registry.bundled_root() / registry.DEFAULT_MODEL / "tokenizer.model")


def writing(launched: Browser, url: str, repeats: int) -> tuple[dict[str, Any], Page]:
    """Texts of 200 new tokens in new sessions; the page of the last one stays open."""
    texts = []
    for _ in range(repeats - 1):
        page = probed(launched)
        texts.append(write(page, url))
        page.context.close()
    page = probed(launched)
    texts.append(write(page, url))
    fields = (
        "tokens_per_second",
        "click_to_first_new_token_ms",
        "longest_standstill_ms",
        "pictures",
        "bytes_per_token",
        "bytes_per_token_without_largest_message",
        "new_tokens",
    )
    on_screen = [text["tokens_per_second_on_screen"]["median"] for text in texts if text["tokens_per_second_on_screen"]]
    return {
        **{field: spread([text[field] for text in texts]) for field in fields},
        "tokens_per_second_on_screen": spread(on_screen) if on_screen else None,
        "first_of_this_server": texts[0],
    }, page


def bare_tokens_per_second() -> float:
    """The same request without server and browser, recorded as the engine records it."""
    from mistral_core.trace.trace import RecordingPlan
    from tests.bench import texts
    from tests.bench.decode import stepping
    from tests.bench.ratios import write_block

    loaded = texts.bundled()
    run = texts.start(
        loaded.model,
        loaded.tokenizer,
        loaded.tokenizer.encode(texts.PROMPT),
        NEW_TOKENS,
        sampling=texts.STORY,
        seed=0,
        plan=RecordingPlan(),
    )
    return 1000 / write_block(stepping(run), NEW_TOKENS).wall


def client_steps(page: Page, count: int, pause_ms: int) -> dict[str, Any]:
    """Presses the arrow keys; the playhead moves in the browser, without the server."""
    page.evaluate("mxBench.steps = []; document.activeElement?.blur()")
    for number in range(count):
        forth = number % 6 == 5  # five back, one forth: a way through the text with a turn now and then
        page.keyboard.press("ArrowRight" if forth else "ArrowLeft")
        page.wait_for_function("count => mxBench.steps.length === count", arg=number + 1, timeout=5000)
        page.wait_for_timeout(pause_ms)
    steps = page.evaluate("mxBench.steps")
    picture = streams.latencies([step["picture"] for step in steps])
    return {
        "click_to_picture": picture,
        "key_to_changed": streams.latencies([step["changed"] for step in steps]),
        "draw": streams.latencies([step["draw"] for step in steps]),
        "pause_ms": pause_ms,
        "aim_ms": STEP_AIM_MS,
        "aim_met": picture["p95_ms"] < STEP_AIM_MS,
    }


def playing(page: Page, seconds: float) -> dict[str, Any]:
    """Plays the whole text at the highest speed, 60 tokens a second; one picture a token."""
    found = [page.evaluate("seconds => mxBench.play(seconds)", seconds) for _ in range(3)]
    pictures = spread([one["pictures"] for one in found])
    return {
        "pictures_per_second": pictures,
        "longest_frame_ms": max(round(one["longest"], 1) for one in found),
        "aim_pictures_per_second": PLAYING_AIM,
        "aim_met": pictures["median"] >= PLAYING_AIM,
    }


def story(launched: Browser, url: str, name: str, **other: str) -> Page:
    """A page of a text that is written to its end; `other`: what its address says otherwise than `STORY`."""
    page = probed(launched)
    page.goto(f"{url}/{name}?{urlencode({**STORY, **other})}")
    page.wait_for_selector(DONE, timeout=120_000)
    settled(page)
    return page


def another_page(launched: Browser, url: str, name: str, quick: bool) -> dict[str, Any]:
    """Stepping and playing on a page that shows the same text in another way."""
    page = story(launched, url, name)
    page.wait_for_timeout(500)
    found = {
        "steps": trying(lambda: client_steps(page, 20 if quick else 60, 120)),
        "playing": trying(lambda: playing(page, 1 if quick else 3)),
        "problems": page.watch.problems(),  # type: ignore[attr-defined]
    }
    page.context.close()
    return found


def slider_trips(page: Page, count: int) -> dict[str, Any]:
    """Moves the temperature; the bars come back from the stored logits, computed by the server."""
    values = [0.5 + 0.1 * (number % 10) for number in range(count)]
    found = []
    for value in values:
        found.append(page.evaluate("value => mxBench.slide('temperature', value)", round(value, 2)))
        page.wait_for_timeout(300)
    return streams.latencies(found)


def branch_times(found: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Of clicks on another word: until the branch is seen, until the server has answered, until a token is written."""
    names = {"click_to_branch": "shown", "click_to_answer": "answered", "click_to_its_next_token": "grown"}
    return {name: streams.latencies([one[part] for one in found]) for name, part in names.items()}


def branch_click(page: Page) -> dict[str, float]:
    """Clicks the likeliest other word; when each part of the answer was painted."""
    page.evaluate("mxBench.expect()")
    page.locator(".mx-bars .mx-row:enabled").first.click()
    found: dict[str, float] = page.evaluate("mxBench.expected")
    return found


def branch_trips(page: Page, count: int) -> dict[str, Any]:
    """Clicks an alternative; the branch is restored, shown, and grows by its first own token."""
    found = []
    for _ in range(count):
        page.evaluate("document.activeElement?.blur()")
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(700)
        before = page.evaluate("mxBench.root().dataset.run")
        found.append(branch_click(page))
        page.wait_for_selector(f"{DONE}:not([data-run='{before}'])")
        settled(page)
    return branch_times(found)


def trying(work: Callable[[], Any]) -> Any:
    """What it gives, or why there is nothing: one part of the page must not cost the numbers of the others."""
    try:
        return work()
    except Exception as error:
        return {"failed": str(error).splitlines()[0]}


def next_word(launched: Browser, url: str, quick: bool) -> dict[str, Any]:
    """Everything on the desk."""
    written, page = writing(launched, url, 2 if quick else 5)
    bare = bare_tokens_per_second()
    found = {
        "writing": written,
        "bare_tokens_per_second": round(bare, 1),
        "streaming_over_bare": round(written["tokens_per_second"]["median"] / bare, 3),
        "steps": trying(lambda: client_steps(page, 60, 120)),
        "steps_at_rest": trying(lambda: client_steps(page, 8 if quick else 20, 800)),
        "playing": trying(lambda: playing(page, 1 if quick else 3)),
        "slider_to_picture": trying(lambda: slider_trips(page, 5 if quick else 20)),
        "branch": trying(lambda: branch_trips(page, 2 if quick else 5)),
        "problems": page.watch.problems(),  # type: ignore[attr-defined]
    }
    page.context.close()
    return found


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `browser`."""
    with tempfile.TemporaryDirectory() as folder, browser() as launched:
        start = first_picture(launched, Path(folder), 1 if quick else 3, 5)
        with server(Path(folder) / "desk.log") as running:
            desk = next_word(launched, running.url, quick)
            others = {name: another_page(launched, running.url, name, quick) for name in ("attention", "ring")}
            errors = running.log.count("Traceback")
        return {
            "browser_version": launched.version,
            "first_picture": start,
            "next_word": desk,
            **others,
            "server_errors": errors,
        }
