"""Cancelling the map on `break_it` in the middle, using the page meanwhile, and measuring after all."""

import pytest

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
ROOT = ".page-break-it"


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "open"


@pytest.fixture
def app(tmp_path, gate):
    """The application whose measurements wait for the gate: the fixture `visit` opens its pages."""
    entry = "tests/e2e/held_app.py"
    with harness.sound_server(tmp_path / "log.txt", entry=entry, HELD_UNTIL=str(gate)) as running:
        yield running


def test_a_map_can_be_cancelled_and_the_page_goes_on(visit, gate):
    page = visit("/break_it?at=30")
    state = page.locator("[data-part=map-state]")
    state.get_by_text("held by the test").wait_for()
    assert page.locator(ROOT).get_attribute("data-mapped") == "0"
    page.locator("[data-act=stop]").click()
    page.wait_for_selector(f"{ROOT}[data-stopped='1']")
    state.get_by_text("Stopped.").wait_for()
    gate.touch()
    page.wait_for_timeout(1500)  # longer than the page takes to look again
    assert page.locator(ROOT).get_attribute("data-mapped") == "0", "what was stopped stays stopped"
    page.locator("[data-part=story] [data-p='33']").click()
    page.wait_for_selector(f"{ROOT}[data-target='33'][data-mapped='1'][data-fresh='1']")
    page.locator("[data-part=story] [data-p='30']").click()
    page.wait_for_selector(f"{ROOT}[data-target='30'][data-mapped='1'][data-fresh='1'][data-stopped='0']")
