"""The server is started again under an open page: what the browser has kept is offered, the rest is said."""

from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
DONE = "[data-ready='1'][data-status='done']"
FIRST, SECOND, TYPED = "The king had two sons.", "A cat sat on the mat.", "Nobody has written this yet"


def written(page, text: str) -> None:
    page.locator("[class*='st-key-prompt'] textarea").fill(text)
    page.get_by_role("button", name="Write", exact=True).click()
    page.wait_for_function("text => new URLSearchParams(location.search).get('text') === text", arg=text)
    page.wait_for_selector(DONE)


def shown(page) -> str:
    page.wait_for_selector(DONE)
    run: str = page.locator(DONE).get_attribute("data-run")
    return run


def begun(page, url: str) -> str:
    page.goto(f"{url}/next_word?" + urlencode({"model": "storyteller", "text": FIRST, "n": 12}))
    return shown(page)


def test_after_a_restart_the_page_says_what_is_gone_and_offers_what_the_browser_kept(tmp_path, chromium):
    port = harness.free_port()
    page = harness.open_page(chromium)
    with harness.server(tmp_path / "first.log", port=port) as running:
        first = begun(page, running.url)
        written(page, SECOND)
        second = shown(page)
        assert first != second
        page.locator("[class*='st-key-prompt'] textarea").fill(TYPED)
        assert page.locator(".visit").inner_text() == "", "nothing is lost while the visit goes on"
    with harness.sound_server(tmp_path / "second.log", port=port):
        room = page.locator(".visit")
        expect(room).to_contain_text("began anew", timeout=60_000)
        expect(room).to_contain_text(FIRST)
        expect(room).to_contain_text(TYPED)
        expect(room).not_to_contain_text(SECOND)  # the address names it, and it is written again
        assert shown(page) == second
        room.get_by_role("link", name=FIRST).click()
        page.wait_for_selector(f"{DONE}[data-run='{first}']")
        expect(room).not_to_contain_text(FIRST)  # it is here again
        expect(room).to_contain_text(TYPED)
        room.get_by_role("button", name="close").click()
        expect(room).to_be_empty()
    page.context.close()


def test_after_a_restart_a_page_with_one_text_says_why_it_is_written_again(tmp_path, chromium):
    """Nothing is lost, but the text begins once more under the visitor's eyes."""
    port = harness.free_port()
    page = harness.open_page(chromium)
    with harness.server(tmp_path / "first.log", port=port) as running:
        first = begun(page, running.url)
        assert page.locator(".visit").inner_text() == ""
    with harness.sound_server(tmp_path / "second.log", port=port):
        room = page.locator(".visit")
        expect(room).to_contain_text("began anew", timeout=60_000)
        expect(room).to_contain_text("The text that the address names is written again.")
        assert shown(page) == first
        room.get_by_role("button", name="close").click()
        expect(room).to_be_empty()
    page.context.close()


def test_a_page_that_is_loaded_anew_says_so_until_that_is_closed(visit, tmp_path):
    page = visit("/next_word?" + urlencode({"model": "storyteller", "text": FIRST, "n": 12}))
    shown(page)
    written(page, SECOND)
    page.get_by_role("button", name="Save or open a run").click()
    saved = tmp_path / "no run.safetensors"
    saved.write_bytes(b"nothing")
    page.locator(".st-key-upload input[type=file]").set_input_files(saved)
    page.get_by_role("button", name="Show it").wait_for()
    page.reload()
    shown(page)
    room = page.locator(".visit")
    expect(room).to_contain_text(FIRST)
    expect(room).to_contain_text(saved.name)
    page.get_by_role("link", name="Attention", exact=True).click()
    page.wait_for_selector(".page-attention[data-ready='1']")
    expect(room).to_contain_text(FIRST)  # on every page
    room.get_by_role("button", name="close").click()
    page.get_by_role("link", name="Next word", exact=True).click()
    shown(page)
    expect(room).to_be_empty()
