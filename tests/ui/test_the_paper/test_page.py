"""The page: a board of verdicts, one claim open, its experiment run here, and what an address names."""

import pytest

from app import compute
from app.session import state
from app.test_the_paper.figure import figures_of
from app.test_the_paper.shapes import SHAPES
from app.test_the_paper.state import PaperState
from app.test_the_paper.words import as_table, criteria_rows
from mistral_core.experiments.claims import MODULES, experiment
from mistral_core.experiments.finding import because
from mistral_core.experiments.record import read_record
from tests.ui.test_pages import app, kept

RECORDS = {name: read_record(name) for name in MODULES}


@pytest.fixture
def page():
    compute.experiments.clear()
    yield app("test_the_paper")
    compute.experiments.clear()


def test_every_claim_has_a_recorded_finding_a_verdict_on_the_board_and_a_picture(page):
    boards = " ".join(str(element.proto) for element in page.get("html"))
    for name, record in RECORDS.items():
        assert record is not None and record.finding.claim == name and not record.finding.quick
        assert f'data-verdict=\\"{record.finding.verdict}\\"' in boards
        title = experiment(name).CLAIM.title
        assert any(button.label.endswith(title) for button in page.button)
        pictures = figures_of(record.finding, "recorded")
        assert pictures and all(len(picture.draw("light").data) >= 1 for picture in pictures)
        assert any(because(record.finding.criteria) == caption.value for caption in page.caption)
    assert set(SHAPES) == set(MODULES)


def test_one_claim_after_another_is_opened_with_what_was_needed_and_its_limits(page):
    for name, record in RECORDS.items():
        page.button(key=state.open_claim(name)).click().run()
        assert not page.exception
        assert kept(page).page_state(PaperState).claim == name
        said = " ".join(one.value for one in page.markdown)
        claim = experiment(name).CLAIM
        assert claim.statement in said and claim.remark in said
        for limit in record.finding.limits:
            assert f"- {limit}" in said
        rows = criteria_rows(record.finding.criteria)
        assert [row["what would have to be seen"] for row in rows] == [
            f"{one.name.capitalize()}: {one.says}" for one in claim.needed
        ]
        assert as_table(rows) in [html.proto.body for html in page.get("html")]
        assert any(record.command in caption.value for caption in page.caption)


def test_an_experiment_is_run_here_and_its_outcome_is_there_for_the_next_visitor(page):
    page.button(key=state.EXPERIMENT).click().run()  # the first claim: computed, no model
    for work in kept(page).page_state(PaperState).live:
        work.task.join(60)
    page.run()
    assert not page.exception
    assert any("measured on this machine just now" in caption.value for caption in page.caption)
    another = app("test_the_paper")
    assert any("measured on this machine" in caption.value for caption in another.caption)
    assert any(button.label == "Measure again" for button in another.button)


def test_an_address_opens_a_claim_once_and_nonsense_changes_nothing():
    opened = PaperState()
    opened.open_from("window")
    assert opened.claim == "window"
    opened.claim = "stacking"
    opened.open_from("window")
    assert opened.claim == "stacking", "the address was acted on before"
    assert opened.named() == "stacking"
    opened.open_from("stacking")
    opened.claim = "sharing"  # a press, while the address still says what it said
    opened.open_from("stacking")
    assert opened.claim == "sharing"
    opened.open_from("window")
    assert opened.claim == "window", "a step back in the history"
    opened.claim = "stacking"
    opened.open_from("luck")
    opened.open_from(None)
    assert opened.claim == "stacking"
