"""Cancelling a measurement on `reach` and `break_it` by a click, using the page meanwhile, and making it after all."""

import pytest

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
ASKED = "[data-reading='corridor'][data-source='8'][data-target='30']"
BREAK_IT = ".page-break-it"


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "open"


@pytest.fixture
def app(tmp_path, gate):
    """The application whose measurements wait for the gate: the fixture `visit` opens its pages."""
    entry = "tests/e2e/held_app.py"
    with harness.sound_server(tmp_path / "log.txt", entry=entry, HELD_UNTIL=str(gate)) as running:
        yield running


def test_a_measurement_can_be_cancelled_and_made_after_all(visit, gate):
    page = visit("/reach?reading=corridor&from=8&to=30")
    facts = page.locator("[data-part=facts]")
    page.wait_for_selector(f"{ASKED}[data-fresh='0']")
    facts.get_by_text("held by the test").wait_for()
    page.locator(f"{ASKED} [data-act=stop]").click()
    facts.get_by_text("Stopped: only theory is shown.").wait_for()
    assert page.locator(ASKED).get_attribute("data-fresh") == "0"
    assert "nats" not in facts.inner_text() and "held by the test" not in facts.inner_text()
    gate.touch()
    page.wait_for_timeout(1500)  # longer than the page takes to look again
    assert "Stopped" in facts.inner_text(), "what was stopped stays stopped"
    page.locator("[data-act=again]").click()
    page.wait_for_selector(f"{ASKED}[data-fresh='1']")
    assert "22 tokens apart: at least 2 hops" in facts.inner_text(), "one hop of 15 tokens is too short"
    assert "Stopped" not in facts.inner_text()


def test_a_map_can_be_cancelled_and_the_page_goes_on(visit, gate):
    page = visit("/break_it?at=30")
    state = page.locator("[data-part=map-state]")
    state.get_by_text("held by the test").wait_for()
    assert page.locator(BREAK_IT).get_attribute("data-mapped") == "0"
    page.locator("[data-act=stop]").click()
    page.wait_for_selector(f"{BREAK_IT}[data-stopped='1']")
    state.get_by_text("Stopped.").wait_for()
    gate.touch()
    page.wait_for_timeout(1500)  # longer than the page takes to look again
    assert page.locator(BREAK_IT).get_attribute("data-mapped") == "0", "what was stopped stays stopped"
    page.locator("[data-part=story] [data-p='33']").click()
    page.wait_for_selector(f"{BREAK_IT}[data-target='33'][data-mapped='1'][data-fresh='1']")
    page.locator("[data-part=story] [data-p='30']").click()
    page.wait_for_selector(f"{BREAK_IT}[data-target='30'][data-mapped='1'][data-fresh='1'][data-stopped='0']")
