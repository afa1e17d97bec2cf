"""The start page in a real browser: something alive within the first screen, and a door to the desk."""

import json

import pytest
from playwright.sync_api import expect

from app import compute
from app.theme import percent
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
    page.wait_for_selector(f"{PLAYER}:not([data-step='{step(page)}'])")  # it moves by itself
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


def example() -> dict:
    return json.loads(compute.EXAMPLE.read_text(encoding="utf-8"))


def test_reduced_motion_opens_at_the_question_and_stands_still(visit):
    page = visit("/", reduced_motion="reduce")
    page.wait_for_selector(f"{PLAYER}[data-stage='ask']")
    assert step(page) == example()["corridor"]["target"]
    page.wait_for_timeout(900)
    assert step(page) == example()["corridor"]["target"]
    page.get_by_role("button", name="No, it still counts").click()
    page.get_by_role("button", name="How did it get through?").click()
    page.wait_for_selector(f"{PLAYER}[data-hop='8']")


def test_the_first_minute_asks_measures_and_shows_the_way(visit):
    found = example()
    page = visit("/")
    page.wait_for_selector(f"{PLAYER}[data-stage='ask']", timeout=30_000)
    assert step(page) == found["corridor"]["target"], "it stops by itself when the word has left every ring"
    page.get_by_role("button", name="Yes, it is forgotten").click()
    card = page.get_by_label("Is it forgotten?")
    text = card.inner_text()
    assert "You said: forgotten. It is not forgotten." in text and f"strongest of {found['candidates']} tried" in text
    (before, _), (after, other) = found["best"]["first"], found["best"]["swapped"]
    for number in (percent(before), percent(after), percent(other)):
        assert number in text
    assert f"median {found['typical']['kl_median']:.2g}" in text
    word = page.locator(f"[data-p='{found['best']['position']}'] .mx-w")
    assert word.get_attribute("data-swap") == found["words"][1]
    page.get_by_role("radio", name=f"as {found['words'][0]}", exact=True).click()
    assert word.get_attribute("data-swap") is None and percent(before) in card.inner_text()
    page.get_by_role("button", name="How did it get through?").click()
    page.wait_for_selector(f"{PLAYER}[data-hop='3']")
    page.get_by_role("button", name="One layer back").click()
    page.get_by_role("button", name="One layer on").click()
    legend = page.locator("[data-part='grid-legend']")
    assert "share of the change" in legend.inner_text() and "read now" not in legend.inner_text()
    assert page.locator("[data-part='grid-title']").inner_text() == "Where the change is, layer by layer"
    row = found["corridor"]["through"][int(page.locator(PLAYER).get_attribute("data-hop"))]
    shares = sorted(((abs(value) / sum(map(abs, row)), at) for at, value in enumerate(row)), reverse=True)
    assert f"({shares[0][1]}) {percent(shares[0][0])}" in card.inner_text()
    page.get_by_role("button", name="One layer on").click(click_count=5)
    page.get_by_role("button", name="Measure it in the rings").click()
    page.wait_for_url("**/ring?**")
    page.wait_for_selector(f"{PLAYER}[data-step='{found['corridor']['target']}']", timeout=60_000)
    expect(page.locator(".page-ring")).to_contain_text(
        f"({found['corridor']['source']}) left all"
    )  # the story's word, not the last to go
    settled(page)
    page.get_by_role("link", name="Start", exact=True).click()
    # the question stands as it was left: answered, and the way followed to its end
    page.wait_for_selector(f"{PLAYER}[data-stage='path'][data-hop='8'][data-step='{found['corridor']['target']}']")
    page.get_by_role("button", name="Follow other words").click()
    page.wait_for_url("**/reach?**")
    grid_shown = "[data-ready='1'][data-reading='corridor']"
    page.wait_for_selector(grid_shown, timeout=60_000)
    settled(page)


def test_after_the_question_the_text_goes_on(visit):
    page = visit("/")
    page.wait_for_selector(f"{PLAYER}[data-stage='ask']", timeout=30_000)
    target = step(page)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_timeout(900)
    assert step(page) > target
    page.get_by_role("button", name="Pause").first.click()
    page.get_by_role("button", name="Back to the question").click()
    page.wait_for_selector(f"{PLAYER}[data-stage='ask'][data-step='{target}']")


def test_the_text_on_screen_is_the_recorded_text(visit):
    page = visit("/")
    page.wait_for_selector(PLAYER)
    page.locator(PLAYER).press("End")
    trace = compute.recording()
    page.wait_for_selector(f"{PLAYER}[data-step='{len(trace) - 1}']")
    shown = page.locator(f"{PLAYER} [data-part='story']").inner_text()
    last_words = trace.text.split()[-5:-1]
    assert " ".join(last_words) in " ".join(shown.replace("↵", "\n").split()), shown[-200:]


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


def test_how_the_recording_was_made_comes_when_it_is_asked_for(visit):
    """What Streamlit loads to show code is larger than all the rest of the page."""
    page = visit("/")
    page.wait_for_selector(PLAYER)
    assert page.locator("[data-testid='stCode']").count() == 0
    page.get_by_text("Where this comes from").click()
    page.wait_for_selector("[data-testid='stCode']")
    commands = page.locator("[data-testid='stCode']").all_inner_texts()
    assert len(commands) == 2 and all("python -m mistral_core" in text for text in commands)


def test_a_word_farther_back_than_the_question_is_drawn_apart_and_with_its_distance(visit):
    page = visit("/")
    page.wait_for_selector("[data-ready='1']")
    root = page.locator("[data-ready='1']")
    slide = page.locator(".start-slide")
    while int(root.get_attribute("data-step")) < 58:
        root.press("ArrowRight")
    page.wait_for_selector("[data-ready='1'][data-step='58']")
    word = int(page.locator(".start-watched").get_attribute("data-p"))
    assert slide.get_attribute("aria-label").startswith(f"{58 - word} tokens back")
    assert page.locator(".start-ends span").first.inner_text() == f"{58 - word} tokens back"
    assert page.locator(".start-gap").count() == 1
