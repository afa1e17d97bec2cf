"""Behind every picture there is a table: it says the numbers that are drawn, can be copied and saved, and keeps keys."""

import csv
from collections import defaultdict
from urllib.parse import urlencode

import pytest

pytestmark = pytest.mark.browser
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
PAGES = {
    "next_word": ["grid", "ring"],
    "attention": ["large", "thumbs"],
    "window": ["case", "change", "mask"],
    "ring": ["all", "ring", "slot-numbers"],
    "reach": ["grid"],
    "shared_heads": ["moved", "wires"],
    "inside_a_block": ["box-title"],
    "inside_a_block&view=stream": ["curves", "heat", "lender"],
    "break_it": ["map", "strip"],
    "break_it&mistake=write-before-read": ["right", "strip"],
}
MEASURED = {"change", "moved", "lender"}
"""Pictures that are empty until something is asked."""
IN_WORDS = ".start-scale, .start-slide, .inside-arrow svg, .inside-pairs span"
"""Small pictures that say all of their numbers in their label."""


def link(page: str, **more) -> str:
    path, _, rest = page.partition("&")
    parts = {"model": "storyteller", "text": PROMPT, "seed": 0, "n": 40, "t": 50, "layer": 4, **more}
    return f"/{path}?{urlencode(parts)}" + (f"&{rest}" if rest else "")


def opened(page, name: str, timeout: float = 30_000) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and the rows; a picture that is not drawn yet fills its table when it is."""
    page.locator(f"[data-table='{name}']").click()
    dialog = page.locator("dialog[open]")
    dialog.locator("tbody tr").first.wait_for(timeout=timeout)
    names, rows = dialog.evaluate(
        """box => [[...box.querySelectorAll("th")].map((one) => one.textContent),
             [...box.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((one) => one.textContent))]"""
    )
    return names, rows


def number(cell: str) -> float:
    return 0.0 if cell == "–" else float(cell.replace("−", "-").replace(",", ""))


def column(names: list[str], rows: list[list[str]], name: str) -> list[float]:
    return [number(row[names.index(name)]) for row in rows]


def close(page) -> None:
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def ready(page, address: str) -> None:
    page.wait_for_selector("[data-ready='1']")
    if address == "inside_a_block&view=stream":
        page.wait_for_function(
            "() => [...document.querySelectorAll('*')].some((e) => e.shadowRoot?.querySelector('[data-part=curves] polyline'))"
        )
    page.wait_for_timeout(2500)  # the run is written, and what the page measures has come


@pytest.mark.parametrize("address", list(PAGES))
def test_every_picture_of_a_page_has_a_table_with_numbers(visit, address):
    page = visit(link(address))
    ready(page, address)
    buttons = page.locator("[data-table]")
    assert sorted(buttons.evaluate_all("all => all.map((one) => one.dataset.table)")) == PAGES[address]
    bare = page.locator(".mx-card:not(:has([data-table])) [role=img]:visible").evaluate_all(
        f"all => all.filter((one) => !one.matches('{IN_WORDS}') && one.clientHeight > 0).map((one) => one.outerHTML)"
    )
    assert bare == []
    for name in PAGES[address]:
        if name in MEASURED:
            page.locator(f"[data-table='{name}']").click()
            assert page.locator("dialog[open]").inner_text().startswith("Nothing is drawn here yet.")
        else:
            names, rows = opened(page, name)
            assert rows and all(len(row) == len(names) for row in rows)
            assert not {"NaN", "undefined", "null", "Infinity"} & {cell for row in rows for cell in row}
            assert any(cell.strip("–") for row in rows for cell in row[2:] or row)
        close(page)


def test_the_weights_of_a_step_sum_to_one_in_every_layer(visit):
    page = visit(link("next_word"))
    page.wait_for_selector("[data-ready='1'][data-step='50']")
    names, rows = opened(page, "grid")
    assert column(names, rows, "position")[:2] == [50, 49]
    for layer in range(1, 9):
        assert sum(column(names, rows, f"layer {layer}")) == pytest.approx(1, abs=2e-3)
    assert column(names, rows, "hops")[:17] == [0] + [1] * 15 + [2]  # W = 16: the token itself, 15 more, then a hop
    close(page)
    names, rows = opened(page, "ring")
    assert sum(column(names, rows, "weight")) == pytest.approx(1, abs=2e-3)
    made = column(names, rows, "made at position")
    assert sorted(made) == list(range(35, 51)) and all(p % 16 == slot for slot, p in enumerate(made))


def test_each_query_of_a_head_and_of_the_mask_shares_out_one(visit):
    page = visit(link("attention", head=3))
    ready(page, "attention")
    names, rows = opened(page, "large")
    queries = defaultdict(float)
    for query, weight in zip(column(names, rows, "query"), column(names, rows, "weight"), strict=True):
        queries[query] += weight
    full = [total for query, total in list(queries.items())[:-1]]  # the last row may be cut where the table is
    assert len(full) > 5 and full == pytest.approx([1.0] * len(full), abs=2e-3)
    page = visit(link("window"))
    ready(page, "window")
    names, rows = opened(page, "mask")
    back, seen = column(names, rows, "tokens back"), [row[names.index("seen")] for row in rows]
    assert {word for b, word in zip(back, seen, strict=True) if 0 <= b < 16} == {"allowed"}
    assert {word for b, word in zip(back, seen, strict=True) if b < 0} == {"future"}
    weights = column(names, rows, "weight")
    assert all(weight == 0 for word, weight in zip(seen, weights, strict=True) if word != "allowed")


def test_a_table_is_saved_and_copied_whole_and_the_page_behind_it_does_not_step(visit):
    page = visit(link("next_word"))
    page.wait_for_selector("[data-ready='1'][data-step='50']")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    names, rows = opened(page, "grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator("[data-ready='1']").first.get_attribute("data-step") == "50"
    with page.expect_download() as saved:
        page.get_by_role("button", name="save as CSV").click()
    with open(saved.value.path(), encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == names and len(lines) == len(rows) + 1
    weight = names.index("layer 4")
    assert float(lines[1][weight]) == pytest.approx(number(rows[0][weight]), rel=1e-3)
    page.get_by_role("button", name="copy", exact=True).click()
    page.get_by_text("copied", exact=True).wait_for()
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[0].split("\t") == names and len(copied) == len(lines)
    close(page)
    assert page.evaluate("document.activeElement.shadowRoot?.activeElement?.dataset.table ?? ''") == "grid"


def test_the_start_page_says_the_numbers_of_what_it_draws(visit):
    page = visit("/")
    page.wait_for_selector("[data-ready='1'][data-stage='ask']", timeout=60_000)
    names, rows = opened(page, "grid")
    assert sum(column(names, rows, "layer 1")) == pytest.approx(1, abs=2e-3)


def test_a_table_that_is_opened_too_early_fills_itself(visit):
    page = visit(link("shared_heads"))
    page.wait_for_selector("[data-ready='1']")
    page.locator("[data-table='moved']").click()
    dialog = page.locator("dialog[open]")
    assert dialog.inner_text().startswith("Nothing is drawn here yet.")
    page.locator("[data-act=take]").evaluate("one => one.click()")
    dialog.locator("tbody tr").first.wait_for()
    assert dialog.get_attribute("aria-label") != "No numbers yet"
    assert "Nothing" not in dialog.inner_text() and dialog.get_by_role("button", name="close").count() == 1
    close(page)
