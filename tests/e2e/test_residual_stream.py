"""The residual stream on `inside_a_block` in a real browser: link, keys, hover, pins, contributions, a patch by hand."""

from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from app import compute
from mistral_core.analysis.logit_lens import logit_lens
from mistral_core.analysis.stream import read_stream
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
ROOT = ".page-residual"
STORY = {"model": "storyteller", "text": "Once upon a time there was a girl who lived in the wood.", "n": 40}


def wait(page, **values) -> dict[str, str]:
    """Until the lens of all positions is there and the root says these values."""
    said = "".join(f"[data-{name}='{value}']" for name, value in values.items())
    page.wait_for_selector(f"{ROOT}[data-lens='1'][data-words='1']{said}")
    return page.locator(ROOT).evaluate("element => ({...element.dataset})")


def link(**parts) -> str:
    return "/inside_a_block?" + urlencode({"view": "stream", **STORY, **parts})


def point(page, part: str, row: int, rows: int = 9) -> tuple[float, float]:
    """In the middle of the chosen column of a grid, at a row."""
    box = page.locator(f"[data-part={part}]").bounding_box()
    columns = int((box["width"] - 34) / 46)
    t, count = (int(page.locator(ROOT).get_attribute(f"data-{name}")) for name in ("t", "count"))
    first = min(max(0, t - columns // 2), max(0, count - columns))
    wide, high = (box["width"] - 34) / min(columns, count), (box["height"] - 18) / rows
    return box["x"] + 34 + (t - first + 0.5) * wide, box["y"] + (rows - row - 0.5) * high


def test_a_link_opens_it_and_keys_step_through_what_the_core_says(visit):
    page = visit(link(t=20, layer=5))
    wait(page, t=20, row=5)
    page.locator(ROOT).focus()
    took = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowUp", "]"):
        page.keyboard.press(key)
        took.append(float(page.locator(ROOT).get_attribute("data-draw-ms")))
    wait(page, t=21, row=6, head=0)
    assert min(took) < 100, "a step leaves the browser nothing to wait for"
    page.wait_for_url("**t=21**")
    address = parse_qs(urlparse(page.url).query)
    assert address["view"] == ["stream"] and address["layer"] == ["6"] and address["head"] == ["1"]
    settled(page)
    page.mouse.move(*point(page, "heat", 3))
    said = page.locator("[data-part=pop]").inner_text()
    loaded = compute.load("storyteller")
    words = page.locator("[data-part=story] .mx-tok").count()
    assert "position 21, after layer 3" in said and words > 40
    for part in ("would say", "final word", "entropy", "KL to the end"):
        assert part in said, said
    assert loaded.config.n_layers == 8
    badges = page.locator(f"{ROOT} .mx-badge").all_inner_texts()
    assert badges == ["model"] * 5, "every figure says where it comes from"


def test_the_recorded_text_has_the_cores_numbers_and_bars_that_sum_to_the_logit(visit):
    page = visit("/inside_a_block?view=stream")
    data = wait(page)
    trace, t = compute.recording(), int(data["t"])
    loaded = compute.load(trace.model_name)
    lens = logit_lens(loaded.model, read_stream(loaded.model, trace.token_ids.tolist(), stop=t + 2))
    final = int(lens.tokens[t, 0])
    assert data["token"] == str(final)
    canvas = page.locator("[data-part=heat]").get_attribute("aria-label")
    assert f"position {t}: likeliest is “{loaded.tokenizer.label(final).replace('▁', '').strip()}”" in canvas.replace(
        "▁", ""
    )
    assert page.locator("[data-part=bars] .mx-add").count() == 17
    values = [float(bar.get_attribute("data-value")) for bar in page.locator("[data-part=bars] .mx-add").all()]
    logits = loaded.model.unembed(loaded.model.norm(read_stream(loaded.model, trace.token_ids.tolist()).states[-1:]))
    assert sum(values) == pytest.approx(float(logits[0, t, final]), rel=1e-4)
    assert float(page.locator("[data-part=bars-sum]").get_attribute("data-off")) < 1e-3
    page.locator("[data-part=minus]").select_option(index=1)
    assert "rather than" in page.locator("[data-part=bars-title]").inner_text()
    page.locator("[data-part=bars] [data-of='6']").click()
    wait(page, row=3)
    assert "the MLP of layer 3" in page.locator("[data-part=words-title]").inner_text()
    assert page.locator("[data-part=words] .mx-push").count() == 10


def test_a_pinned_word_stays_where_it_is_not_followed(visit):
    page = visit(link(t=20, layer=8))
    wait(page, t=20)
    word = page.locator("[data-part=words] .mx-push").first
    token = word.get_attribute("data-token")
    word.click()
    wait(page, pins=token)
    page.locator(ROOT).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wait(page, t=23)
    assert page.locator(f"[data-part=curves] [data-line='{token}']").count() == 1
    page.locator("[data-part=scale] [data-value=rank]").click()
    assert "1,000" in page.locator("[data-part=curves] .mx-tick").all_text_contents()
    page.locator(f".mx-curve-pin[data-token='{token}']").click()
    wait(page, pins="")


def test_a_cell_is_dragged_from_another_text_and_changes_its_cone_alone(visit):
    page = visit(link(t=20, layer=3))
    wait(page, t=20, row=3)
    page.locator("[data-part=lend-text]").fill("bird")
    page.locator("[data-part=lend-do]").click()
    wait(page, lent=1)
    page.locator("[data-part=put-box]").scroll_into_view_if_needed()
    page.mouse.move(*point(page, "lender", 4))
    page.mouse.down()
    page.mouse.move(*point(page, "heat", 2), steps=4)
    assert page.locator("[data-part=ghost]").is_visible()
    page.mouse.up()
    wait(page, patched="4,20")
    facts = page.locator("[data-part=patch-facts]").inner_text()
    assert "position 20 after layer 4" in facts and "no bit changed" in facts
    assert page.locator("[data-part=measure] [data-value=change]").get_attribute("aria-checked") == "true"
    assert page.locator("[data-part=patch-next] .mx-row").count() == 9
    page.locator("[data-part=back]").click()
    wait(page, patched="")
    page.locator(ROOT).focus()
    page.keyboard.press("p")
    wait(page, patched="4,20")


def test_a_word_that_does_not_fit_is_refused_with_a_reason(visit):
    page = visit(link(t=20))
    wait(page, t=20)
    page.locator("[data-part=lend-text]").fill("unbelievable antidisestablishment")
    page.locator("[data-part=lend-do]").click()
    page.locator("[data-part=message]", has_text="choose a word that is 1 token").wait_for()
    assert wait(page)["lent"] == "0"


def test_a_phone_has_it_in_one_column(visit):
    page = visit("/inside_a_block?view=stream", width=390, height=844)
    wait(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [page.locator(f"{ROOT} {card}").bounding_box() for card in (".mx-text", ".mx-grid", ".mx-step")]
    assert all(box["width"] > 330 for box in boxes) and boxes[0]["y"] < boxes[1]["y"] < boxes[2]["y"]
