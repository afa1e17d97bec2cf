"""The second tab of break_it in a real browser: a link, another mistake, keys, hover, a phone, verify stopped."""

from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect

from app import compute
from mistral_core.museum.exhibits import EXHIBITS, exhibit
from mistral_core.museum.reading import compare

pytestmark = pytest.mark.browser
ROOT = ".page-museum"


def wait(page, **values) -> dict[str, str]:
    said = "".join(f"[data-{name}='{value}']" for name, value in values.items())
    page.wait_for_selector(f"{ROOT}[data-ready='1'][data-fresh='1']{said}")
    return page.locator(ROOT).evaluate("element => ({...element.dataset})")


def part(page, name: str):
    return page.locator(f"{ROOT} [data-part={name}]")


def test_a_link_opens_a_mistake_with_the_numbers_of_the_core(visit):
    page = visit("/break_it?mistake=write-before-read")
    wait(page, mistake="write-before-read", at=16)
    trace = compute.recording()
    loaded = compute.load(trace.model_name)
    expected = compare(loaded.model, exhibit("write-before-read"), trace.token_ids.tolist(), stop=2)
    assert f"{expected.error.max():.3g}" in part(page, "strip-title").inner_text().replace("14.0", "14")
    assert "equal bit for bit before position 16, as it must be" in part(page, "strip-title").inner_text()
    assert "should read 16 tokens: 1–16. With the mistake it reads 17–31 besides, it misses 1–15." in (
        part(page, "said").inner_text()
    )
    assert page.locator(f"{ROOT} .mx-stories button").count() == len(EXHIBITS)
    codes = page.locator(f"{ROOT} .mx-source li[data-lit]").all_inner_texts()
    assert any("ring.write(k, v, plan)" in code for code in codes)
    badges = page.locator(f"{ROOT} .mx-badge").all_inner_texts()
    assert badges == ["published", "derived", "model", "model", "model"], "every figure says where it comes from"


def test_another_mistake_is_opened_by_hand_and_by_key_and_the_address_follows(visit):
    page = visit("/break_it?mistake=half-split")
    wait(page, mistake="half-split")
    page.locator(f"{ROOT} button[data-name=repeat-order]").click()
    wait(page, mistake="repeat-order")
    assert "4 heads of 8 read" in part(page, "said").inner_text()
    assert parse_qs(urlparse(page.url).query)["mistake"] == ["repeat-order"]
    page.keyboard.press("ArrowDown")
    wait(page, mistake="no-causal-mask")
    page.keyboard.press("ArrowRight")
    wait(page, mistake="no-causal-mask", at=1)
    page.locator(f"{ROOT} [data-p='20']").hover()
    assert "a logit is off by" in part(page, "pop").inner_text()
    page.locator(f"{ROOT} [data-p='20']").click()
    wait(page, at=20)


def test_the_tabs_lead_to_each_other(visit):
    page = visit("/break_it")
    page.wait_for_selector(".page-break-it[data-ready='1']")
    page.get_by_text("historical mistakes", exact=True).click()
    wait(page, mistake="window-plus-one")
    page.get_by_text("silence a part", exact=True).click()
    page.wait_for_selector(".page-break-it[data-ready='1']")
    expect(page.locator(ROOT)).to_have_count(0)  # taken away when the script has ended


def test_verify_is_stopped_and_on_a_phone_nothing_is_wider_than_the_screen(visit):
    page = visit("/break_it?mistake=empty-slots", width=390, height=844)
    wait(page, mistake="empty-slots")
    part(page, "caught").get_by_role("button", name="Stop").click()
    part(page, "caught").get_by_role("button", name="Ask verify").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "empty slots" in part(page, "said").inner_text()
