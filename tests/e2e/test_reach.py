"""The page `reach` in a real browser: choose, step, hover, predict, cut, swap, push back, link."""

from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from app import compute, reach_panel
from app.figures.reach_payload import Choice
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
GRID = "[data-reading]"
FRESH = f"{GRID}[data-ready='1'][data-fresh='1']"
STORY = {"model": "storyteller-seed", "text": "Once upon a time there was a girl who lived in the wood.", "n": 40}


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


def popover(page) -> str:
    return page.locator("[data-part=pop]").inner_text()


def test_words_cells_keys_and_hover(visit):
    page = visit("/reach")
    assert wait(page, reading="forward")["source"] == "8"
    assert "farthest felt: 120 on, the very edge" in page.locator("[data-part=facts]").inner_text()
    grid = page.locator("[data-part=grid]")
    grid.hover(position=cell(page, 60, 5))
    value = reach_panel.measure(compute.recording(), Choice(source=8))[0].grid[5, 60]
    assert 1e-4 < value < 1e-3, "so that its power is known"
    assert "position 60, 52 after the source" in popover(page)
    assert f"relative change of this state: {value * 1e4:.1f} × 10⁻⁴" in popover(page)
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
    assert "22 tokens apart: at least 2 hops" in page.locator("[data-part=facts]").inner_text()
    page.locator("[data-part=reading] [data-value=backward]").click()
    wait(page, reading="backward", target=30)
    assert "of the summed influence arrives" in page.locator("[data-part=facts]").inner_text()
    page.locator("[data-part=cut-kind]").select_option("")
    wait(page, reading="backward", cut="")
    settled(page)
    again = visit(page.url.removeprefix(page.url.split("/reach")[0]))
    assert wait(again, reading="backward", target=30, cut="")["run"] == state["run"]


def test_it_follows_a_text_that_is_being_written_and_the_place_follows_the_visitor(visit):
    page = visit("/reach?" + urlencode({**STORY, "n": 120, "seed": 5, "reading": "forward", "from": 8, "to": 9}))
    page.wait_for_selector(f"{FRESH}[data-source='8'][data-status='done'][data-count='135']", timeout=60_000)
    assert "The text ends 126 tokens on" not in page.locator("[data-part=facts]").inner_text(), "reach is 120"
    page.locator("[data-part=story] [data-p='100']").click()
    wait(page, source=100)
    assert "The text ends 34 tokens on" in page.locator("[data-part=facts]").inner_text()
    settled(page)
    page.get_by_role("link", name="Next word", exact=True).click()
    page.wait_for_selector("[data-mode='desk'][data-step='100']")


def test_predict_first_hides_everything_until_the_guess(visit):
    page = visit("/reach")
    wait(page)
    page.locator("[data-act=predict]").click()
    assert data(page)["hidden"] == "1" and "Where will the edge be?" in page.locator("[data-part=facts]").inner_text()
    page.locator("[data-part=grid]").hover(position=cell(page, 60, 5))
    assert "relative change" not in popover(page)
    page.locator("[data-part=grid]").click(position=cell(page, 58, 8))
    assert data(page)["hidden"] == "0" and data(page)["source"] == "8"
    assert "You said 50 tokens. Theory: 120; 90 %" in page.locator("[data-part=facts]").inner_text()


def test_a_wall_stops_the_change_and_an_own_word_takes_its_place(visit):
    page = visit("/reach")
    wait(page)
    page.get_by_label("Your own replacement word").fill("boy")
    page.get_by_role("button", name="swap").click()
    page.locator("[data-part=swap]", has_text="boy").wait_for()
    page.locator("[data-part=cut-kind]").select_option("wall")
    wait(page, cut="wall:16")
    assert "farthest felt: 8 on" in page.locator("[data-part=facts]").inner_text()
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
