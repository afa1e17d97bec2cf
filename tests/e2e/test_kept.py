"""A window with kept first tokens, imposed by the model's name: written, drawn and measured on every page."""

import csv
import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import pick

pytestmark = pytest.mark.browser
DONE = "[data-ready='1'][data-status='done']"
WINDOW, SINKS = 6, 2
MODEL = f"full-attention@{WINDOW},{SINKS}"
QUERY = {"model": MODEL, "text": "Once upon a time there was a girl who lived in a wood.", "seed": 3, "n": 20}


@pytest.fixture
def on(visit):
    def go(name, **more):
        page = visit(f"/{name}?{urlencode({**QUERY, **more})}")
        page.wait_for_selector(DONE if name != "reach" else "[data-ready='1']", timeout=60_000)
        return page

    return go


def sees(t: int) -> list[int]:
    """Positions that the query at t may look at: the rule once more."""
    return [key for key in range(t + 1) if t - key < WINDOW or key < SINKS]


def test_the_slots_of_the_first_tokens_stay_and_the_others_turn(on):
    page = on("ring", t=25)
    step = page.locator("[data-part='step']")
    slot = SINKS + (25 - SINKS) % WINDOW
    expect(step).to_contain_text(f"wrote slot {slot} = {SINKS} + (25 − {SINKS}) mod {WINDOW}")
    expect(step).to_contain_text(f"read {len(sees(25))} of 26 keys: positions 0, 1 (kept) and 20 to 25")
    expect(step).to_contain_text("(19) had left")
    expect(page.locator("[data-part='all-title']")).to_contain_text("slots 0 to 1 are kept")
    held = page.locator("[data-part='ring'] [data-p]").evaluate_all("all => all.map(one => Number(one.dataset.p))")
    assert sorted(held) == sees(25)
    page.locator("[data-part='ring'] [data-p='0']").click()
    expect(page.locator("[data-part='slot-words']")).to_contain_text("never overwritten: one of the first tokens")
    page.get_by_text("prompt, chunk by chunk").click()
    chunk = page.locator("[data-part='chunks']")
    before = [int(p) for p in chunk.get_attribute("data-before").split(",")]
    assert len(before) == WINDOW + SINKS and before[:SINKS] in ([0, 1], [-1, -1])


def test_attention_to_kept_tokens_is_that_of_the_model(on):
    page = on("attention", t=25, layer=3, head=2)
    expect(page.locator(".mx-foot, [data-part='text-legend']").first).to_contain_text("6 tokens and the first 2")
    expect(page.locator("[data-part='large']")).to_have_attribute("aria-label", re.compile("position 25"))
    seen = page.locator("[data-part='story'] .mx-in, [data-part='story'] .mx-now")
    assert sorted(int(p) for p in seen.evaluate_all("all => all.map(one => one.dataset.p)")) == sees(25)


def test_the_file_of_weights_has_the_kept_keys_and_every_row_sums_to_one(on):
    page = on("attention", t=25, layer=3, head=2)
    with page.expect_download() as saved:
        page.locator("[data-act='save']").first.click()
    by_query: dict[int, dict[int, float]] = {}
    with open(saved.value.path(), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            by_query.setdefault(int(row["query"]), {})[int(row["key"])] = float(row["weight"])
    assert sorted(by_query[25]) == sees(25)
    assert all(abs(sum(weights.values()) - 1) < 1e-3 for weights in by_query.values())


def test_next_word_says_it_and_another_choice_is_written_so(on):
    page = on("next_word", t=25)
    expect(page.get_by_text("The first 2 tokens stay in sight.")).to_be_visible()
    expect(page.locator(".mx-chips")).to_contain_text("window 6 and the first 2 tokens")
    expect(page.locator("[data-part='step']")).to_contain_text(f"reads {len(sees(25))} of 26 keys")
    page.get_by_text("Window, length, seed").click()
    box = page.get_by_role("combobox", name="first tokens kept beside it")
    expect(box).to_have_value("2")
    expect(page.get_by_role("spinbutton", name="new tokens")).to_have_value("20")
    expect(page.get_by_role("spinbutton", name="seed")).to_have_value("3")
    pick(page, "first tokens kept beside it", "4")
    page.keyboard.press("Escape")
    page.get_by_test_id("stBaseButton-primary").click()
    expect(page.locator(".mx-chips")).to_contain_text("and the first 4 tokens", timeout=60_000)
    page.wait_for_url(re.compile(r"model=full-attention(@|%40)6(,|%2C)4"))


def test_a_kept_token_is_felt_beyond_every_edge(on):
    page = on("reach", reading="backward", **{"from": 0, "to": 30})
    expect(page.locator("[data-part='facts']")).to_contain_text("does use", timeout=60_000)
    facts = page.locator("[data-part='facts']")
    expect(facts).to_contain_text("can see: 40 tokens back and the first 2")
    page.goto(page.url.replace("reading=backward", "reading=corridor"))
    expect(page.locator("[data-part='facts']")).to_contain_text("tokens apart: at least 1 hop", timeout=60_000)
