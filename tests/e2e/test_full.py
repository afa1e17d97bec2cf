"""A server that is full says so at the door, and has room again when somebody has left."""

import pytest
from playwright.sync_api import expect

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser


def test_one_visitor_more_than_there_is_room_for_reads_a_sentence_and_comes_in_later(tmp_path, chromium):
    with harness.sound_server(tmp_path / "log", EXPLORER_MOST_VISITORS="1") as running:
        first, second = (harness.open_page(chromium) for _ in range(2))
        first.goto(f"{running.url}/next_word")
        first.wait_for_selector("[data-ready='1']")
        second.goto(f"{running.url}/ring?text=A+cat&n=3")
        expect(second.locator("[role=alert]")).to_contain_text("This server takes 1 visitor at once")
        assert second.locator("[data-ready]").count() == 0
        first.reload()
        first.wait_for_selector("[data-ready='1']")
        first.context.close()
        second.reload()
        second.wait_for_selector("[data-ready='1'][data-status='done']")
        assert second.watch.errors == []
        second.context.close()
