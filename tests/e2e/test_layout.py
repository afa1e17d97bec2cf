"""The layout in a real browser, over all pages, widths, both themes and larger mode: nothing overlaps, is cut, small or pale.

The measure itself is tried on a page that has every fault once.
"""

import pytest

from tests.e2e import browser as harness
from tests.e2e.browser import settled
from tests.e2e.layout import KINDS, PROBES, SCENES, survey

pytestmark = pytest.mark.browser
READY = "[data-ready='1']"
ROOT_SIZE = "parseFloat(getComputedStyle(document.documentElement).fontSize)"


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_page_is_laid_out_at_every_width_in_both_themes_and_enlarged(app, chromium, scene):
    faults = survey(chromium, app.url, scene)
    assert not faults, f"{len(faults)} faults, among them:\n" + "\n".join(map(str, faults[:20]))


FAULTY = """
<main data-testid="stMain" style="position: absolute; inset: 0; overflow: auto; background: #fff; margin: 0">
<div class="mx"><div class="mx-desk" style="height: 3000px; font: 16px sans-serif">
  <section class="mx-card" aria-label="first" style="width: 300px; height: 100px">in its place</section>
  <section class="mx-card" aria-label="second" style="width: 300px; height: 100px; margin-top: -50px">over the first</section>
  <section class="mx-card" aria-label="third" style="width: 300px; height: 60px; overflow: hidden; margin-top: 20px">
    <p style="width: 900px; white-space: nowrap">a line that is much too long for the card in which it stands, and is cut</p></section>
  <p style="margin: 0">one line</p><p style="margin: -18px 0 0">another line</p>
  <p style="font-size: 11px">small print</p>
  <p style="color: #bbb">pale print</p>
  <button style="height: 24px">a small button</button>
  <canvas width="200" height="60" style="width: 200px; height: 60px"></canvas>
  <div style="width: 200px; overflow-x: auto"><table class="criteria" style="width: 280px"><td>a sentence</td></table></div>
  <p style="width: 2500px">wide</p>
</div><footer class="mx-time">the timeline</footer></div></main>
"""
DRAW = """() => { const g = document.querySelector("canvas").getContext("2d"); g.font = "10px sans-serif";
  g.fillText("tiny", 20, 20); g.font = "16px sans-serif"; g.fillText("over", 20, 22); g.fillText("beyond the edge", 150, 50); }"""


def faults_of(page) -> dict[str, list[str]]:
    return {**page.evaluate("mxLayout.measure()"), "contrast": page.evaluate("mxLayout.contrast()")}


def test_the_measure_finds_every_fault_of_a_faulty_page(chromium):
    page = harness.open_page(chromium, width=500, height=600)
    for probe in PROBES:
        page.add_init_script(path=probe)
    page.goto("about:blank")
    page.set_content(FAULTY)
    page.evaluate(DRAW)
    faults = faults_of(page)
    page.context.close()
    assert set(faults) == set(KINDS)
    for kind, words in {
        "overlaps": "first and second overlap",
        "cut": "a line that is much too long",
        "over": "“one line” and “another line” are drawn over each other",
        "small": "“small print” has 11.0 px",
        "bar": "no play bar at 0 px",
        "sideways": "px wide and shows",
        "thumbs": "“a small button” is 24 px high",
        "contrast": "“pale print” has 1.9",
    }.items():
        assert any(words in sentence for sentence in faults[kind]), (kind, faults[kind])
    assert any("is 280 px wide and shows 200" in sentence for sentence in faults["sideways"])
    assert any("“tiny” on CANVAS has 10.0 px" in sentence for sentence in faults["small"])
    assert any("“tiny” and “over” on CANVAS" in sentence for sentence in faults["over"])
    assert any("“beyond the edge” is cut by the edge" in sentence for sentence in faults["cut"])
    assert not any("in its place" in sentence for kind in ("cut", "small", "contrast") for sentence in faults[kind])


def test_larger_mode_stays_on_every_page_and_after_a_reload(visit):
    page = visit("/next_word")
    page.wait_for_selector(READY)
    usual = page.evaluate(ROOT_SIZE)
    page.locator("[data-act='presenter']").click()
    for title in ("Ring", "Models", "Attention"):
        page.get_by_role("link", name=title, exact=True).click()
        page.wait_for_url(f"**/{title.lower()}*")
        settled(page)
        assert page.evaluate(ROOT_SIZE) == pytest.approx(usual * 4 / 3, rel=0.01), title
        if title == "Models":  # no picture carries the switch there
            switch = page.locator("[data-larger-switch][aria-pressed='true']")
            switch.click()
            page.locator("[data-larger-switch][aria-pressed='false']").click()
            switch.wait_for()
    page.wait_for_selector(f".page-attention{READY}")
    assert page.locator("[data-act='presenter']").get_attribute("aria-pressed") == "true"
    page.reload()
    page.wait_for_selector(READY)
    assert page.evaluate(ROOT_SIZE) == pytest.approx(usual * 4 / 3, rel=0.01)
    page.locator("[data-act='presenter']").click()
    page.reload()
    page.wait_for_selector(READY)
    assert page.evaluate(ROOT_SIZE) == usual


def test_in_larger_mode_what_is_beside_the_picture_folds_until_it_is_asked_for(visit):
    page = visit("/next_word", width=1280, height=720)
    page.wait_for_selector(READY)
    step = page.locator("[data-part='step']")
    assert step.is_visible()
    page.locator("[data-act='presenter']").click()
    assert not step.is_visible()
    page.locator(".mx-step .mx-fold input").check()
    assert step.is_visible()


def test_a_first_tap_says_what_a_cell_holds_and_a_second_goes_there(visit):
    page = visit("/next_word", width=390, height=844, has_touch=True, is_mobile=True)
    page.wait_for_selector(READY)
    settled(page)
    grid = page.locator("[data-part='grid']")
    grid.scroll_into_view_if_needed()
    before = page.locator(READY).get_attribute("data-step")
    place = {"x": grid.bounding_box()["width"] * 0.25, "y": 40}
    grid.tap(position=place)
    pop = page.locator("[data-part='pop']")
    pop.wait_for(state="visible")
    assert "position" in pop.inner_text()
    assert page.locator(READY).get_attribute("data-step") == before
    grid.tap(position=place)
    page.wait_for_selector(f"{READY}:not([data-step='{before}'])")
