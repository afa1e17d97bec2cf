"""The desk in a real browser: write, step, branch, reload, link, bad input."""

import itertools
import time
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from app import compute
from mistral_core.generation import Run
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from tests.e2e.browser import counted, settled

pytestmark = pytest.mark.browser
PLAYER = "[data-ready='1']"
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95)


def data(page) -> dict[str, str]:
    return page.locator(PLAYER).evaluate("element => ({...element.dataset})")


def story(page) -> str:
    """The text on screen; a newline token is shown by its sign."""
    return page.locator("[data-part='story']").inner_text().replace("↵", "\n")


def link(**parts) -> str:
    return "/next_word?" + urlencode({"model": "storyteller", "text": PROMPT, "seed": 0, "n": 40, **counted(parts)})


def done(page, run: str | None = None) -> dict[str, str]:
    page.wait_for_selector(f"{PLAYER}[data-status='done']" + (f"[data-run='{run}']" if run else ""), timeout=60_000)
    settled(page)
    return data(page)


def expected_ids(n: int = 40, seed: int = 0, forced=()) -> list[int]:
    """The tokens that the core writes without any app."""
    loaded = compute.load("storyteller")
    prompt = tuple(loaded.tokenizer.encode(PROMPT))
    request = GenerationRequest(prompt_ids=prompt, max_new_tokens=n, sampling=SAMPLING, seed=seed, forced=forced)
    run = Run(loaded.model, loaded.tokenizer, request)
    for _ in run.prefill():
        pass
    while not run.finish_reason:
        run.step()
    return run.trace().token_ids.tolist()


def test_opened_without_a_run_it_shows_the_recorded_one(visit):
    page = visit("/next_word")
    page.wait_for_selector(f"{PLAYER}[data-mode='desk']")
    assert data(page)["status"] == "recorded"
    assert "Once upon a time" in story(page)


def test_write_then_step_with_the_keys(visit):
    page = visit("/next_word")
    page.wait_for_selector(PLAYER)
    before = data(page)["run"]
    box = page.get_by_role("textbox", name="Prompt").input_value()
    assert box == "".join(compute.recording().token_texts[: compute.recording().n_prompt]), "what is shown"
    last = len(compute.tokenizer("storyteller").encode(box)) + 200 - 1
    page.locator(".st-key-button-write button").click()
    page.wait_for_selector(f"{PLAYER}:not([data-run='{before}'])")
    state = done(page)
    assert state["count"] == str(last + 1) and state["step"] == str(last)
    player = page.locator(PLAYER)
    for key, expected in (
        ("ArrowLeft", last - 1),
        ("ArrowLeft", last - 2),
        ("ArrowRight", last - 1),
        ("Home", 0),
        ("End", last),
        ("ArrowRight", last),
    ):
        player.press(key)
        page.wait_for_selector(f"{PLAYER}[data-step='{expected}']")
    layer = int(data(page)["layer"])
    player.press("ArrowUp")
    assert int(data(page)["layer"]) != layer
    player.press("]")
    assert data(page)["head"] != "mean"
    assert f"went to slot {last % 16} = {last} mod 16" in page.locator("[data-part='step']").inner_text()
    assert "there they replaced those of" in page.locator("[data-part='step']").inner_text()


def test_the_text_is_what_the_model_writes(visit):
    """Every word on screen, against a run of the core in another process."""
    page = visit(link(n=60))
    assert int(done(page)["count"]) == 79
    page.locator(PLAYER).press("End")
    ids = expected_ids(60)
    tokenizer = compute.tokenizer("storyteller")
    assert " ".join(tokenizer.decode(ids).split()[-6:]) in " ".join(story(page).split())


def test_typing_in_the_prompt_does_not_step(visit):
    page = visit("/next_word")
    page.wait_for_selector(PLAYER)
    before = data(page)["step"]
    area = page.get_by_label("Prompt", exact=True)
    area.click()
    for key in ("ArrowLeft", "ArrowRight", " ", "Home"):
        area.press(key)
    assert data(page)["step"] == before


def test_an_alternative_starts_a_branch_and_the_first_run_can_be_opened_again(visit):
    page = visit(link())
    first = done(page)
    page.locator(PLAYER).press("Home")
    for _ in range(24):
        page.locator(PLAYER).press("ArrowRight")
    page.wait_for_selector(f"{PLAYER}[data-step='24']")
    row = page.locator("[data-part='bars'] button:not([disabled])").nth(2)
    token = int(row.get_attribute("data-id"))
    row.click()
    page.wait_for_selector(f"{PLAYER}:not([data-run='{first['run']}'])")
    second = done(page)
    assert second["count"] == first["count"]
    page.locator(PLAYER).press("End")
    ids = expected_ids(forced=((25, token),))
    assert ids[25] == token and ids[:25] == expected_ids()[:25]
    tokenizer = compute.tokenizer("storyteller")
    assert " ".join(tokenizer.decode(ids).split()[-5:]) in " ".join(story(page).split())
    assert f"forced=25%3A{token}" in page.url
    page.locator("[data-part='branches'] button").first.click()
    page.wait_for_selector(f"{PLAYER}[data-run='{first['run']}']")


