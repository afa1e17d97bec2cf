"""A tokenizer that rewrites what is typed: the page says what the model reads instead, and only then."""

from app import compute
from app.session import state
from tests.ui.test_pages import app, box


class Lowering:
    """The storyteller's tokenizer behind a normaliser that makes letters small."""

    def __init__(self, inner):
        self.inner = inner

    def encode(self, text, bos=True):
        return self.inner.encode(text.lower(), bos=bos)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def captions(at) -> str:
    return " ".join(caption.value for caption in at.caption)


def test_what_is_read_is_said_where_it_is_not_what_was_typed(monkeypatch):
    at = app("next_word")
    at.text_area(key=box(at, state.PROMPT)).set_value("Once *upon* a time").run()
    assert "rewrites" not in captions(at)
    lowering = Lowering(compute.tokenizer("storyteller"))
    monkeypatch.setattr(compute, "tokenizer", lambda name: lowering)
    at.run()
    assert "its tokenizer rewrites what is typed, and the model reads “once \\*upon\\* a time”" in captions(at)
    at.text_area(key=box(at, state.PROMPT)).set_value("once upon a time").run()
    assert "rewrites" not in captions(at)
