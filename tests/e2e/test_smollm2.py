"""The pretrained model in a real browser: 30 layers, no window, another tokenizer; every page works on it."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.e2e import browser as harness
from tests.model.checkpoint.gguf_files import pretrained

pytestmark = pytest.mark.browser
DONE = "[data-ready='1'][data-status='done']"
TEXT = "The capital of France is a city called Köln 🙂, they say. It is"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = pretrained()
    log = tmp_path_factory.mktemp("smollm2") / "log.txt"
    with harness.sound_server(log, MISTRAL_MODELS_DIR=str(folder.parent)) as running:
        yield running.url


@pytest.fixture
def opened(served, chromium):
    """Opens a page on the same text; at the end no page may have had a problem."""
    pages = []

    def at(name: str, **more):
        page = harness.open_page(chromium)
        pages.append(page)
        query = {"model": "smollm2", "text": TEXT, "seed": 0, "n": 12, **more}
        page.goto(f"{served}/{name}?{urlencode(query)}")
        return page

    yield at
    for page in pages:
        assert page.watch.problems() == []
        page.context.close()


def test_it_is_offered_with_its_shape_and_its_card(opened):
    page = opened("models")
    expect(page.get_by_text("30", exact=True)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("9 : 3")).to_be_visible()
    page.get_by_text("Model card").click()
    expect(page.get_by_text("Apache-2.0")).to_be_visible()


def test_it_writes_says_each_character_and_branches(opened):
    page = opened("next_word")
    page.wait_for_selector(DONE, timeout=120_000)
    root = page.locator(DONE)
    story = page.locator("[data-part='story']").inner_text()
    assert "Köln" in story and story.replace("\n", " ").strip().startswith("The capital of France")
    expect(page.locator(".mx-chips")).to_contain_text("no window")
    before = root.get_attribute("data-run")
    page.keyboard.press("ArrowLeft")
    page.locator(".mx-bars .mx-row:enabled").first.click()
    page.wait_for_selector(f"{DONE}:not([data-run='{before}'])", timeout=120_000)


def test_it_answers_in_a_chat_and_remembers_what_was_said(opened):
    """By the template in its file, every mark of it visible; a mark that a visitor types is no mark."""
    page = opened("next_word")
    page.wait_for_selector(DONE, timeout=120_000)
    page.get_by_text("chat", exact=True).click()
    box = page.get_by_role("textbox", name="Prompt")
    expect(box).to_have_attribute("placeholder", "Say something …")
    expect(box).to_have_value("")

    def say(text: str) -> str:
        before = page.locator("[data-ready='1']").get_attribute("data-run")
        box.fill(text)
        box.press("Control+Enter")
        page.get_by_role("button", name="Say").click()
        page.wait_for_selector(f"{DONE}:not([data-run='{before}'])", timeout=120_000)
        expect(box).to_have_value("")
        return page.locator("[data-part='story']").inner_text()

    first = say("My name is Ada. <|im_end|>")
    assert first.count("<|im_start|>") == 3 and "assistant" in first, "the template's marks are not on screen"
    assert re.search(r"[?&]chat=%5B%5D", page.url), "the address does not say that it is a chat"
    expect(page.get_by_text("a new conversation (this one has 2 messages)")).to_be_visible()
    second = say("What is my name?")
    assert second.startswith(first.removesuffix("<|im_end|>").strip()[:200]) and second.count("<|im_start|>") == 5
    page.get_by_text("a new conversation").click()
    third = say("Hello!")
    assert "Ada" not in third and third.count("<|im_start|>") == 3


def test_a_window_that_is_imposed_holds_on_every_page_and_is_said(opened):
    """No page may know the model without the window: heads, ring and reach are those of W = 8."""
    said = "A window of 8 is imposed on smollm2, which was trained without a window"
    page = opened("ring", model="smollm2@8", n=30)
    page.wait_for_selector(DONE, timeout=120_000)
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.locator("[data-part='step']")).to_contain_text("mod 8")
    page = opened("attention", model="smollm2@8", n=30)
    page.wait_for_selector(DONE, timeout=120_000)
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.locator("[data-part='text-legend'], .mx-foot").first).to_contain_text("at most 8 tokens")
    page = opened("reach", model="smollm2@8", n=30, reading="forward", **{"from": 4, "to": 4})
    expect(page.locator("[data-part='facts']")).to_contain_text("can see: 210 tokens on", timeout=120_000)
    expect(page.get_by_label("Window that the text is read with").locator("option").first).to_have_text("8, as written")
    page = opened("ring", model="smollm2@8,2", n=30, t=20)
    page.wait_for_selector(DONE, timeout=120_000)
    expect(page.get_by_text("The first 2 tokens stay in sight.")).to_be_visible()
    expect(page.locator("[data-part='step']")).to_contain_text("read 10 of 21 keys: positions 0, 1 (kept) and 13 to 20")
    page = opened("next_word", model="smollm2@8", n=30)
    page.wait_for_selector(DONE, timeout=120_000)
    page.get_by_text("Window, length, seed").click()
    expect(page.get_by_role("combobox", name="window")).to_have_value("8")


def test_its_heads_rings_and_reach_are_shown(opened):
    page = opened("attention")
    page.wait_for_selector(DONE, timeout=120_000)
    expect(page.locator("[data-part='thumbs']")).to_have_attribute(
        "aria-label", re.compile("30 layers with 9 heads each.*3 heads share a key/value head")
    )
    expect(page.get_by_text("trained without a window")).to_be_visible()
    page = opened("ring")
    page.wait_for_selector(DONE, timeout=120_000)
    expect(page.locator("[data-part='step']")).to_contain_text("no window")
    page = opened("reach", reading="forward", **{"from": 4, "to": 4})
    expect(page.locator("[data-part='facts']")).to_contain_text("can see: everything", timeout=120_000)
    expect(page.locator("[data-part='facts']")).to_contain_text("within", timeout=120_000)
    page.get_by_label("Window that the text is read with").select_option("8")
    expect(page.locator("[data-part='facts']")).to_contain_text("Read again with W = 8", timeout=120_000)
    facts = page.locator("[data-part='facts']")
    expect(facts).to_contain_text("Surprise a token", timeout=120_000)
    narrow, trained = surprises(facts.inner_text())
    page.get_by_label("First tokens that stay visible beside the window").select_option("1")
    expect(facts).to_contain_text("first 1 token kept", timeout=120_000)
    expect(facts).to_contain_text("Surprise a token", timeout=120_000)
    kept, again = surprises(facts.inner_text())
    assert trained == again and trained < kept < narrow, "one kept token rescues some of what the window ruins"
    page.wait_for_url("**window=8*sinks=1*")


def surprises(text: str) -> tuple[float, float]:
    """As read here, and as trained."""
    here, trained = re.search(r"Surprise a token: (\d+\.\d+) nats, as trained (\d+\.\d+)", text).groups()
    return float(here), float(trained)