def test_reload_and_deep_link_restore_run_token_layer_and_head(visit):
    page = visit(link(t=30, layer=2, head=3))
    state = done(page)
    page.wait_for_selector(f"{PLAYER}[data-step='30']")
    assert (data(page)["layer"], data(page)["head"]) == ("2", "3")
    page.locator(PLAYER).press("ArrowRight")
    page.wait_for_url("**t=31**")
    found = parse_qs(urlparse(page.url).query)
    assert (found["t"], found["layer"], found["head"], found["seed"]) == (["31"], ["3"], ["4"], ["0"])
    page.reload()
    page.wait_for_selector(f"{PLAYER}[data-run='{state['run']}'][data-step='31']", timeout=60_000)
    assert (data(page)["layer"], data(page)["head"]) == ("2", "3")


def test_clicks_while_it_writes_do_not_stop_it_and_lose_no_token(visit):
    """A text too long to be finished before the browser has drawn its first picture; it is stopped at the end."""
    page = visit(link(n=2000))
    page.wait_for_selector(f"{PLAYER}[data-status='running']")
    before = int(data(page)["count"])
    for _ in range(6):
        page.locator(PLAYER).press("ArrowLeft")
        page.locator("[data-part='story'] [data-p]").first.click()
        page.wait_for_timeout(60)
    page.wait_for_selector(f"{PLAYER}[data-status='running']:not([data-count='{before}'])")
    page.locator(".st-key-button-stop button").click()
    state = done(page)
    count = int(state["count"])
    assert count > before
    ids = expected_ids(count - 19)
    assert len(ids) == count
    page.locator(PLAYER).press("End")
    tokenizer = compute.tokenizer("storyteller")
    assert " ".join(tokenizer.decode(ids).split()[-6:]) in " ".join(story(page).split())


def test_pause_one_token_go_on_stop(visit):
    page = visit(link(n=2000))
    page.wait_for_selector(f"{PLAYER}[data-status='running']")
    page.locator(".st-key-button-pause button").click()
    page.wait_for_selector(f"{PLAYER}[data-status='paused']")
    page.wait_for_timeout(1000)  # the token that was being written when the button was pressed
    settled(page)
    count = int(data(page)["count"])
    page.locator(".st-key-button-step button").click()
    page.wait_for_selector(f"{PLAYER}[data-count='{count + 1}'][data-status='paused']")
    page.locator(".st-key-button-resume button").click()
    page.wait_for_selector(f"{PLAYER}[data-status='running']")
    page.locator(".st-key-button-stop button").click()
    assert int(done(page)["count"]) > count


def test_sliders_change_the_bars_and_not_the_run(visit):
    page = visit(link())
    state = done(page)
    page.locator(PLAYER).press("Home")
    page.locator(PLAYER).press("ArrowRight")
    bars = page.locator("[data-part='bars']")
    page.locator("[data-part='stages'] >> text=temperature").click()
    before = bars.inner_text()
    slider = page.locator("[data-part='sampling'] input[type=range]").first
    slider.fill("0.1")
    until = time.monotonic() + 10
    while bars.inner_text() == before and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert bars.inner_text() != before
    assert data(page)["run"] == state["run"] and data(page)["count"] == state["count"]


def test_hover_names_rank_probability_and_alternatives(visit):
    page = visit(link())
    done(page)
    page.locator("[data-part='story'] [data-p='30']").hover()
    said = page.locator("[data-part='pop']").inner_text()
    assert "position 30" in said and "rank" in said and "probability" in said and "chosen by the step before" in said


def test_find_a_word(visit):
    page = visit(link(n=60))
    done(page)
    page.locator("[data-part='find']").fill("girl")
    until = time.monotonic() + 5
    while not page.locator("[data-part='found']").inner_text() and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert any(character.isdigit() for character in page.locator("[data-part='found']").inner_text())


@pytest.mark.parametrize(
    ("text", "said"), [("", "The prompt is empty."), ("word " * 4200, "tokens; at most 4,096 can be read here")]
)
def test_bad_prompts_are_one_sentence_and_the_text_stays(visit, text, said):
    page = visit("/next_word")
    page.wait_for_selector(PLAYER)
    run = data(page)["run"]
    page.get_by_label("Prompt", exact=True).fill(text)
    page.locator(".st-key-button-write button").click()
    page.get_by_text(said).first.wait_for()
    assert data(page)["run"] == run


@pytest.mark.parametrize(
    "text", ["😀 wörld", "<script>document.title='x'</script>", "<img src=x onerror=alert(1)>", "שלום", "a\tb\x07"]
)
def test_odd_prompts_are_shown_as_they_are(visit, text):
    page = visit("/next_word?" + urlencode({"text": text, "n": 3}))
    done(page)
    assert page.title() != "x"
    shown = story(page)
    for character in text.replace("\t", "").replace("\x07", "").replace(" ", ""):  # byte tokens stand between some
        assert character in shown, shown
    assert page.locator("[data-part='story'] script, [data-part='story'] img").count() == 0


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("seed=abc", "seed=abc, but that must be a whole number"),
        ("model=..%2F..%2Fetc", "There is no model"),
        ("n=1e9", "n=1e9"),
    ],
)
def test_a_bad_address_is_one_sentence(visit, query, said):
    page = visit(f"/next_word?text=hello&{query}")
    page.get_by_text(said).first.wait_for()
    page.wait_for_selector(f"{PLAYER}[data-status='recorded']")


