"""Two runs beside each other on attention, ring, reach and next word: chosen by hand, stepped together, named by the URL."""

import re
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import pick, settled

pytestmark = pytest.mark.browser
TEXT = "Once upon a time there was a girl who lived in a little house in the wood."
QUERY = {"model": "storyteller", "text": TEXT, "seed": 7, "n": 30}
BROKEN = urlencode({"model": "storyteller~near:3"})
PAGES = {"attention": "attention", "ring": "ring", "reach": "reach", "next_word": "next-word"}


def both(page, name):
    """The pictures of both runs, once both texts are whole and each knows of the other."""
    roots = page.locator(f".page-{PAGES[name]}")
    expect(roots).to_have_count(2, timeout=120_000)
    for i in range(2):
        expect(roots.nth(i)).to_have_attribute("data-count", "49", timeout=120_000)
        expect(roots.nth(i)).to_have_attribute("data-status", re.compile("done|recorded"), timeout=120_000)
        expect(roots.nth(i)).to_have_attribute("data-beside", "1")
    return roots.nth(0), roots.nth(1)


@pytest.fixture
def compared(visit):
    def go(name, beside=BROKEN, **more):
        page = visit(f"/{name}?{urlencode({**QUERY, 'beside': beside, **more})}", **more.pop("options", {}))
        return (page, *both(page, name))

    return go


@pytest.mark.parametrize("name", ["attention", "ring", "next_word"])
def test_a_step_and_a_layer_in_one_are_those_of_the_other(compared, name):
    _page, left, right = compared(name, t=40, layer=3)
    expect(right).to_have_attribute("data-step", "40")
    left.locator("[data-act='back']").click()
    for root in (left, right):
        expect(root).to_have_attribute("data-step", "39")
    right.press("ArrowUp")
    for root in (left, right):
        expect(root).to_have_attribute("data-layer", "3")
    right.locator("[data-act='forward']").click()
    expect(left).to_have_attribute("data-step", "40")
    expect(left.locator("[data-part='apart']")).to_contain_text("the same text")


def test_the_weight_that_lies_elsewhere_is_that_of_the_weights_on_screen(compared):
    """Half the sum of differences, from both files of weights; and nothing farther back than the limit."""
    page, left, right = compared("attention", t=40, layer=3, head=2)
    rows = []
    for root in (left, right):
        with page.expect_download() as saved:
            root.locator("[data-act='save']").click()
        with open(saved.value.path(), encoding="utf-8", newline="") as file:
            lines = [line.rstrip("\r\n") for line in file]
        cells = [re.match(r"40,.*?,(\d+),.*,([0-9.e-]+),[^,]*$", line) for line in lines]
        rows.append({int(one[1]): float(one[2]) for one in cells if one})
    assert max(rows[0]) == 40 and len(rows[0]) == 16
    assert all(weight == 0 for key, weight in rows[1].items() if key < 37)
    moved = sum(abs(rows[0].get(key, 0) - rows[1].get(key, 0)) for key in rows[0] | rows[1]) / 2
    said = left.locator("[data-part='apart']").inner_text()
    assert abs(float(re.match(r"([0-9.]+)", said)[1]) - 100 * moved) < 0.6, (said, moved)


def test_the_same_question_is_asked_of_both_and_the_broken_one_carries_less_far(compared):
    _page, left, right = compared("reach", reading="forward", **{"from": 8, "to": 30})
    for root in (left, right):
        expect(root).to_have_attribute("data-fresh", "1", timeout=120_000)
        expect(root).to_have_attribute("data-source", "8")
    line = left.locator("[data-part='apart']")
    expect(line).to_contain_text("all later predictions together change by", timeout=60_000)
    mine, there = (float(one) for one in re.findall(r"by ([0-9.]+)", line.inner_text()))
    assert mine > there > 0
    right.locator("[data-p='5']").first.click()
    for root in (left, right):
        expect(root).to_have_attribute("data-source", "5")
        expect(root).to_have_attribute("data-fresh", "1", timeout=120_000)
    left.get_by_role("radio", name="back from a prediction").click()
    expect(right).to_have_attribute("data-reading", "backward")


def test_it_is_chosen_by_hand_the_url_keeps_it_and_it_ends(visit):
    page = visit(f"/ring?{urlencode(QUERY)}")
    expect(page.locator(".page-ring")).to_have_attribute("data-status", "done", timeout=120_000)
    settled(page)
    expect(page.get_by_role("button", name="Read it beside")).to_be_disabled()
    pick(page, "tokens in sight", "4")
    page.get_by_role("button", name="Read it beside").click()
    left, _right = both(page, "ring")
    expect(left.locator("[data-part='apart']")).to_contain_text("16 slots here, 4 there")
    page.wait_for_url(re.compile("beside="))
    asked = parse_qs(parse_qs(urlparse(page.url).query)["beside"][0])
    assert asked == {"model": ["storyteller@4"]}
    page.reload()
    both(page, "ring")
    page.get_by_role("button", name="Stop comparing").click()
    expect(page.locator(".page-ring")).to_have_count(1)
    expect(page.locator(".page-ring")).to_have_attribute("data-beside", "0")
    assert "beside" not in parse_qs(urlparse(page.url).query)


def test_another_prompt_is_written_beside_and_an_empty_one_is_refused(visit):
    page = visit(f"/attention?{urlencode(QUERY)}")
    expect(page.locator(".page-attention")).to_have_attribute("data-count", "49", timeout=120_000)
    page.get_by_text("another prompt", exact=True).click()
    box = page.get_by_role("textbox", name="Prompt")
    expect(box).to_have_value(TEXT)
    box.fill(" ")
    page.get_by_role("button", name="Write it beside").click()
    expect(page.get_by_text("The prompt is empty.")).to_be_visible()
    expect(page.locator(".page-attention")).to_have_count(1)
    box.fill(TEXT.replace("girl", "king"))
    page.get_by_role("button", name="Write it beside").click()
    left, right = both(page, "attention")
    expect(right.locator("[data-part='story']")).to_contain_text("king")
    expect(left.locator("[data-part='apart']")).to_contain_text(re.compile(r"other words since \d+|same words up to 7"))


def test_a_run_is_broken_on_one_page_and_looked_into_on_another(visit):
    page = visit(f"/break_it?{urlencode({**QUERY, 'at': 40, 'change': 'head:5:3,mlp:2'})}")
    expect(page.locator(".page-break-it")).to_have_attribute("data-fresh", "1", timeout=120_000)
    part = page.locator(".st-key-part-inside")
    expect(part).to_contain_text("head 3 of layer 5 is silent; the MLP of layer 2 is silent")
    part.get_by_role("button", name="Attention").click()
    page.wait_for_url(re.compile("/attention"))
    left, right = both(page, "attention")
    expect(page.get_by_text("head 3 of layer 5 is silent").first).to_be_visible()
    left.locator("[data-part='layer']").select_option(label="1")
    expect(right.locator("[data-part='apart']")).to_contain_text(
        "0 % of the weight lies elsewhere"
    )  # nothing before it
    left.locator("[data-part='layer']").select_option(label="8")
    expect(right.locator("[data-part='apart']")).not_to_contain_text(re.compile(r"^0 % of"))


def test_on_a_phone_both_stand_below_each_other_and_nothing_is_cut(compared):
    page, left, right = compared("attention", options={"width": 390, "height": 844})
    boxes = [root.bounding_box() for root in (left, right)]
    assert boxes[1]["y"] > boxes[0]["y"] + 300
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
