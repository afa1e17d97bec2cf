"""The start page in a real browser: something alive within the first screen, and a door to the desk."""

import pytest

from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
PLAYER = "[data-ready='1']"


def step(page) -> int:
    return int(page.locator(PLAYER).get_attribute("data-step"))


def test_the_recording_plays_by_itself_and_stops_on_request(visit):
    page = visit("/")
    page.wait_for_selector(PLAYER)
    assert page.locator(PLAYER).get_attribute("data-mode") == "start"
    box = page.locator(PLAYER).bounding_box()
    assert box["y"] < 300, "the picture is in the first screen"
    before = step(page)
    page.wait_for_timeout(1500)
    assert step(page) > before, "it moves by itself"
    page.get_by_role("button", name="Pause").first.click()
    page.wait_for_timeout(300)
    still = step(page)
    page.wait_for_timeout(700)
    assert step(page) == still
    page.locator(PLAYER).press("ArrowRight")
    assert step(page) == still + 1
    page.locator(PLAYER).press("ArrowLeft")
    page.locator(PLAYER).press("ArrowLeft")
    assert step(page) == still - 1


def test_reduced_motion_is_respected(visit):
    page = visit("/", reduced_motion="reduce")
    page.wait_for_selector(PLAYER)
    page.wait_for_timeout(1200)
    first = step(page)
    page.wait_for_timeout(800)
    assert step(page) == first > 16, "it stands still, at a step that shows something"


def test_the_text_on_screen_is_the_recorded_text(visit):
    from app import compute

    page = visit("/")
    page.wait_for_selector(PLAYER)
    page.locator(PLAYER).press("End")
    trace = compute.recording()
    page.wait_for_selector(f"{PLAYER}[data-step='{len(trace) - 1}']")
    shown = page.locator(f"{PLAYER} [data-part='story']").inner_text()
    last_words = trace.text.split()[-5:-1]
    assert " ".join(last_words) in " ".join(shown.split()), shown[-200:]


def test_the_prompt_box_leads_to_the_desk_and_writes(visit):
    page = visit("/")
    page.get_by_label("Begin a story").fill("The fox and the grapes")
    page.get_by_role("button", name="Write with this").click()
    page.wait_for_url("**/next_word?**")
    page.wait_for_selector(f"{PLAYER}[data-mode='desk'][data-status='done']", timeout=60_000)
    assert "The fox and the grapes" in page.locator("[data-part='story']").inner_text()
    assert page.get_by_label("Prompt", exact=True).input_value() == "The fox and the grapes"


def test_an_empty_prompt_is_a_sentence(visit):
    page = visit("/")
    page.wait_for_selector(PLAYER)
    page.get_by_role("button", name="Write with this").click()
    page.get_by_text("Write a few words first").wait_for()
    settled(page)


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_screen_scrolls_only_downwards(visit, dark):
    page = visit("/", width=390, height=844, dark=dark)
    page.wait_for_selector(PLAYER)
    page.wait_for_timeout(500)
    main = page.locator("[data-testid='stMain']")
    assert main.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    box = page.locator(PLAYER).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
