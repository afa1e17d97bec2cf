"""The page `inside_a_block` in a real browser: walk along the boxes, click a number, a score, the end, a phone."""

from __future__ import annotations

from functools import cache
from urllib.parse import parse_qs, urlencode, urlparse

import numpy as np
import pytest
from playwright.sync_api import expect

from app import compute
from mistral_core.analysis.inside import Inside, read_inside
from mistral_core.analysis.worked_cell import STORED
from tests.e2e.browser import counted, settled

pytestmark = pytest.mark.browser
ROOT = ".page-inside[data-ready='1']"
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
T = 19


def link(model: str = "storyteller", **parts) -> str:
    return "/inside_a_block?" + urlencode({"model": model, "text": PROMPT, "seed": 0, "n": 20, **counted(parts)})


def wait(page, **data):
    """The numbers are there, one of them worked out, and the picture's data say so."""
    wanted = "".join(f"[data-{name}='{value}']" for name, value in data.items())
    page.wait_for_selector(f"{ROOT}[data-status='done'][data-worked='1']{wanted}", timeout=120_000)
    settled(page)
    return page.locator(ROOT).evaluate("element => ({...element.dataset})")


@cache
def inside() -> Inside:
    """The prompt read by the core alone."""
    loaded = compute.load("storyteller")
    return read_inside(loaded.model, loaded.tokenizer.encode(PROMPT), T - 1)


def said(page, part: str) -> str:
    return page.locator(f"[data-part='{part}']").inner_text()


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_arrows_walk_along_the_data_and_every_number_is_what_its_inputs_make(visit):
    page = visit(link(t=15, layer=4))
    wait(page, step=15, layer=4, box="resid_pre")
    root = page.locator(ROOT)
    for box in list(STORED)[1:]:
        root.press("ArrowRight")
        wait(page, box=box)
        assert page.locator("[data-part=worked]").get_attribute("data-agrees") == "true", box
    root.press("ArrowLeft")
    wait(page, box="final_norm")
    root.press("ArrowUp")
    wait(page, box="final_norm", layer=5)
    root.press(".")
    wait(page, step=16, layer=5)
    slowest = float(page.locator(ROOT).get_attribute("data-draw-ms"))
    assert slowest < 500, "a step is drawn at once"
    page.wait_for_timeout(600)  # until the place has come to rest in the address
    query = parse_qs(urlparse(page.url).query)
    assert (query["t"], query["layer"], query["box"]) == (["16"], ["6"], ["final_norm"])
    page.goto(page.url.replace("box=final_norm", "box=attn_out"))
    wait(page, step=16, layer=5, box="attn_out")
    assert page.locator("[data-part=box-badge]").inner_text() == "model"


def test_a_click_on_a_number_says_what_it_was_made_of(visit):
    page = visit(link(t=15, layer=4))
    wait(page)
    page.locator("[data-box='v']").click()
    wait(page, box="v")
    canvas = page.locator("[data-part='numbers']")
    frame = canvas.bounding_box()
    place = {"x": frame["width"] * 10.5 / 32, "y": frame["height"] * 1.5 / 2}
    canvas.hover(position=place)
    value = inside().of(4, STORED["v"], 15)[1, 10]
    pop = page.locator("[data-part='pop']")
    expect(pop).to_contain_text("number 11 of key/value head 2")
    assert number(pop.locator("b").inner_text()) == pytest.approx(value, abs=1e-3)
    canvas.click(position=place)
    data = wait(page, cell="1,10")
    assert data["head"] == "4", "the first query head that reads this value"
    rows = page.locator(".inside-terms tbody tr")
    assert rows.count() == 6 + 2 and "wv, row 42" in page.locator(".inside-terms thead").inner_text()
    terms = [number(row.locator("td").last.inner_text()) for row in rows.all()]
    assert sum(terms[:-1]) == pytest.approx(value, abs=2e-3) and terms[-1] == pytest.approx(value, abs=1e-3)
    page.locator("[data-part='way'] [data-value='sorted']").click()
    expect(page.locator("[data-part='marker']")).to_be_hidden()
    page.locator(".inside-source summary").click()
    expect(page.locator(".inside-source li[data-lit]")).to_have_count(2)


def test_one_score_is_taken_apart_and_pairs_are_turned(visit):
    page = visit(link(t=15, layer=4, head=2))
    wait(page, head=2)
    page.locator("[data-box='scores']").click()
    page.wait_for_selector("[data-part='score'][data-error]:not([data-error=''])")
    score = page.locator("[data-part='score']")
    assert float(score.get_attribute("data-error")) < 1e-4
    key = int(score.get_attribute("data-key"))
    weights = inside().by_key(4, STORED["pattern"], 15)[2]
    assert key == inside().seen(4, 15)[int(np.argmax(weights))], "the key that gets the most is looked at first"
    cells = [[number(one) for one in row.locator("td").all_inner_texts()] for row in score.locator("tbody tr").all()]
    stored = inside().by_key(4, STORED["scores"], 15)[2].max()
    assert len(cells) == 5 and sum(map(sum, cells)) == pytest.approx(stored, abs=0.13), "25 numbers of two digits"
    page.locator("[data-box='rot_k']").click()
    wait(page, box="rot_k")
    arrows = page.locator(".inside-arrow")
    expect(arrows).to_have_count(16)
    assert arrows.first.inner_text() == "6.3" and arrows.last.get_attribute("aria-pressed") in ("true", "false")
    arrows.nth(3).click()
    wait(page, cell="0,6")


def test_the_end_lists_the_next_words_and_a_knocked_out_head_is_not_what_its_inputs_make(visit):
    page = visit(link(model="storyteller~head:5:3", t=15, layer=4, head=2))
    wait(page)
    assert "head 3 of layer 5 is silent" in said(page, "picture-note")
    page.locator("[data-box='z']").click()
    wait(page, box="z")
    assert page.locator("[data-part=worked]").get_attribute("data-agrees") == "false"
    assert "What goes on is the stored number" in said(page, "worked") and "stored 0" in said(page, "worked")
    page.locator("[data-box='logits']").click()
    wait(page, box="logits")
    words = page.locator(".inside-ending tbody tr")
    assert words.count() >= 11 and page.locator(".inside-taken").count() == 1
    words.nth(1).locator("button").click()
    wait(page, cell=words.nth(1).get_attribute("data-id"))
    assert page.locator("[data-part=worked]").get_attribute("data-agrees") == "true"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_nothing_stands_beyond_the_edge(visit, dark):
    page = visit("/inside_a_block", width=390, height=844, dark=dark)
    page.wait_for_selector(f"{ROOT}[data-worked='1']", timeout=120_000)
    settled(page)
    for box in ("rot_q", "scores", "logits"):
        page.locator(f"[data-box='{box}']").click()
        page.wait_for_selector(f"{ROOT}[data-worked='1'][data-box='{box}']")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.locator(".mx-card").evaluate_all("cards => cards.map((card) => card.getBoundingClientRect().right)")
        assert max(wide) <= 390
