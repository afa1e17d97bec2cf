"""From page to page in a real browser: the place follows, opened files show, fast keys lose nothing."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from app import compute
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.trace.trace import NOTHING, RecordingPlan
from tests.conftest import TINY, TINY_STD, ByteTokenizer
from tests.e2e.browser import counted, settled, wait_for_tokens
from tests.model.writing import asked

pytestmark = pytest.mark.browser
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
ROOTS = {
    "Next word": ".page-next-word[data-ready='1']",
    "Attention": ".page-attention[data-ready='1']",
    "Ring": ".page-ring[data-ready='1']",
    "Shared heads": ".page-shared-heads[data-ready='1']",
    "Inside a block": ".page-inside[data-ready='1']",
}
PATHS = {
    "Next word": "next_word",
    "Attention": "attention",
    "Window": "window",
    "Ring": "ring",
    "Reach": "reach",
    "Shared heads": "shared_heads",
    "Inside a block": "inside_a_block",
    "Break it": "break_it",
}


def link(title: str, **parts) -> str:
    return f"/{PATHS[title]}?" + urlencode(
        {"model": "storyteller", "text": PROMPT, "seed": 0, "n": 40, **counted(parts)}
    )


def data(page, title: str) -> dict[str, str]:
    return page.locator(ROOTS[title]).evaluate("element => ({...element.dataset})")


def place(page, title: str) -> tuple[str, str, str]:
    found = data(page, title)
    return found["step"], found["layer"], found["head"]


def turn_to(page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    page.wait_for_selector(ROOTS[title])


def stop(page) -> None:
    """Ends a text that is still being written: the tests that follow have the model for themselves."""
    turn_to(page, "Next word")
    if data(page, "Next word")["status"] == "running":
        page.locator(".st-key-button-stop button").click()
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='done']")


def at(title: str, step: int, layer: int, head: int) -> str:
    return f"{ROOTS[title]}[data-step='{step}'][data-layer='{layer}'][data-head='{head}']"


def move(page, title: str, *keys: str) -> None:
    for key in keys:
        page.locator(ROOTS[title]).press(key)


@pytest.mark.parametrize("other", ["Ring", "Attention"])
def test_a_page_that_was_visited_before_follows_the_place_chosen_on_another(visit, other):
    """And the other way round, and back again: no page insists on what it showed last."""
    page = visit(link("Next word", t=30, layer=2, head=3))
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='done']", timeout=60_000)
    page.wait_for_selector(at("Next word", 30, 2, 3))
    turn_to(page, other)
    page.wait_for_selector(at(other, 30, 2, 3))
    move(page, other, "ArrowLeft", "ArrowLeft", "ArrowUp", "]")
    page.wait_for_url("**head=5*")
    settled(page)
    turn_to(page, "Next word")
    page.wait_for_selector(at("Next word", 28, 3, 4))
    move(page, "Next word", "ArrowLeft", "ArrowDown", "ArrowDown", "[")
    page.wait_for_url("**head=4*")
    settled(page)
    turn_to(page, other)
    page.wait_for_selector(at(other, 27, 1, 3))
    turn_to(page, "Next word")
    page.wait_for_selector(at("Next word", 27, 1, 3))


def test_every_page_opens_a_run_at_the_same_place_before_anybody_has_stepped(visit):
    page = visit("/next_word")
    page.wait_for_selector(ROOTS["Next word"])
    settled(page)
    step = data(page, "Next word")["step"]
    assert 0 < int(step) < int(data(page, "Next word")["count"]) - 1, "the last token has nothing to be compared with"
    for title in ("Ring", "Attention", "Next word"):
        turn_to(page, title)
        page.wait_for_selector(ROOTS[title] + f"[data-step='{step}']")


def test_back_is_one_press_for_each_page_however_many_steps_were_made_there(visit):
    page = visit(link("Next word", t=30, layer=2, head=3))
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='done']", timeout=60_000)
    for title, steps in (("Next word", 3), ("Ring", 2), ("Attention", 2)):
        if title != "Next word":
            turn_to(page, title)
            page.wait_for_selector(ROOTS[title] + "[data-status='done']")
        for _ in range(steps):
            now = int(data(page, title)["step"])
            move(page, title, "ArrowRight")
            page.wait_for_url(f"**t={now + 1}*")
            settled(page)
    for title, step in (("Ring", 35), ("Next word", 33)):
        page.go_back()
        page.wait_for_selector(ROOTS[title] + f"[data-step='{step}']", timeout=20_000)
        settled(page)


@pytest.mark.parametrize(
    ("title", "other"), [("Next word", "Ring"), ("Ring", "Shared heads"), ("Shared heads", "Attention")]
)
def test_a_step_just_before_the_page_is_left_counts_too(visit, title, other):
    """The address is written when the hand has come to rest; the page may be left before that."""
    page = visit(link(title, t=30, layer=2, head=3))
    page.wait_for_selector(ROOTS[title] + "[data-status='done']", timeout=60_000)
    page.wait_for_selector(at(title, 30, 2, 3))
    turn_to(page, other)
    page.wait_for_selector(at(other, 30, 2, 3))
    turn_to(page, title)
    page.wait_for_selector(at(title, 30, 2, 3))
    settled(page)
    move(page, title, "ArrowRight", "ArrowRight")
    page.get_by_role("link", name=other, exact=True).click()
    page.wait_for_selector(at(other, 32, 2, 3))
    page.wait_for_url("**t=32*")


@pytest.mark.parametrize("title", ["Next word", "Attention", "Ring"])
def test_a_page_left_while_it_speaks_is_no_fault(app, visit, title):
    """What a picture says on leaving, a step or that it has the newest tokens, may reach the script of the next page."""
    page = visit(link(title, n=400, seed=77))
    wait_for_tokens(page.locator(ROOTS[title]), 4)
    for wait in range(0, 300, 25):
        move(page, title, "ArrowLeft")
        page.wait_for_timeout(wait)
        page.get_by_role("link", name="Start", exact=True).click()
        page.wait_for_selector(".start-card")
        page.get_by_role("link", name=title, exact=True).click()
        page.wait_for_selector(ROOTS[title])
    stop(page)
    assert "Traceback" not in app.log


def test_a_page_left_at_the_end_of_a_growing_text_goes_on_following_it(visit):
    page = visit(link("Next word", n=2000, seed=4))
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='running']", timeout=60_000)
    turn_to(page, "Ring")
    ring = page.locator(ROOTS["Ring"])
    page.wait_for_selector(ROOTS["Ring"] + "[data-status='running']")
    for _ in range(2):
        before = int(ring.get_attribute("data-count"))
        page.wait_for_selector(ROOTS["Ring"] + f":not([data-count='{before}'])")
        assert ring.evaluate("e => Number(e.dataset.count) - Number(e.dataset.step)") == 1
    stop(page)


def test_the_place_chosen_in_another_reading_wins_too(visit):
    """Reach keeps its own picture; what Python says of the place is newer than what the desk remembers."""
    page = visit(link("Next word", t=30, layer=2, head=3))
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='done']", timeout=60_000)
    settled(page)
    page.get_by_role("link", name="Reach", exact=True).click()
    page.wait_for_selector("[data-reading][data-ready='1'][data-fresh='1']", timeout=60_000)
    page.locator("[data-part='story'] [data-p='12']").click()
    page.wait_for_selector(
        "[data-reading][data-ready='1'][data-source='12'][data-fresh='1'], [data-reading][data-ready='1'][data-target='12'][data-fresh='1']",
        timeout=60_000,
    )
    page.wait_for_url("**t=12*")
    settled(page)
    turn_to(page, "Next word")
    page.wait_for_selector(f"{ROOTS['Next word']}[data-step='12']")


def words(page) -> list[str]:
    """Without the small numbers that each page lays over them."""
    return page.locator("[data-part='story'] [data-p]").all_text_contents()


def opened_file(page, path) -> None:
    """Through the uploader of the desk."""
    page.wait_for_selector(ROOTS["Next word"])
    settled(page)
    page.get_by_role("button", name="Save or open a run").click()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Show it").click(timeout=60_000)
    page.wait_for_selector(f"{ROOTS['Next word']}[data-run^='file ']", timeout=60_000)
    page.keyboard.press("Escape")
    settled(page)


def compact_file(folder):
    path = folder / "compact.safetensors"
    path.write_bytes(compute.RECORDING.read_bytes())
    return path


def foreign_file(folder):
    """Random weights, another vocabulary and geometry, a window of its own in each layer and none in one."""
    config = replace(TINY, n_layers=5, sliding_window=(4, None, 5, 9, 3))
    run = Run(random_model(config, seed=3, std=TINY_STD), ByteTokenizer(), asked(40), plan=RecordingPlan()).complete()
    trace = replace(run.trace(), model_name="another/model", model_hash="f" * 64)
    trace.save(folder / "foreign.safetensors")
    return folder / "foreign.safetensors"


def bare_file(folder):
    """Nothing recorded but the tokens: no attention, no keys, no values, no logits."""
    run = Run(
        random_model(replace(TINY, sliding_window=None), seed=3, std=TINY_STD), ByteTokenizer(), asked(20), plan=NOTHING
    ).complete()
    trace = replace(run.trace(), model_name="another/model", model_hash="f" * 64)
    trace.save(folder / "bare.safetensors")
    return folder / "bare.safetensors"


def test_a_saved_run_opens_on_every_page_of_another_visitor(visit, tmp_path):
    page = visit(link("Next word", n=30, t=33, layer=1, head=2))
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='done']", timeout=60_000)
    settled(page)
    page.get_by_role("button", name="Save or open a run").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save this run as a trace").click()
    path = tmp_path / "saved.safetensors"
    download.value.save_as(path)
    text = words(page)
    other = visit("/next_word")
    opened_file(other, path)
    assert words(other) == text
    for title in ("Attention", "Ring"):
        turn_to(other, title)
        other.wait_for_selector(f"{ROOTS[title]}[data-run='file saved.safetensors'][data-count='49']")
        assert words(other) == text
        settled(other)
    assert data(other, "Ring")["kv"] == "1", "a saved run has its keys and values with it"
    other.get_by_role("link", name="Reach", exact=True).click()
    other.wait_for_selector("[data-reading][data-run='file saved.safetensors'][data-fresh='1']", timeout=60_000)


@pytest.mark.parametrize(("make", "tokens"), [(compact_file, 0), (foreign_file, 47), (bare_file, 27)])
def test_an_opened_file_shows_on_every_page_or_says_what_it_lacks(visit, tmp_path, make, tokens):
    path, tokens = make(tmp_path), tokens or len(compute.recording())
    page = visit("/next_word")
    opened_file(page, path)
    run = data(page, "Next word")["run"]
    for title in ("Next word", "Attention", "Ring"):
        if title != "Next word":
            turn_to(page, title)
        page.wait_for_selector(f"{ROOTS[title]}[data-run='{run}'][data-count='{tokens}']")
        settled(page)
        page.locator(ROOTS[title]).press("Home")
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp", "]", "ArrowDown", "[", "End", "ArrowLeft"):
            page.locator(ROOTS[title]).press(key)
        page.wait_for_selector(f"{ROOTS[title]}[data-step='{tokens - 2}']")
        said = page.locator(ROOTS[title]).inner_text()
        if make is foreign_file:
            assert "windows 3 to 9, 1 layer without" in said, title
        if make is bare_file:
            assert "attention was not recorded in this run" in said, title
    assert "keeps no keys and values" in said or make is foreign_file
    if make is not compact_file:
        assert "The model of this run is not here, so nothing can be measured." in said
        assert page.locator("[data-act='measure']").is_disabled()
    for scene in ("prompt, chunk by chunk", "going back"):
        page.get_by_role("radio", name=scene).click()
    page.get_by_role("link", name="Reach", exact=True).click()
    page.wait_for_selector(f"[data-reading][data-ready='1'][data-run='{run}']")
    settled(page)
    if make is not compact_file:
        page.get_by_text("is not here: only theory is shown").first.wait_for()


STEPS = {"Inside a block": (".", ",")}
"""The keys that step through the words, where the arrows do something else."""


@pytest.mark.parametrize("title", list(ROOTS))
def test_forty_fast_keys_while_the_text_grows_are_forty_steps(visit, title):
    page = visit(link(title, n=2000, seed=4))
    page.wait_for_selector(f"{ROOTS[title]}[data-status='running']", timeout=60_000)
    root = page.locator(ROOTS[title])
    on, back = STEPS.get(title, ("ArrowRight", "ArrowLeft"))
    root.press("Home")
    page.wait_for_selector(f"{ROOTS[title]}[data-step='0']")
    before = wait_for_tokens(root, 60)
    for _ in range(40):
        page.keyboard.press(on)
    assert root.get_attribute("data-step") == "40"
    for _ in range(15):
        page.keyboard.press(back)
    assert root.get_attribute("data-step") == "25"
    page.wait_for_selector(f"{ROOTS[title]}:not([data-count='{before}'])")
    assert root.get_attribute("data-step") == "25", "the growing text does not take the playhead along"
    page.wait_for_url("**t=25*")
    stop(page)


def test_forty_fast_keys_on_reach_are_forty_tokens(visit):
    reach = ".page-reach[data-ready='1']"
    page = visit(link("Reach", n=2000, seed=4))
    page.wait_for_selector(f"{reach}[data-status='running']:not([data-run='recorded'])", timeout=60_000)
    root = page.locator(reach)
    end = "source" if root.get_attribute("data-reading") == "forward" else "target"
    root.press("Home")
    page.wait_for_selector(f"{reach}[data-{end}='0']")
    wait_for_tokens(root, 60)
    root.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert root.get_attribute(f"data-{end}") == "40"
    page.wait_for_selector(f"{reach}[data-{end}='40'][data-fresh='1']", timeout=60_000)
    stop(page)


def test_one_word_only_is_the_current_one_however_many_were_visited(visit):
    page = visit(link("Next word", t=30))
    page.wait_for_selector(ROOTS["Next word"] + "[data-status='done'][data-step='30']", timeout=60_000)
    move(page, "Next word", "ArrowRight", "ArrowRight", "ArrowLeft")
    page.wait_for_selector(ROOTS["Next word"] + "[data-step='31']")
    now = page.locator("[data-part='story'] [aria-current]")
    assert now.evaluate_all("words => words.map(word => [word.dataset.p, word.ariaCurrent])") == [["31", "true"]]
    assert page.locator("[data-part='story'] [aria-label*='current']").count() == 0


def test_what_has_the_focus_in_the_menu_is_seen(visit):
    page = visit("/models")
    link = page.get_by_role("link", name="Ring", exact=True)
    link.wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    style = link.evaluate(
        "element => { const s = getComputedStyle(element); return [s.outlineStyle, s.outlineWidth]; }"
    )
    assert style == ["solid", "3px"]


def test_the_link_to_the_next_page_is_a_whole_sentence_on_a_phone_too(visit):
    page = visit("/ring", width=390, height=844)
    page.wait_for_selector(ROOTS["Ring"])
    page.locator("[data-act='presenter']").click()
    foot = page.locator("[data-testid='stPageLink']").last
    foot.scroll_into_view_if_needed()
    cut = foot.locator("*").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth).map(one => one.textContent)"
    )
    assert cut == []


@pytest.mark.parametrize(
    ("title", "word", "said"),
    [
        ("Next word", "2 KV", "grouped-query attention"),
        ("Next word", "only through relays", "handed on"),
        ("Ring", "made from the states after layer 4", "the layer before"),
        ("Attention", "8 heads", "spreads a weight of 1"),
        ("Ring", "theory", "No weight is used"),
    ],
)
def test_a_word_of_the_field_says_what_it_means_where_it_stands(visit, title, word, said):
    page = visit(link(title, t=30, layer=4), width=390, height=844)
    page.wait_for_selector(ROOTS[title] + "[data-status='done']", timeout=60_000)
    settled(page)
    page.locator("[data-term], .mx-badge").filter(has_text=word).locator("visible=true").first.click()
    pop = page.locator("[data-part='pop']")
    pop.wait_for(state="visible")
    assert said in pop.inner_text()
