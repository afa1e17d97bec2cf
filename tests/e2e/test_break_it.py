"""The page `break_it` in a real browser: choose a part, a word, a limit; several; link; keys; a phone."""

from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from app import compute
from mistral_core.analysis.knock_out_map import knock_out_map
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
ROOT = ".page-break-it"
STORY = {"model": "storyteller", "text": "Once upon a time there was a girl who lived in the wood.", "n": 30}


def wait(page, **values) -> dict[str, str]:
    """Until both the map and the changed run are drawn and the root says these values."""
    said = "".join(f"[data-{name}='{value}']" for name, value in values.items())
    page.wait_for_selector(f"{ROOT}[data-ready='1'][data-mapped='1'][data-fresh='1']{said}")
    return page.locator(ROOT).evaluate("element => ({...element.dataset})")


def cell(page, change: str):
    return page.locator(f"[data-part=map] [data-change='{change}']")


def link(**parts) -> str:
    return "/break_it?" + urlencode({**STORY, **parts})


def test_a_visitor_finds_the_recorded_text_with_its_strongest_head_silent(visit):
    page = visit("/break_it")
    data = wait(page)
    trace = compute.recording()
    target = int(data["target"])
    expected = knock_out_map(compute.load(trace.model_name).model, trace.token_ids.tolist(), target)
    for layer, head in ((7, 5), (0, 0), (3, 2)):
        value = float(cell(page, f"head:{layer + 1}:{head + 1}").get_attribute("data-value"))
        assert value == pytest.approx(expected.heads.change[layer, head], abs=1e-3)
    layer, head = divmod(int(expected.heads.change.argmin()), 8)
    strongest = cell(page, f"head:{layer + 1}:{head + 1}")
    assert strongest.get_attribute("aria-pressed") == "true"
    assert strongest.inner_text() == f"−{abs(expected.heads.change.min()):.2f}"
    assert "chosen for you" in page.locator("[data-part=changes]").inner_text()
    assert page.locator("[data-part=map] .mx-parts-cell").count() == 8 * 9
    badges = page.locator(f"{ROOT} .mx-badge").all_inner_texts()
    assert badges == ["model"] * 4, "every figure says where it comes from"


def test_a_click_on_a_part_silences_it_alone_or_with_others_and_a_chip_takes_it_back(visit):
    page = visit(link(at=20))
    wait(page, target=20)
    cell(page, "head:4:2").click()
    wait(page, changes="head:4:2")
    assert page.locator("[data-part=changes]").inner_text().startswith("head 2 of layer 4 is silent")
    assert "ln p of" in page.locator("[data-part=facts]").inner_text()
    page.locator("[data-part=several] [data-value=several]").click()
    cell(page, "mlp:7").click()
    wait(page, changes="head:4:2,mlp:7")
    page.locator("[data-taken='head:4:2']").click()
    wait(page, changes="mlp:7")
    address = parse_qs(urlparse(page.url).query)
    assert address["change"] == ["mlp:7"] and address["at"] == ["20"]
    page.reload()
    wait(page, changes="mlp:7", target=20)
    page.locator("[data-taken='mlp:7']").click()
    page.locator("[data-part=next]:empty").wait_for(state="attached")
    assert "Nothing is changed" in page.locator("[data-part=written]").inner_text()


def test_key_and_value_heads_a_limit_a_whole_attention_and_a_mean(visit):
    page = visit(link(at=20, change="head:1:1"))
    wait(page, changes="head:1:1")
    page.locator("[data-part=by] [data-value=groups]").click()
    assert page.locator("[data-part=map] .mx-parts-cell").count() == 8 * 3
    cell(page, "group:2:1").click()
    wait(page, changes="group:2:1")
    before = cell(page, "group:2:1").get_attribute("data-value")
    page.locator("[data-part=level] [data-value=mean]").click()
    wait(page, changes="group:2:1", level="mean")
    assert cell(page, "group:2:1").get_attribute("data-value") != before
    page.locator("[data-part=near]").fill("3")
    page.locator("[data-part=near]").press("Enter")
    wait(page, changes="near:3")
    assert "no layer looks back more than 3 tokens" in page.locator("[data-part=changes]").inner_text()
    page.locator("[data-part=attention]").select_option("5")
    wait(page, changes="attention:5")


def test_a_word_is_hidden_and_what_cannot_change_does_not(visit):
    page = visit(link(at=20, change="mlp:3"))
    wait(page)
    page.locator("[data-part=clicks] [data-value=hide]").click()
    page.locator("[data-part=story] [data-p='12']").click()
    wait(page, changes="hide:12", target=20)
    assert "Theory: the first 13 predictions cannot change" in page.locator("[data-part=facts]").inner_text()
    page.locator("[data-part=story] [data-p='5']").hover()
    assert "bit for bit" in page.locator("[data-part=pop]").inner_text()
    page.locator("[data-part=clicks] [data-value=target]").click()
    page.locator("[data-part=story] [data-p='14']").click()
    wait(page, changes="hide:12", target=14)


def test_what_would_be_written_differs_from_where_it_says(visit):
    page = visit(link(at=15, change="mlp:1"))
    wait(page)
    texts = [page.locator(f"[data-written={name}] p") for name in ("before", "after")]
    before, after = (text.inner_text() for text in texts)
    assert before and after and before != after
    kept = [text.evaluate("node => node.firstChild.textContent") for text in texts]
    assert kept[0] == kept[1]
    page.locator("[data-part=writing] [data-value=seeded]").click()
    wait(page, target=15)
    page.wait_for_function("text => document.querySelector('[data-written=before] p')?.innerText !== text", arg=before)


def test_keys_go_through_the_text_and_through_the_map(visit):
    page = visit(link(at=20, change="mlp:3"))
    wait(page)
    page.locator(ROOT).focus()
    for key, target in (("ArrowRight", 21), ("ArrowLeft", 20), ("Home", 0), ("End", None)):
        page.keyboard.press(key)
        if target is not None:
            assert page.locator(ROOT).get_attribute("data-target") == str(target)
    last = int(page.locator(ROOT).get_attribute("data-count")) - 1
    wait(page, target=last)
    assert "the likeliest" in page.locator("[data-part=map-title]").inner_text()
    cell(page, "head:8:1").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert "layer 7, head 2" in page.locator("[data-part=pop]").inner_text()
    page.keyboard.press("Enter")
    wait(page, changes="head:7:2")


def test_a_link_that_cannot_be_says_why_and_shows_the_text(visit):
    page = visit(link(at=20, change="head:99:1"))
    page.get_by_text("layer 98 is not in this model").first.wait_for()
    wait(page)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_every_cell_has_its_number_and_nothing_is_wider_than_the_screen(visit, dark):
    page = visit("/break_it", width=390, height=844, dark=dark)
    wait(page)
    settled(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    for node in page.locator("[data-part=map] .mx-parts-cell").all():
        text = node.inner_text()
        assert text == "0" or text[0] in "−+"
        assert node.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), text
    assert page.locator("[data-part=map]").bounding_box()["y"] < 760, "the map begins on the first screen"
