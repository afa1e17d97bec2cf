"""The page `reach` in a real browser: choose, step, hover, predict, cut, swap, push back, link."""

import re
from urllib.parse import parse_qs, urlencode, urlparse

import numpy as np
import pytest

from app import compute
from app.reach.measure import measure
from app.reach.question import Choice
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
GRID = "[data-reading]"
FRESH = f"{GRID}[data-ready='1'][data-fresh='1']"
STORY = {"model": "storyteller", "text": "Once upon a time there was a girl who lived in the wood.", "n": 40}


def data(page) -> dict[str, str]:
    return page.locator(GRID).evaluate("element => ({...element.dataset})")


def wait(page, **values) -> dict[str, str]:
    """Until the answer is drawn and the root says these values."""
    page.wait_for_selector(FRESH + "".join(f"[data-{name}='{value}']" for name, value in values.items()))
    return data(page)


def cell(page, position: int, row: int) -> dict[str, float]:
    """Where a cell lies on the canvas, from its axes: all columns of the view are equally wide."""
    return page.locator("[data-part=grid]").evaluate(
        """(canvas, [position, row]) => {
          const { width, height } = canvas.getBoundingClientRect();
          const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.875;
          const root = canvas.closest('[data-reading]').dataset;
          const source = Number(root.source), first = Math.max(0, source - 8);
          const last = Math.min(Number(root.count) - 1, source + 128);
          const left = 4.6 * unit, wide = (width - 0.5 * unit - left) / (last - first + 1);
          const bottom = height - 1.7 * unit, high = (bottom - 0.3 * unit) / 9;
          return { x: left + (position - first + 0.5) * wide, y: bottom - (row + 0.5) * high };
        }""",
        [position, row],
    )


def tiny(value: float) -> str:
    """As the picture writes small numbers."""
    if value >= 1e-3:
        return f"{float(f'{value:.2g}'):g}"
    power = int(np.floor(np.log10(value)))
    return f"{value / 10.0**power:.1f} × 10⁻{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in str(-power))}"


def facts(page) -> str:
    return page.locator("[data-part=facts]").inner_text()


def popover(page) -> str:
    return page.locator("[data-part=pop]").inner_text()


def test_words_cells_keys_and_hover(visit):
    page = visit("/reach")
    source = int(wait(page, reading="forward")["source"])
    measured = measure(compute.recording(), Choice(source=source))[0]
    noticed, traces = measured.facts["noticed"], measured.facts["farthest"]
    assert noticed < traces, "what can be noticed ends before what can be measured"
    assert f"farthest prediction that changes noticeably: {noticed} on" in facts(page)
    assert f"traces, too little to notice: {traces} on" in facts(page)
    assert "beyond the edge: exactly 0 at all" in facts(page)
    grid = page.locator("[data-part=grid]")
    grid.hover(position=cell(page, 60, 5))
    value = measured.grid[5, 60]
    assert 1e-9 < value < 1
    assert f"position 60, {60 - source} after the source" in popover(page)
    assert f"relative change of this state: {tiny(value)}" in popover(page)
    grid.hover(position=cell(page, 60, 1))
    assert "exactly 0" in popover(page) and "beyond the edge" in popover(page)
    page.locator("[data-part=story] [data-p='12']").click()
    wait(page, source=12)
    page.locator(GRID).focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    wait(page, source=16)
    page.keyboard.press("ArrowUp")
    assert data(page)["row"] == "1"
    grid.click(position=cell(page, 40, 3))
    assert wait(page, source=40)["row"] == "3"
    settled(page)
    assert parse_qs(urlparse(page.url).query)["from"] == ["40"]


def test_three_readings_and_a_link_that_restores_them(visit):
    page = visit("/reach?" + urlencode({**STORY, "reading": "corridor", "from": 8, "to": 30, "cut": "layer:2"}))
    state = wait(page, reading="corridor", source=8, target=30, cut="layer:2")
    assert "22 tokens apart: at least 2 hops" in facts(page)
    page.locator("[data-part=reading] [data-value=backward]").click()
    wait(page, reading="backward", target=30)
    title = page.locator("[data-part='strip-title']")
    assert title.inner_text() == "influence of each word’s embedding, nats"
    assert title.locator("> *").count() == 1, "the words of a sentence are set apart as samples of a legend are"
    assert "of the summed influence arrives" in facts(page)
    page.locator("[data-part=cut-kind]").select_option("")
    wait(page, reading="backward", cut="")
    settled(page)
    again = visit(page.url.removeprefix(page.url.split("/reach")[0]))
    assert wait(again, reading="backward", target=30, cut="")["run"] == state["run"]


