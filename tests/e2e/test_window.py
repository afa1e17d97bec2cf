"""The page `window` in a real browser: the case, the mask, another window, a link, keys, an experiment, a phone."""

from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from app import compute
from mistral_core.analysis.mask_reading import read_mask
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
ROOT = ".page-window"
STORY = {"model": "storyteller", "text": "Once upon a time there was a girl who lived in the wood.", "n": 30}


def wait(page, **values) -> dict[str, str]:
    """Until the text is read with the chosen window and the root says these values."""
    said = "".join(f"[data-{name}='{value}']" for name, value in values.items())
    page.wait_for_selector(f"{ROOT}[data-ready='1'][data-fresh='1']{said}", timeout=60_000)
    return page.locator(ROOT).evaluate("element => ({...element.dataset})")


def row(page, key: int) -> list[str]:
    return page.locator(f"[data-part=row] tr[data-key='{key}'] td").all_inner_texts()


def test_a_visitor_counts_the_case_and_finds_the_scores_of_the_model(visit):
    page = visit("/window")
    data = wait(page)
    t, layer = int(data["t"]), int(data["layer"])
    assert "4 back, 5 tokens" in page.locator("[data-part=case-words]").inner_text()
    assert page.locator("[data-part=case] .win-arrow").count() == 12
    assert page.locator("[data-part=case] .win-felt").all_text_contents()[:4] == ["0"] * 4
    trace = compute.recording()
    made = read_mask(compute.load(trace.model_name).model, trace.token_ids.tolist(), (layer,))
    for back in (0, 3, 15, 17):
        score = float(made.queries[0, t, 0] @ made.keys[0, t - back, 0]) / 32**0.5
        cells = row(page, t - back)
        assert float(cells[1]) == pytest.approx(score, abs=0.0051)
        assert cells[2] == ("allowed" if back < 16 else "older than W")
    assert row(page, t + 1)[2:] == ["future", "0"]
    badges = set(page.locator(f"{ROOT} .mx-badge").all_inner_texts())
    assert badges == {"model", "derived"}


def test_one_key_more_changes_predictions_and_the_countable_case(visit):
    page = visit("/window?" + urlencode({**STORY, "t": 20, "layer": 3, "head": 2}))
    data = wait(page, t=20, layer=2, head=1, window=16)
    page.locator("[data-part=plus] [data-value=yes]").click()
    wait(page, plus=1, window=17)
    words = page.locator("[data-part=change-words]").inner_text()
    assert "One key more in every layer changes a logit by up to" in words and "first 16 predictions" in words
    assert "6 back, 7 tokens" in page.locator("[data-part=case-words]").inner_text()
    page.wait_for_function("location.search.includes('plus=1')")
    page.locator("[data-act=own]").click()
    wait(page, plus=0, window=16)
    assert data["run"] == page.locator(ROOT).get_attribute("data-run")


def test_the_slider_reads_the_text_anew_and_the_address_keeps_it(visit):
    page = visit("/window?" + urlencode({**STORY, "t": 25}))
    wait(page, t=25)
    page.locator("[data-part=window]").fill("5")
    wait(page, window=5)
    assert row(page, 20)[2:] == ["older than W", "0"] and row(page, 21)[2] == "allowed"
    page.wait_for_function("location.search.includes('w=5')")
    again = visit(page.url[page.url.index("/window") :])
    wait(again, window=5, t=25)


def test_keys_and_clicks_choose_query_layer_and_head(visit):
    page = visit("/window?" + urlencode({**STORY, "t": 20, "layer": 3, "head": 2}))
    wait(page, t=20)
    page.locator(ROOT).focus()
    for key in ("ArrowRight", "ArrowUp", "]"):
        page.keyboard.press(key)
    data = wait(page, t=21, layer=3, head=2)
    assert float(data["drawMs"]) < 100
    page.locator("[data-part=story] [data-p='7']").click()
    wait(page, t=7)
    box = page.locator("[data-part=mask]").bounding_box()
    page.locator("[data-part=mask]").hover(position={"x": box["width"] / 2, "y": 40})
    assert "looks at" in page.locator("[data-part=pop]").inner_text()
    page.wait_for_function("new URLSearchParams(location.search).get('t') === '7'")
    asked = parse_qs(urlparse(page.url).query)
    assert (asked["layer"], asked["head"]) == (["4"], ["3"])


def test_four_ways_are_measured_and_say_why_they_differ(visit):
    page = visit("/window?" + urlencode(STORY))
    wait(page)
    settled(page)
    page.get_by_role("button", name="Read it in all four ways").click()
    page.get_by_text("Why do cached and recomputed windows differ").wait_for(timeout=60_000)
    page.get_by_text("differ by exactly 0", exact=False).wait_for()
    assert page.locator("[data-testid=stTable] >> nth=0").inner_text().count("computed anew") == 2


def test_a_phone_shows_all_of_it_without_scrolling_sideways(visit):
    page = visit("/window", width=390, height=844)
    wait(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("[data-part=mask]").bounding_box()["width"] > 300


def test_a_text_of_two_words_has_a_mask_of_two_rows(visit):
    page = visit("/window?" + urlencode({"model": "storyteller", "text": "The", "n": 0}))
    wait(page, count=2)
    assert page.locator("[data-part=row] tr[data-key]").count() == 2
