"""Four more kinds of change on the page `break_it`: an edge, a slot of the ring, a patch, a direction."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
ROOT = ".page-break-it"
STORY = {"model": "storyteller", "text": "Once upon a time there was a girl who lived in the wood.", "n": 30}
GIRL, TARGET = 8, 20


def link(**parts) -> str:
    return "/break_it?" + urlencode({**STORY, "at": TARGET, **parts})


def wait(page, changes: str, **values) -> None:
    """Until the run with these changes is drawn."""
    said = "".join(f"[data-{name}='{value}']" for name, value in {"changes": changes, **values}.items())
    page.wait_for_selector(f"{ROOT}[data-ready='1'][data-mapped='1'][data-fresh='1']{said}")


def part(page, name: str):
    return page.locator(f"[data-part={name}]")


def kind(page, name: str) -> None:
    part(page, "kind").select_option(name)
    part(page, "another").wait_for()


def check_address(page, changes: str, chip: str, visit) -> None:
    """The chip says it, the address carries it, and the address opened anew gives the same facts."""
    assert part(page, "changes").locator(f"[data-taken='{changes}']").inner_text() == f"{chip} ✕"
    facts = part(page, "facts").inner_text()
    assert "ln p of" in facts
    settled(page)
    page.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("change") == [changes])
    where = urlparse(page.url)
    again = visit(f"{where.path}?{where.query}")
    wait(again, changes, target=TARGET)
    assert part(again, "facts").inner_text() == facts
    assert part(again, "changes").inner_text().startswith(chip)


def test_an_edge_is_cut_by_a_click_in_the_text_or_in_one_layer_alone(visit):
    page = visit(link(change="mlp:3"))
    wait(page, "mlp:3")
    before = part(page, "facts").inner_text()
    part(page, "clicks").locator("[data-value=edge]").click()
    word = part(page, "story").locator("[data-p='16']")
    word.click()
    wait(page, "edge:16:20", target=TARGET)
    assert part(page, "facts").inner_text() != before
    assert "Theory: the first 20 predictions cannot change" in part(page, "facts").inner_text()
    assert "mx-cut" in (word.get_attribute("class") or "")
    kind(page, "edge")
    part(page, "layer").select_option("8")
    part(page, "source").fill("17")
    part(page, "another-do").click()
    wait(page, "edge:17:20:8")
    check_address(page, "edge:17:20:8", part(page, "changes").inner_text().removesuffix(" ✕"), visit)
    assert "does not see" in part(page, "changes").inner_text()
    page.locator("[data-taken]").click()
    page.locator(f"{ROOT}[data-changes='']").wait_for()


def test_a_word_outside_of_the_window_has_no_edge_and_it_is_said(visit):
    page = visit(link(change="mlp:3"))
    wait(page, "mlp:3")
    kind(page, "edge")
    word = part(page, "story").locator("[data-p='2']")
    word.hover()
    assert "No edge: it has left the window" in part(page, "pop").inner_text()
    assert "mx-noedge" in (word.get_attribute("class") or "")
    part(page, "source").fill("2")
    assert "No edge: it has left the window" in part(page, "another-note").inner_text()
    word.click()
    page.get_by_text("There is no edge from position 2 to 20").wait_for()
    wait(page, "mlp:3")


def test_a_slot_of_the_ring_breaks_from_a_step_on(visit):
    page = visit(link(change="mlp:3"))
    wait(page, "mlp:3")
    kind(page, "slot")
    assert "holds" in part(page, "another-note").inner_text()
    part(page, "slot").fill("1")
    part(page, "step").fill("18")
    note = part(page, "another-note").inner_text()
    assert "at 17; in this text positions 1, 17, 33" in note and "position mod 16" in note
    part(page, "another-do").press("Enter")
    wait(page, "slot:1:18")
    assert "Theory: the first 18 predictions cannot change" in part(page, "facts").inner_text()
    part(page, "holds").select_option(":zero")
    part(page, "several").locator("[data-value=several]").click()
    part(page, "another-do").click()
    wait(page, "slot:1:18,slot:1:18:zero")
    page.locator("[data-taken='slot:1:18']").click()
    wait(page, "slot:1:18:zero")
    check_address(page, "slot:1:18:zero", "slot 1 is zero from step 18 on", visit)


def test_where_nothing_has_a_window_no_slot_is_offered(visit):
    page = visit(link(model="full-attention", change="mlp:1"))
    wait(page, "mlp:1")
    options = part(page, "kind").locator("option").evaluate_all("nodes => nodes.map((node) => node.value)")
    assert options == ["", "edge", "patch", "add"]


def test_the_state_of_the_text_with_another_word_is_patched_in(visit):
    page = visit(link(change="mlp:3"))
    wait(page, "mlp:3")
    kind(page, "patch")
    part(page, "story").locator(f"[data-p='{GIRL}']").click()
    assert part(page, "source-word").inner_text() == "“girl”"
    part(page, "word").fill("elephantine")
    part(page, "another-do").click()
    page.get_by_text("both texts need the same number, so choose a word that is 1 token").wait_for()
    wait(page, "mlp:3")
    part(page, "word").fill("boy")
    part(page, "row").select_option("3")
    part(page, "word").press("Enter")
    change = f"patch:3:{GIRL}:{GIRL}:boy"
    wait(page, change, target=TARGET)
    facts = part(page, "facts").inner_text()
    assert f"Theory: the first {GIRL} predictions cannot change" in facts and "In the text with “boy” it is" in facts
    assert "mx-lent" in (part(page, "story").locator(f"[data-p='{GIRL}']").get_attribute("class") or "")
    chip = f"at {GIRL}, after layer 3: the state of the text with “boy” for “girl” at {GIRL}"
    check_address(page, change, chip, visit)


def test_a_run_patched_into_itself_changes_nothing(visit):
    page = visit(link(change="mlp:3"))
    wait(page, "mlp:3")
    kind(page, "patch")
    part(page, "source").fill(str(GIRL))
    part(page, "word").fill("girl")
    part(page, "where").select_option("both")
    part(page, "another-do").click()
    wait(page, f"patch:4:{GIRL}-{TARGET}:{GIRL}:girl")
    facts = part(page, "facts").inner_text()
    assert "No prediction changes, to the last bit." in facts and "In the text with" not in facts
    assert "changed: the same words" in part(page, "written").inner_text()


def test_a_direction_is_added_as_often_as_is_asked(visit):
    page = visit(link(change="mlp:3"))
    wait(page, "mlp:3")
    kind(page, "add")
    part(page, "source").fill(str(GIRL))
    part(page, "word").fill("boy")
    part(page, "times").fill("-1.5")
    part(page, "where").select_option("target")
    assert "times × (h′ − h)" in part(page, "another-note").inner_text()
    part(page, "another-do").click()
    change = f"add:4:{TARGET}:-1.5:{GIRL}:boy"
    wait(page, change)
    assert f"Theory: the first {TARGET} predictions cannot change" in part(page, "facts").inner_text()
    check_address(page, change, f"at {TARGET}, after layer 4: + −1.5 × (“boy” − “girl” at {GIRL})", visit)


def test_every_field_has_a_name_and_is_reached_by_the_keyboard(visit):
    page = visit(link(change="mlp:3"), width=1280, height=720)
    wait(page, "mlp:3")
    for name in ("edge", "slot", "patch", "add"):
        kind(page, name)
        fields = part(page, "another").locator("input:visible, select:visible, button:visible")
        for field in fields.all():
            field.focus()
            names = field.evaluate(
                "n => n.ariaLabel || [...(n.labels ?? [])].map((l) => l.innerText).join() || n.innerText"
            )
            assert names.strip(), name
        assert fields.count() >= 3
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
