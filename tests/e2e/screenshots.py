"""Pictures of every page, claim and comparison in both sizes and both themes: `make screenshots`.

They go to `build/screenshots`; `--readme` also renews the picture of the README.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Page

from app.navigation import ENTRIES
from mistral_core.experiments.claims import MODULES
from tests.e2e.browser import ROOT, browser, open_page, server, settled

SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
README_PICTURE = ROOT / "assets" / "screenshot.png"
STORY = "text=Once+upon+a+time+there+was+a+girl+who+lived+in+a+little+house+in+the+wood.&seed=6&n=150"


WHOLE = """() => {
    const all = (root) => [...root.querySelectorAll("*")].flatMap((one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);
    const pictures = all(document).filter((one) => one.classList.contains("mx"));
    return pictures.length === 2 && pictures.every((one) => one.dataset.status !== "running");
}"""
"""Both pictures have all of their texts."""
BESIDE = "beside=model%3Dstoryteller~near%253A4"
COMPARED = ("next_word", "attention", "ring", "reach", "shared_heads", "inside_a_block")


def pictures() -> dict[str, str]:
    """By name of the picture, the address: every page, every claim, and two runs beside each other."""
    paths = {entry.name: f"/{entry.name}?{STORY}&t=139&layer=4" for entry in ENTRIES}
    paths |= {"start": "/", "models": "/models"}
    paths["inside_a_block-stream"] = f"/inside_a_block?view=stream&{STORY}&t=139&layer=4"
    claims = {f"test_the_paper-{claim}": f"/test_the_paper?claim={claim}" for claim in MODULES}
    paths["break_it-mistakes"] = f"/break_it?{STORY}&mistake=write-before-read"
    del paths["test_the_paper"]
    return paths | claims | {f"{name}-compared": f"{paths[name]}&{BESIDE}" for name in COMPARED}


def prepare(page: Page, url: str, name: str, path: str = "") -> None:
    """Opens a page and waits until its main picture is drawn.

    Args:
        path: default: that of `pictures`.
    """
    page.goto(url + (path or pictures()[name]))
    if name == "models" or name.startswith("test_the_paper"):
        page.wait_for_selector(".js-plotly-plot .main-svg")
    else:
        page.wait_for_selector("[data-ready='1']")
    if name == "start":
        page.wait_for_selector("[data-ready='1'][data-stage='ask']", timeout=30_000)
        page.get_by_role("button", name="Yes, it is forgotten").click()
    if name == "next_word":
        page.wait_for_selector("[data-ready='1'][data-status='done'][data-step='139']")
    elif name.endswith("compared"):
        page.wait_for_selector("[data-beside='1'] >> nth=1")
        page.wait_for_function(WHOLE)
    elif name.partition("-")[0] in (
        "attention",
        "window",
        "ring",
        "reach",
        "shared_heads",
        "inside_a_block",
        "break_it",
    ):
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
        for name, address in pictures().items():
            if options.page and name not in options.page and name.split("-")[0] not in options.page:
                continue
            for size, (width, height) in SIZES.items():
                for dark in (False, True):
                    page = open_page(launched, width=width, height=height, dark=dark)
                    prepare(page, running.url, name, address)
                    path = options.out / f"{name}-{size}-{'dark' if dark else 'light'}.png"
                    page.screenshot(path=path)
                    if size == "narrow":
                        page.screenshot(path=path.with_stem(path.stem + "-full"), full_page=True)
                    if options.readme and name == "next_word" and size == "wide" and not dark:
                        README_PICTURE.write_bytes(path.read_bytes())
                    print(path, page.watch.problems() or "no problems")  # type: ignore[attr-defined]
                    page.context.close()


if __name__ == "__main__":
    main()
