"""Pictures of every page in both sizes and both themes: `make screenshots`.

They go to `build/screenshots`; `--readme` also renews the picture of the README.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Page

from app.navigation import ENTRIES
from tests.e2e.browser import ROOT, browser, open_page, server, settled

SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
README_PICTURE = ROOT / "assets" / "screenshot.png"
STORY = "text=Once+upon+a+time+there+was+a+girl+who+lived+in+a+little+house+in+the+wood.&seed=6&n=150"


def prepare(page: Page, url: str, name: str) -> None:
    """Opens a page and waits until its main picture is drawn."""
    query = "" if name in ("start", "models") else f"?{STORY}&t=139&layer=4"
    page.goto(f"{url}/{'' if name == 'start' else name}{query}")
    if name == "models":
        page.get_by_text("What grouped queries and the window save").wait_for()
        page.wait_for_selector(".js-plotly-plot .main-svg")
    else:
        page.wait_for_selector("[data-ready='1']")
    if name == "start":
        page.wait_for_selector("[data-ready='1'][data-stage='ask']", timeout=30_000)
        page.get_by_role("button", name="Yes, it is forgotten").click()
    if name == "next_word":
        page.wait_for_selector("[data-ready='1'][data-status='done'][data-step='139']")
    elif query:
        page.wait_for_timeout(5000)  # the run is written, then what the page measures
    settled(page)
    page.wait_for_timeout(900)


def main() -> None:
    """Takes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", action="store_true", help="renew assets/screenshot.png too")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--page", action="append", help="only this page (may be repeated)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with server(options.out / "server.log") as running, browser() as launched:
        for entry in ENTRIES:
            if options.page and entry.name not in options.page:
                continue
            for size, (width, height) in SIZES.items():
                for dark in (False, True):
                    page = open_page(launched, width=width, height=height, dark=dark)
                    prepare(page, running.url, entry.name)
                    path = options.out / f"{entry.name}-{size}-{'dark' if dark else 'light'}.png"
                    page.screenshot(path=path)
                    if size == "narrow":
                        page.screenshot(path=path.with_stem(path.stem + "-full"), full_page=True)
                    if options.readme and entry.name == "next_word" and size == "wide" and not dark:
                        README_PICTURE.write_bytes(path.read_bytes())
                    print(path, page.watch.problems() or "no problems")  # type: ignore[attr-defined]
                    page.context.close()


if __name__ == "__main__":
    main()