def test_it_follows_a_text_that_is_being_written_and_the_place_follows_the_visitor(visit):
    page = visit("/reach?" + urlencode({**STORY, "n": 120, "seed": 5, "reading": "forward", "from": 8, "to": 9}))
    page.wait_for_selector(f"{FRESH}[data-source='8'][data-status='done'][data-count='135']", timeout=60_000)
    assert "The text ends 126 tokens on" not in facts(page), "reach is 120"
    page.locator("[data-part=story] [data-p='100']").click()
    wait(page, source=100)
    assert "The text ends 34 tokens on" in facts(page)
    settled(page)
    page.get_by_role("link", name="Next word", exact=True).click()
    page.wait_for_selector("[data-mode='desk'][data-step='100']")


def test_a_link_to_a_place_that_is_still_to_be_written_waits_for_it(visit):
    page = visit("/reach?" + urlencode({**STORY, "n": 150, "seed": 4, "reading": "corridor", "from": 120, "to": 150}))
    page.wait_for_selector(f"{FRESH}[data-reading='corridor'][data-source='120'][data-target='150']", timeout=60_000)
    assert page.locator("[data-part=message]").is_hidden()
    wait(page, status="done", reading="corridor", count=165)
    assert "30 tokens apart" in facts(page)


def test_predict_first_hides_everything_until_the_guess(visit):
    page = visit("/reach")
    source = wait(page)["source"]
    page.locator("[data-act=predict]").click()
    assert data(page)["hidden"] == "1" and "Where will the edge be?" in facts(page)
    page.locator("[data-part=grid]").hover(position=cell(page, 60, 5))
    assert "relative change" not in popover(page)
    page.locator("[data-part=grid]").click(position=cell(page, int(source) + 50, 8))
    assert data(page)["hidden"] == "0" and data(page)["source"] == source
    assert "You said 50 tokens. Theory: 120; what is noticed ends at 30, 90 % of it lies within" in facts(page)


def test_a_wall_stops_the_change_and_an_own_word_takes_its_place(visit):
    page = visit("/reach?" + urlencode({**STORY, "reading": "forward", "from": 8}))
    wait(page, source=8, count=55)  # the text asked for, not the recorded one that is shown until it has begun
    page.get_by_label("Your own replacement word").fill("boy")
    page.get_by_role("button", name="swap").click()
    page.locator("[data-part=swap]", has_text="boy").wait_for()
    page.locator("[data-part=cut-kind]").select_option("wall")
    wait(page, cut="wall:16")
    assert "farthest prediction that changes noticeably: 8 on" in facts(page)
    assert "boy" in page.locator("[data-part=swap]").inner_text(), "the swap stays when something is cut"
    page.get_by_label("Your own replacement word").fill("antidisestablishment")
    page.get_by_role("button", name="swap").click()
    page.wait_for_selector("[data-part=message]:not([hidden])")
    assert "choose a word that is one token" in page.locator("[data-part=message]").inner_text()
    wait(page, cut="wall:16")


