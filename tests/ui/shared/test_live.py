"""A fragment asks for another rate of looks from inside, and shows another run before the page around it."""

from types import SimpleNamespace

import pytest

from app.session.visible import Payload
from app.shared import live


def test_the_browser_is_told_the_new_rate_of_this_fragment(monkeypatch):
    sent = []
    monkeypatch.setattr(live, "get_script_run_ctx", lambda **_: SimpleNamespace(enqueue=sent.append))
    monkeypatch.setattr(live, "ThreadState", SimpleNamespace(get=lambda: SimpleNamespace(fragment_id="one")))
    live._look_every(0.5)
    (message,) = sent
    assert message.WhichOneof("type") == "auto_rerun"
    assert (message.auto_rerun.interval, message.auto_rerun.fragment_id) == (0.5, "one")


def test_outside_a_fragment_nobody_is_told(monkeypatch):
    sent = []
    monkeypatch.setattr(live, "get_script_run_ctx", lambda **_: SimpleNamespace(enqueue=sent.append))
    monkeypatch.setattr(live, "ThreadState", SimpleNamespace(get=lambda: SimpleNamespace(fragment_id=None)))
    live._look_every(0.5)
    assert sent == []


class Again(Exception):
    """What Streamlit raises to draw a page anew."""


def looked(monkeypatch, *, waiting=""):
    """What happens, in order, at a look in which the desk has come to another run."""
    did = []

    def again():
        did.append("page")
        raise Again

    def click(_):
        desk.current = "branch"
        return Payload({}, waiting)

    desk = SimpleNamespace(session="one", current="run", notice="")
    picture = SimpleNamespace(name="ring", show=lambda payload, **_: did.append("picture"))
    monkeypatch.setattr(live, "pack", lambda parts: b"")
    monkeypatch.setattr(live.st, "fragment", lambda **_: lambda look: look)
    monkeypatch.setattr(live.st, "rerun", again)
    monkeypatch.setattr(live, "time", SimpleNamespace(sleep=did.append, thread_time=lambda: 0.0))
    with pytest.raises(Again):
        live.live_picture(
            desk, picture, click, key="k", every=1, busy=lambda _: False, polling=False, acts={}, more_address=None
        )
    return did


def test_the_picture_of_another_run_is_on_its_way_before_the_page_is_drawn_anew(monkeypatch):
    assert looked(monkeypatch) == ["picture", live.ON_ITS_WAY, "page"]


def test_nothing_is_waited_for_where_the_other_run_has_no_picture_yet(monkeypatch):
    did = looked(monkeypatch, waiting="Reading the prompt …")
    assert "page" in did and live.ON_ITS_WAY not in did
