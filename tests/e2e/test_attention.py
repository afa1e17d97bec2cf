"""The attention page in a real browser: cells, keys, words, table, links, a growing run, the search."""

import csv
import re
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from app import compute
from app.theme import percent
from mistral_core.analysis.heads import summarise
from tests.e2e import browser as harness
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
ATTENTION = ".page-attention[data-ready='1']"
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."


def data(page) -> dict[str, str]:
    return page.locator(ATTENTION).evaluate("element => ({...element.dataset})")


def opened(visit, path: str = "/attention", **options):
    page = visit(path, **options)
    page.wait_for_selector(f"{ATTENTION}:not([data-extras=''])")
    settled(page)
    return page


def point(page, across: float, down: float) -> tuple[int, int, str]:
    """Puts the pointer on a cell of the large picture; query, key, and what is said of it."""
    box = page.locator("[data-part='large']").bounding_box()
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    page.wait_for_selector(f"{ATTENTION}:not([data-hover=''])")
    query, key = (int(part) for part in data(page)["hover"].split(","))
    return query, key, page.locator("[data-part='pop']").inner_text()


def choose(page, part: str, value: str) -> None:
    page.locator(f"[data-part='{part}'] [data-value='{value}']").click()


def test_a_cell_says_from_whom_to_whom_and_with_which_weight(visit):
    """The same number as in the recording, for cells all over the picture."""
    page = opened(visit)
    trace = compute.recording()
    layer, head = int(data(page)["layer"]), int(data(page)["head"])
    seen = set()
    for across, down in ((0.25, 0.3), (0.4, 0.5), (0.6, 0.62), (0.8, 0.4), (0.95, 0.9), (0.21, 0.85)):
        query, key, said = point(page, across, down)
        weight = float(trace.pattern(layer)[query, head, query - key])
        stored = round(weight * 65535) / 65535
        shown = percent(stored) if stored else "<0.01 %"
        assert f"weight {shown}" in said, (query, key, weight, said)
        assert f"from (query) “{trace.token_labels[query]}”, position {query}" in said
        assert f"looks at (key) “{trace.token_labels[key]}”, position {key}" in said
        assert "score not recorded" in said
        seen.add((query, key))
    assert len(seen) == 6
    page.locator("[data-act='scores']").click()
    page.wait_for_selector(f"{ATTENTION}[data-scores='1']", timeout=60_000)
    _, _, said = point(page, 0.4, 0.5)
    assert re.search(r"score −?-?\d+\.\d\d before the softmax", said), said


def test_masked_cells_give_the_reason(visit):
    page = opened(visit)
    choose(page, "shape", "square")
    query, key, said = point(page, 0.97, 0.25)
    assert key > query and "masked: future" in said
    query, key, said = point(page, 0.2, 0.8)
    assert query - key >= 16 and "masked: older than the window of 16" in said
    page.locator(ATTENTION).press("Home")
    page.wait_for_selector(f"{ATTENTION}[data-step='0']")
    choose(page, "shape", "band")
    query, key, said = point(page, 0.97, 0.2)
    assert key < 0 and "before the text begins" in said


def test_the_arcs_of_a_word_go_to_the_keys_with_the_largest_weights(visit):
    page = opened(visit)
    trace = compute.recording()
    query = int(data(page)["step"]) - 2
    for _ in range(2):
        page.locator(ATTENTION).press("ArrowLeft")
    page.wait_for_selector(f"{ATTENTION}[data-step='{query}']")
    state = data(page)
    weights = np.round(trace.pattern(int(state["layer"]))[query, int(state["head"])].astype(float) * 65535) / 65535
    expected = {query - offset for offset in range(1, 16) if weights[offset] >= 0.015}
    arcs = page.locator(".mx-arcs path[data-key]").evaluate_all("paths => paths.map(path => Number(path.dataset.key))")
    assert set(arcs) == expected and expected


def test_keys_move_token_layer_and_head_and_a_click_picks_a_picture(visit):
    page = opened(visit)
    state = data(page)
    picture = page.locator(ATTENTION)
    for key, name, step in (
        ("ArrowUp", "layer", 1),
        ("ArrowDown", "layer", -1),
        ("]", "head", 1),
        ("[", "head", -1),
        ("ArrowLeft", "step", -1),
    ):
        before = int(data(page)[name])
        picture.press(key)
        assert int(data(page)[name]) == before + step, key
    box = page.locator("[data-part='thumbs']").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 30, box["y"] + 60)  # the upper right one
    assert (data(page)["layer"], data(page)["head"]) == ("7", "7") != (state["layer"], state["head"])
    assert page.locator("[data-part='one-title']").inner_text() == "Layer 8, head 8"


def test_the_table_sorts_filters_and_leads_to_the_head(visit):
    page = opened(visit)
    summary = summarise(compute.recording())
    choose(page, "panel", "numbers")
    page.locator("[data-sort='previous']").click()
    rows = page.locator("[data-part='numbers'] tbody tr")
    assert rows.count() == 64
    layer, head = np.unravel_index(np.argmax(summary.previous), summary.previous.shape)
    assert rows.first.inner_text().split("\t")[0] == f"L{layer + 1} H{head + 1}"
    assert percent(float(np.float32(summary.previous[layer, head]))) in rows.first.inner_text()
    page.locator("[data-filter='layer']").select_option(label="3")
    page.locator("[data-filter='group']").select_option(label="2")
    assert rows.count() == 4 and all(text.startswith("L3 H") for text in rows.all_inner_texts())
    rows.nth(1).click()
    picked = re.match(r"L(\d) H(\d)", rows.nth(1).inner_text())
    assert (int(data(page)["layer"]) + 1, int(data(page)["head"]) + 1) == (int(picked[1]), int(picked[2]))


