"""The page `shared_heads` in a real browser: who reads which key, one taken away, links, keys, a phone."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from app import compute
from mistral_core.analysis.kv_head import without_kv_head
from tests.e2e.browser import check_narrow_first_screen, settled

pytestmark = pytest.mark.browser
ROOT = ".page-shared-heads"
STORY = {"model": "storyteller", "text": "Once upon a time there was a girl who lived in the wood.", "n": 30}


def wait(page, **values) -> dict[str, str]:
    """Until the page is drawn with its stored numbers and the root says these values."""
    said = "".join(f"[data-{name}='{value}']" for name, value in values.items())
    page.wait_for_selector(f"{ROOT}[data-ready='1'][data-stored='1'][data-by-head='1']{said}")
    return page.locator(ROOT).evaluate("element => ({...element.dataset})")


def link(**parts) -> str:
    return "/shared_heads?" + urlencode({**STORY, **parts})


def weights(page) -> dict[tuple[int, int], float]:
    """By head and key, what the table of the group says."""
    cells = page.locator("[data-part=group] td[data-weight]").evaluate_all(
        "cells => cells.map(({dataset}) => [dataset.head, dataset.key, dataset.weight])"
    )
    return {(int(head), int(key)): float(weight) for head, key, weight in cells if key is not None}


def test_the_recorded_text_shows_the_groups_own_weights_over_keys_that_are_drawn_once(visit):
    page = visit("/shared_heads")
    data = wait(page)
    t, layer = int(data["step"]), int(data["layer"])
    pattern = compute.recording().pattern(layer)[t]
    there = weights(page)
    assert set(there) == {(head, t - offset) for head in range(4) for offset in range(16)}
    for (head, key), weight in there.items():
        assert weight == pytest.approx(float(pattern[head, t - key]), abs=2e-5)
    assert page.locator("[data-part=group] canvas").count() == 2, "the keys once, the values once"
    assert page.locator("[data-part=wires] [data-head]").count() == 8
    assert page.locator("[data-part=wires] [data-kv]").count() == 2
    badges = page.locator(f"{ROOT} .mx-badge").all_inner_texts()
    assert badges == ["theory", "recorded", "model", "derived"], "every card says where it comes from"
    page.locator("[data-part=wires] [data-kv='1']").click()
    wait(page, kv=1, head=4)
    assert {head for head, _ in weights(page)} == {4, 5, 6, 7}
    page.keyboard.press("[")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    wait(page, kv=0, head=3, layer=layer - 1, step=t - 1)
    page.locator(f"[data-part=group] td[data-key='{t - 1}']").first.hover()
    assert "is read now by head 1 " in page.locator("[data-part=pop]").inner_text()
    page.locator("[data-part=view] [data-value=maps]").click()
    wait(page, view="maps")
    assert page.locator("[data-part=group] canvas").count() == 4, "the pictures of one group beside each other"
    page.locator("[data-part=source] summary").click()
    page.wait_for_selector("[data-part=source] li[data-lit]")
    lit = page.locator("[data-part=source] li[data-lit]").all_inner_texts()
    assert any("grouped = q.view(" in line for line in lit)
    assert "repeat_kv" in page.locator("[data-part=source] p").inner_text()


def test_without_a_key_value_head_its_own_group_changes_and_a_step_needs_no_server(visit):
    page = visit(link(t=30, layer=3, head=6))
    wait(page, step=30, layer=2, head=5, status="done")
    page.locator("[data-act=take]").click()
    page.wait_for_selector(f"{ROOT}:not([data-away=''])")
    said = page.locator("[data-part=away-state]").inner_text()
    assert "4 of its 4 heads fetch something else; 4 of the 4 others fetch the same bit for bit" in said
    page.wait_for_url("**away=3%3A2*")
    settled(page)
    tokens = page.locator("[data-part=story] [data-p]").count()
    ids = compute.load("storyteller").tokenizer.encode(STORY["text"])
    loaded = compute.load("storyteller").model
    gone = without_kv_head(loaded, ids, 2, 1)
    page.context.set_offline(True)
    for _ in range(30 - (len(ids) - 2)):
        page.keyboard.press("ArrowLeft")
    wait(page, step=len(ids) - 2)
    kl = float(page.locator("[data-part=away-state] b").last.inner_text().split()[0])
    assert kl == pytest.approx(gone.kl[len(ids) - 2], rel=0.06, abs=1e-6), "the text before is the same"
    rows = page.locator("[data-part=next] [data-word]")
    assert rows.count() == 6 and tokens > len(ids)
    page.context.set_offline(False)


def test_a_link_asks_about_the_keys_alone_and_all_heads_of_mqa_notice(visit):
    page = visit(link(model="mqa", t=20, layer=4, head=8, away="4:1:keys"))
    wait(page, step=20, layer=3, head=7, kv=0)
    page.wait_for_selector(f"{ROOT}:not([data-away=''])")
    said = page.locator("[data-part=away-state]").inner_text()
    assert "8 of its 8 heads fetch something else" in said and "There are no others" in said
    assert "plain mean of the values" in said
    assert page.locator("[data-part=takes] [aria-checked='true']").inner_text() == "its keys alone"
    assert page.locator("[data-act=take]").is_disabled(), "it is measured already"
    assert parse_qs(urlparse(page.url).query)["away"] == ["4:1:keys"]
    after, before = (int(page.locator(".sh-bytes").nth(row).get_attribute("data-bytes")) for row in (1, 0))
    assert before == 2 * 8 * 16 * 1 * 8 * 2 and after == 8 * before


def test_nothing_is_shared_in_mha_and_the_tables_below_say_what_it_would_save(visit):
    page = visit(link(model="mha", t=20, layer=2, head=3))
    wait(page, step=20, kv=2, head=2)
    assert "nothing shared (MHA)" in page.locator("[data-part=heads-title]").inner_text()
    assert {head for head, _ in weights(page)} == {2}
    assert "nothing to repeat" in page.locator("[data-part=stored]").inner_text()
    page.get_by_text("What sharing saves").scroll_into_view_if_needed()
    page.wait_for_selector(".js-plotly-plot .main-svg")
    page.get_by_text("Claim 2 of Test the paper").click()
    page.wait_for_url("**/test_the_paper?claim=sharing*")


def test_on_a_phone_the_heads_stand_on_the_first_screen(visit):
    page = visit("/shared_heads", width=390, height=844, has_touch=True)
    wait(page)
    check_narrow_first_screen(page, ".page-shared-heads .mx-grid")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
