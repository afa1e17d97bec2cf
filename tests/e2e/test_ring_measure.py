"""On the page `ring`, "Measure it" pressed again and again: with quick and slow measurements every answer comes."""

import random
from urllib.parse import urlencode

import pytest

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
RING = "[data-ready='1']"
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
PRESSES = 20


@pytest.fixture
def app(tmp_path):
    """The application whose measurements take now longer, now shorter: the fixture `visit` opens its pages."""
    with harness.sound_server(tmp_path / "log.txt", entry="tests/e2e/slow_app.py") as running:
        yield running


def test_the_answer_to_the_last_press_comes_whenever_it_was_pressed(visit):
    draw = random.Random(0)
    query = {"model": "storyteller", "text": PROMPT, "seed": 0, "n": 70, "t": 40}
    page = visit("/ring?" + urlencode(query))
    page.wait_for_selector(f"{RING}[data-status='done'][data-step='40']", timeout=180_000)
    harness.settled(page)
    for step in range(41, 41 + PRESSES):
        page.locator(RING).press("ArrowRight")
        page.wait_for_selector(f"{RING}[data-step='{step}']")
        page.locator("[data-act='measure']").click(timeout=20_000)  # which waits until the one before has ended
        page.wait_for_timeout(draw.uniform(0, 900))
        if step % 4 == 0:
            page.get_by_text(f"changes the prediction at step {step},").wait_for(timeout=20_000)
    page.get_by_text(f"changes the prediction at step {40 + PRESSES},").wait_for(timeout=20_000)
    assert page.locator("[data-act='cancel']").count() == 0, "nothing is left to wait for"
