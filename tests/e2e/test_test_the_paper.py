"""The page that tests the paper, in a real browser: verdicts, an experiment, cancelling one, files."""

import json

import pytest
from playwright.sync_api import expect

from mistral_core.experiments.claims import MODULES, experiment
from mistral_core.experiments.record import read_record
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser


def opened(visit, claim="efficiency"):
    page = visit(f"/test_the_paper?claim={claim}")
    expect(page.get_by_role("heading", name=experiment(claim).CLAIM.title)).to_be_visible(timeout=60_000)
    return page


def test_all_verdicts_are_seen_at_once_and_a_claim_is_opened_by_a_press(visit):
    page = opened(visit)
    board = page.locator(".st-key-part-board")
    for name in MODULES:
        verdict = read_record(name).finding.verdict
        expect(board.locator(f".st-key-claim-{name} .verdict")).to_contain_text(verdict)
    board.get_by_role("button", name=experiment("stacking").CLAIM.title).click()
    expect(page.get_by_role("heading", name=experiment("stacking").CLAIM.title)).to_be_visible()
    page.wait_for_url("**claim=stacking*")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=30_000)


def test_a_quick_experiment_gives_a_verdict_here_and_a_file(visit):
    page = opened(visit, "sharing")
    page.get_by_role("button", name="Measure it now").click()
    expect(page.get_by_text("measured on this machine")).to_be_visible(timeout=120_000)
    live = page.locator(".st-key-part-live")
    expect(live.locator(".verdict").first).to_be_visible()
    with page.expect_download() as saved:
        live.get_by_role("button", name="JSON file").click()
    with open(saved.value.path(), encoding="utf-8") as file:
        content = json.load(file)
    assert content["claim"] == "sharing" and content["quick"] and {"verdict", "limits", "threshold"} <= set(content)


def test_a_long_experiment_that_is_cancelled_leaves_the_page_usable(visit):
    page = opened(visit, "compression")
    page.get_by_text("long (minutes)").click()
    settled(page)  # the button is that of the form that was chosen
    page.get_by_role("button", name="Measure it now").click()
    page.get_by_role("button", name="Cancel").click(timeout=60_000)
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Measure it now")).to_be_enabled()
    page.locator(".st-key-part-board").get_by_role("button", name=experiment("window").CLAIM.title).click()
    expect(page.get_by_role("heading", name=experiment("window").CLAIM.title)).to_be_visible()


def own(page):
    return page.locator(".st-key-part-own")


def test_a_text_of_ones_own_is_compressed_and_read_back(visit):
    page = opened(visit, "compression")
    button = own(page).get_by_role("button", name="Compress it")
    button.click()
    expect(own(page).get_by_text("There is no text; type or paste one")).to_be_visible()
    text = "Once upon a time there was a king. He had a daughter — and a 🙂."
    own(page).get_by_label("A text to be compressed").fill(text)
    button.click()
    expect(own(page).get_by_text("All came back letter for letter.")).to_be_visible(timeout=120_000)
    expect(own(page).get_by_text("There is no text")).to_have_count(0)
    rows = own(page).locator(".criteria tbody tr")
    expect(rows).to_have_count(4)
    expect(own(page).get_by_label("A text to be compressed")).to_have_value(text)


def test_a_long_compression_can_be_cancelled_and_what_is_too_long_stays_in_the_field(visit):
    page = opened(visit, "compression")
    field = own(page).get_by_label("A text to be compressed")
    field.fill("The fox ran to the king. " * 400)
    own(page).get_by_role("button", name="Compress it").click()
    own(page).get_by_role("button", name="Cancel").click(timeout=60_000)
    expect(own(page).get_by_text("Cancelled.")).to_be_visible(timeout=60_000)
    field.fill("x" * 20_001)
    own(page).get_by_role("button", name="Compress it").click()
    expect(own(page).get_by_text("at most 20,000 are compressed, so leave out 1")).to_be_visible()
    expect(field).to_have_value("x" * 20_001)
