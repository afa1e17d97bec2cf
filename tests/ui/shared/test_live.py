"""A fragment asks for another rate of looks from inside."""

from types import SimpleNamespace

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