def test_push_it_back(visit):
    page = visit("/reach", width=390, height=844)
    wait(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    page.locator(".st-key-push-back button").click()
    page.wait_for_selector(".st-key-push-figure .main-svg", timeout=60_000)
    said = page.get_by_text("You said").inner_text()
    assert "the KL stays below 0.01 nats from" in said and "beyond 120" in said


def test_another_window_moves_the_edge_and_what_is_measured(visit):
    page = visit("/reach?" + urlencode({**STORY, "n": 100, "reading": "forward", "from": 8}))
    wait(page, status="done", count=115)
    assert "can see: 120 tokens on" in facts(page)
    page.get_by_label("Window that the text is read with").select_option("4")
    wait(page, window=4, source=8)
    said = facts(page)
    assert "Read again with W = 4; it was trained with 16." in said and "can see: 24 tokens on" in said
    assert "beyond the edge: exactly 0 at all 82 positions, to the last digit" in said, "115 tokens, 8 + 24 + 1 before"
    assert re.search(r"traces, too little to notice: (\d+) on", said)[1] in ("23", "24")
    settled(page)
    query = parse_qs(urlparse(page.url).query)
    assert query["window"] == ["4"] and query["from"] == ["8"]
    page.locator("[data-part=reading] [data-value=corridor]").click()
    wait(page, reading="corridor", window=4)
    page.locator("[data-part=reading] [data-value=backward]").click()
    wait(page, reading="backward", window=4)
    assert "can see: 24 tokens back" in facts(page)
    again = visit(page.url.removeprefix(page.url.split("/reach")[0]))
    wait(again, reading="backward", window=4)
    again.get_by_label("Window that the text is read with").select_option("")
    wait(again, window="")
    assert "can see: 120 tokens back" in facts(again)


def test_a_text_too_short_for_the_edge_is_written_on_or_read_with_a_narrower_window(visit):
    page = visit("/reach?" + urlencode({**STORY, "n": 0, "reading": "forward", "from": 3}))
    state = wait(page, source=3, count=15)
    assert "This text has 15 tokens: nothing in it has left a window of 16 yet" in facts(page)
    assert page.locator("[data-act=narrower]").count() == 0, "8 hops of one token end outside of 15 / 2"
    page.locator("[data-act=write]").click()
    longer = wait(page, source=3, status="done", count=3 + 120 + 1 + 16)
    assert longer["run"] != state["run"] and "far enough" not in facts(page)
    assert "beyond the edge: exactly 0 at all 16 positions" in facts(page)
    page.goto(page.url.split("?")[0] + "?" + urlencode({**STORY, "n": 40, "reading": "forward", "from": 3}))
    wait(page, source=3, status="done", count=55)
    assert "A change can travel 120 tokens, and this text has 55" in facts(page)
    page.locator("[data-act=narrower]").click()
    wait(page, window=4)
    assert "beyond the edge: exactly 0 at all 27 positions" in facts(page)


def test_a_step_just_before_another_page_is_left_counts_here_too(visit):
    page = visit("/next_word?" + urlencode({**STORY, "t": 30, "layer": 2}))
    root = ".mx[data-mode='desk'][data-step='30'][data-status='done']"
    page.wait_for_selector(root, timeout=60_000)
    settled(page)
    page.locator(root).evaluate(
        """(root) => {
          for (const _ of [1, 2]) root.querySelector("[data-act=forward]").click();
          [...document.querySelectorAll("a")].find((link) => link.pathname === "/reach").click();
        }"""
    )
    assert wait(page, reading="backward", target=32)["row"] == "2"
    page.wait_for_url("**t=32*")


def test_green_is_what_can_be_noticed_and_the_deep_scale_is_a_switch(visit):
    page = visit("/reach")
    page.wait_for_selector(f"{GRID}[data-fresh='1'][data-scale='noticed']", timeout=60_000)
    green = "canvas => { const {width, height} = canvas; const d = canvas.getContext('2d').getImageData(0, 0, width, height).data; let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i + 1] > d[i] + 12 ? 1 : 0; return n; }"
    noticed = page.locator("[data-part='grid']").evaluate(green)
    assert "less than 10⁻³: too little to notice" in page.locator("[data-part='grid-legend']").inner_text()
    page.get_by_role("radio", name="down to 10⁻¹²").click()
    page.wait_for_selector(f"{GRID}[data-scale='deep']")
    deep = page.locator("[data-part='grid']").evaluate(green)
    assert "10⁻¹²" in page.locator("[data-part='grid-legend']").inner_text()
    assert 0 < noticed < 0.8 * deep, "most of the staircase is below what anybody would notice"


@pytest.mark.parametrize("reading", ["forward", "backward"])
def test_without_a_window_there_is_no_edge_to_be_before(visit, reading):
    page = visit("/reach?" + urlencode({**STORY, "model": "full-attention", "t": 20, "layer": 3, "reading": reading}))
    page.get_by_text("no window, as trained").wait_for(
        state="attached", timeout=60_000
    )  # the recording stood here before
    found = wait(page, reading=reading, status="done")
    room = int(found["target"]) if reading == "backward" else int(found["count"]) - 1 - int(found["source"])
    text = facts(page)
    assert f"can see: everything, here {room} tokens {'back' if reading == 'backward' else 'on'}" in text
    assert "edge" not in text and "beyond one window" not in text


def test_the_chosen_word_stays_when_the_reading_changes_and_comes_back(visit):
    page = visit("/reach")
    before = wait(page, reading="forward")
    for _ in range(2):
        for reading in ("backward", "corridor", "forward"):
            page.locator(f"[data-part=reading] [data-value={reading}]").click()
            wait(page, reading=reading)
        assert data(page)["source"] == before["source"], "nobody chose another word"
