"""The server is killed under an open page: what the page says, what it can do without, and that it comes back."""

import os
import re
import signal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
LINK = "/next_word?" + urlencode({"model": "storyteller", "text": "The king had two sons.", "seed": 3, "n": 200})


def whole(page) -> str:
    """The whole text, without the numbers of hops, which are where there is room for them."""
    page.wait_for_selector("[data-ready='1'][data-status='done']", timeout=90_000)
    return re.sub(r"(\n\d+)*$", "", page.locator("[data-part='story']").inner_text())


def test_the_page_says_that_the_server_is_gone_steps_on_and_comes_back_to_the_same_text(tmp_path, chromium):
    port = harness.free_port()
    page = harness.open_page(chromium)
    picture = page.locator("[data-ready='1']")
    with harness.server(tmp_path / "first.log", port=port) as running:
        page.goto(running.url + LINK)
        expect(page.locator("[data-part='story']")).to_contain_text("The king had two sons.", timeout=60_000)
        harness.wait_for_tokens(picture, 20)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The server does not answer", timeout=30_000)
    expect(dialog).to_contain_text("the text that the address names is written again")
    assert "internet" not in dialog.inner_text() and "Streamlit" not in dialog.inner_text()
    dialog.get_by_role("button", name="Close").click()
    beginning = page.locator("[data-part='story']").inner_text()[:60]
    before = int(picture.get_attribute("data-step"))
    page.evaluate("document.activeElement?.blur()")
    page.keyboard.press("ArrowLeft")
    expect(picture).to_have_attribute("data-step", str(before - 1))
    with harness.sound_server(tmp_path / "second.log", port=port):
        page.wait_for_selector("[data-ready='1'][data-status='done']", timeout=90_000)
        expect(dialog).to_have_count(0)
        back = whole(page)
        assert back.startswith(beginning)
        fresh = harness.open_page(chromium)
        fresh.goto(page.url)
        assert whole(fresh) == back, "another browser sees the same text"
        fresh.context.close()
    assert page.watch.errors == []
    page.context.close()