def test_what_is_derived_says_so(visit):
    page = opened(visit)
    badge = page.locator("[data-part='one-badge']")
    expect(badge).to_have_text("recorded")  # a picture is drawn in the next frame: what it says is waited for
    for picture in ("mean", "max", "rollout"):
        choose(page, "picture", picture)
        expect(badge).to_have_text("derived")
        expect(page.locator("[data-part='one-note']")).to_contain_text("attention is not influence")
    choose(page, "picture", "head")
    expect(badge).to_have_text("recorded")
    page.locator("[data-act='sink']").click()
    page.wait_for_selector(f"{ATTENTION}[data-sink='hidden']")
    expect(badge).to_have_text("derived")
    page.locator(ATTENTION).press("Home")
    page.locator(ATTENTION).press("ArrowRight")
    page.wait_for_selector(f"{ATTENTION}[data-step='1']")
    _, key, said = point(page, 0.22, 0.115)
    assert key == 0 or "100 %" in said


def test_a_link_restores_run_token_layer_and_head_and_a_growing_run_loses_nothing(visit):
    link = "/attention?" + urlencode(
        {"model": "storyteller", "text": PROMPT, "seed": 3, "n": 90, "t": 60, "layer": 6, "head": 3}
    )
    page = visit(link)
    page.wait_for_selector(f"{ATTENTION}[data-status='running'], {ATTENTION}[data-status='done']")
    page.wait_for_selector(f"{ATTENTION}[data-step='60'][data-layer='5'][data-head='2']")
    harness.wait_for_tokens(page.locator(ATTENTION), 63)  # on the last token the text would take the step along
    for _ in range(12):
        page.locator(ATTENTION).press("ArrowLeft")
        page.locator(ATTENTION).press("ArrowRight")
    page.wait_for_selector(f"{ATTENTION}[data-status='done'][data-count='109'][data-extras$='/109']", timeout=60_000)
    assert (data(page)["step"], data(page)["layer"], data(page)["head"]) == ("60", "5", "2")
    page.locator(ATTENTION).press("]")
    page.wait_for_url("**head=4*")
    settled(page)
    page.get_by_role("link", name="Next word").first.click()
    desk = "[data-ready='1']:not(.page-attention)"
    page.wait_for_selector(f"{desk}[data-step='60'][data-layer='5'][data-head='3']")
    page.locator(desk).press("ArrowLeft")
    page.wait_for_url("**t=59*")
    settled(page)
    page.get_by_role("link", name="Attention").first.click()
    page.wait_for_selector(f"{ATTENTION}[data-step='59'][data-layer='5'][data-head='3']")


def test_show_me_a_disagreement(visit):
    link = "/attention?" + urlencode({"model": "storyteller", "text": PROMPT, "seed": 3, "n": 30})
    page = visit(link)
    page.wait_for_selector(f"{ATTENTION}[data-status='done'][data-extras$='/49']", timeout=60_000)
    settled(page)
    page.locator("[data-find='find']").click()
    page.wait_for_selector(f"{ATTENTION}[data-finding='done']", timeout=60_000)
    edges = page.locator("[data-edge]")
    assert edges.count() == 2 and "nats" in edges.first.inner_text()
    page.wait_for_selector(f"{ATTENTION}[data-picture='mean']")  # who waited for it sees the first of both
    assert edges.first.get_attribute("aria-current") == "true"
    edges.nth(1).click()
    query, key = re.search(r"\((\d+)\) → .*\((\d+)\): attention", edges.nth(1).inner_text()).groups()
    page.wait_for_selector(f"{ATTENTION}[data-step='{query}'][data-picture='mean']")
    assert edges.nth(1).get_attribute("aria-current") == "true"
    assert page.locator(".mx-arc-chosen").count() == 1 and int(key) < int(query)
    page.wait_for_url(f"**t={query}&*")
    settled(page)
    page.locator("[data-find='reach']").click()
    page.wait_for_url(f"**/reach?*t={query}&*")


def test_it_fits_a_narrow_screen_and_large_type(visit):
    page = opened(visit, width=390, height=844)
    for _ in range(2):
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= 390
        page.locator("[data-act='presenter']").click()
        page.wait_for_timeout(150)
    for name in ("thumbs", "large"):
        assert page.locator(f"[data-part='{name}']").get_attribute("aria-label")
        assert page.locator(f"[data-part='{name}']").bounding_box()["height"] > 150


def test_a_narrow_first_screen_shows_the_picture_over_a_low_timeline(visit):
    page = opened(visit, width=390, height=844)
    harness.check_narrow_first_screen(page, ".mx-all")


def test_the_picture_is_saved_as_numbers(visit):
    page = opened(visit)
    trace, state = compute.recording(), data(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="save as CSV").click()
    layer, head = int(state["layer"]), int(state["head"])
    assert saved.value.suggested_filename == f"attention-layer{layer + 1}-head{head + 1}.csv"
    with open(saved.value.path(), newline="", encoding="utf-8") as lines:
        names, *rows = csv.reader(lines)
    assert names == ["query", "token", "key", "key token", "weight", "score"]
    assert len(rows) == sum(min(query + 1, 16) for query in range(len(trace)))
    for query, _, key, word, weight, score in rows:
        should = float(trace.pattern(layer)[int(query), head, int(query) - int(key)])
        assert (
            float(weight) == pytest.approx(should, abs=1 / 65535) and word == trace.token_labels[int(key)] and not score
        )