def test_two_visitors_write_at_once_and_stay_apart(visit):
    first, second = visit(link(n=120, seed=1)), visit(link(n=120, seed=2))
    runs = {done(first)["run"], done(second)["run"]}
    assert len(runs) == 2
    tokenizer = compute.tokenizer("storyteller")
    for page, seed in ((first, 1), (second, 2)):
        page.locator(PLAYER).press("End")
        assert " ".join(tokenizer.decode(expected_ids(120, seed)).split()[-6:]) in " ".join(story(page).split())


def test_leaving_the_page_and_coming_back_keeps_the_run(visit):
    page = visit(link())
    state = done(page)
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_text("What grouped queries and the window save").wait_for()
    page.get_by_role("link", name="Next word", exact=True).click()
    page.wait_for_selector(f"{PLAYER}[data-run='{state['run']}'][data-count='{state['count']}']")
    settled(page)


def test_the_presenter_switch_makes_everything_a_third_larger(visit):
    page = visit("/next_word")
    page.wait_for_selector(PLAYER)
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    before = page.evaluate(size)
    page.locator("[data-act='presenter']").click()
    assert page.evaluate(size) == pytest.approx(before * 4 / 3, rel=0.02)


def test_a_narrow_screen_has_everything_below_each_other(visit):
    page = visit(link(n=20), width=390, height=844)
    done(page)
    assert page.locator("[data-testid='stMain']").evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    order = [
        page.locator(f"[data-ready] .{name}").bounding_box()["y"]
        for name in ("mx-text", "mx-grid", "mx-ring", "mx-step")
    ]
    assert order == sorted(order)
    for button in page.locator(".mx-buttons button").all():
        box = button.bounding_box()
        assert box["width"] >= 40 and box["height"] >= 40


def test_models_page_in_the_browser(visit):
    page = visit("/models")
    page.get_by_text("120 tokens").wait_for()
    page.wait_for_selector(".js-plotly-plot .main-svg")
    page.get_by_role("button", name="Check it now").click()
    page.get_by_text("checks hold").wait_for(timeout=120_000)


COLUMNS = """root => {
  const desk = root.querySelector(".mx-desk");
  const cards = [...desk.querySelectorAll(":scope > .mx-card")].filter((card) => card.offsetParent);
  const right = Math.max(...cards.map((card) => card.getBoundingClientRect().right));
  return [getComputedStyle(desk).gridTemplateColumns.split(" ").length, Math.round(right - desk.getBoundingClientRect().right)];
}"""


@pytest.mark.parametrize(("width", "columns"), [(1440, 3), (1280, 3), (1024, 2)])
def test_a_list_of_runs_has_a_place_of_its_own_in_the_columns(visit, width, columns):
    """A card without a place makes one for itself: a fourth column, which takes its width from the three."""
    page = visit("/next_word", width=width, height=900)
    page.wait_for_selector(PLAYER)
    assert page.locator(PLAYER).evaluate(COLUMNS) == [columns, 0]
    page.locator(".st-key-button-write button").click()
    page.wait_for_selector(".mx-branches")
    assert page.locator(PLAYER).evaluate(COLUMNS) == [columns, 0]
    page.locator(".st-key-button-stop button").click()
    done(page)


def test_a_long_text_is_seen_growing_and_not_only_at_its_end(visit):
    sentence = "She went out every day to look for berries and came back in the evening. "
    page = visit(link(text=sentence * 130, n=60))
    page.wait_for_selector(PLAYER)
    page.locator(PLAYER).evaluate(
        """element => {
          globalThis.counts = [];
          new MutationObserver(() => counts.push(Number(element.dataset.count)))
            .observe(element, { attributes: true, attributeFilter: ["data-count"] });
        }"""
    )
    state = done(page)
    counts = sorted(set(page.evaluate("counts")))
    assert counts[-1] == int(state["count"]) > 2000
    assert max(after - before for before, after in itertools.pairwise(counts)) <= 512, counts


def test_the_bytes_of_one_character_stand_together_and_are_called_by_it(visit):
    page = visit(link(text="Das Mädchen lief", n=3, t=4))
    done(page)
    words = page.locator("[data-part='story'] [data-p]").evaluate_all("all => all.map(one => one.textContent)")
    ids = compute.tokenizer("storyteller").encode("Das Mädchen lief")
    labels = [compute.tokenizer("storyteller").label(token) for token in ids]
    first = labels.index("<0xC3>")
    assert words[first : first + 2] == ["▪", "ä"] and "<0x" not in "".join(words)
    page.locator(f"[data-part='story'] [data-p='{first}']").hover()
    assert "ä 1/2" in page.locator("[data-part='pop']").inner_text()
