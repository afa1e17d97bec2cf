"""The visitor's own text on the page: refused in a sentence, compressed in the background, never lost."""

import pytest

from app import compute
from app.session import state
from app.test_the_paper import own_text_panel
from app.test_the_paper.state import PaperState
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.experiments.own_text import MOST
from tests.ui.test_pages import app, kept

TEXT = "The fox ran to the king’s house."


@pytest.fixture
def page(monkeypatch):
    baseline = load_model(bundled_root() / "baseline")
    monkeypatch.setattr(compute, "engine", lambda: type("Engine", (), {"model": staticmethod(lambda name: baseline)}))
    monkeypatch.setattr(own_text_panel, "browser_models", dict)
    compute.experiments.clear()
    at = app("test_the_paper")
    at.button(key=state.open_claim("compression")).click().run()
    yield at
    compute.experiments.clear()


def compressed(at, text):
    """Types a text and presses the button in one run, as a click out of the field does."""
    at.text_area(key=state.OWN_TEXT).set_value(text)
    at.button(key=state.OWN_TEXT_WORK).click().run()
    memory = kept(at).page_state(PaperState)
    for work in memory.own:
        work.task.join(60)
    at.run()
    assert not at.exception, at.exception
    return memory


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no text; type or paste one of at most 20,000 characters."),
        (" \n ", "The text has 3 characters and all are blanks"),
        ("x" * (MOST + 1), "The text has 20,001 characters; at most 20,000 are compressed, so leave out 1."),
    ],
)
def test_what_cannot_be_compressed_is_a_sentence_and_stays_in_the_field(page, text, sentence):
    memory = compressed(page, text)
    assert any(sentence in warning.value.replace("\\", "") for warning in page.warning)
    assert page.text_area(key=state.OWN_TEXT).value == text == memory.typed and not list(memory.own)


def test_a_text_is_compressed_and_said_and_is_there_after_another_claim_was_open(page):
    compressed(page, TEXT + "\x07")
    said = " ".join(one.value.replace("\\", "") for one in [*page.markdown, *page.caption])
    assert f"{len(TEXT) + 1} characters, {len(TEXT.encode()) + 1} bytes. baseline codes them in" in said
    assert "All came back letter for letter." in said and "a control character (U+0007)" in said
    tables = [html.proto.body for html in page.get("html")]
    assert any(all(name in table for name in ("baseline", "gzip", "xz", "zstd")) for table in tables)
    page.button(key=state.open_claim("window")).click().run()
    assert state.OWN_TEXT not in [area.key for area in page.text_area]
    page.button(key=state.open_claim("compression")).click().run()
    assert page.text_area(key=state.OWN_TEXT).value == TEXT + "\x07"
    assert any("coded and decoded on this machine" in caption.value for caption in page.caption)
    page.text_area(key=state.OWN_TEXT).set_value("Another.").run()
    assert any("this is of the text before" in caption.value for caption in page.caption)


def test_a_text_that_is_typed_while_another_claim_is_opened_is_not_lost(page):
    page.text_area(key=state.OWN_TEXT).set_value(TEXT)
    page.button(key=state.open_claim("window")).click().run()
    page.button(key=state.open_claim("compression")).click().run()
    assert page.text_area(key=state.OWN_TEXT).value == TEXT


def test_a_refusal_leaves_what_came_out_before(page):
    compressed(page, TEXT)
    compressed(page, " ")
    assert any("all are blanks" in warning.value for warning in page.warning)
    assert any("this is of the text before" in caption.value for caption in page.caption)
