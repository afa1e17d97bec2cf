"""Work beside a page: slow, fast, pressed again and again, cancelled; its end is always noticed."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from app.session import state
from app.session.desk import Desk
from app.session.visible import Payload
from app.session.work import Workshop
from app.shared import live, work_panel
from app.wire import Parts


def held(gate: threading.Event, result="done"):
    """Work that lasts until the gate is opened, or it is cancelled."""

    def work(report):
        while not gate.wait(0.005):
            report(1, 4, "waiting")
        return result

    return work


def refuse(report):
    raise ValueError("the word is two tokens; choose another one")


def test_work_is_begun_once_waited_for_a_while_and_begun_again_after_it_was_cancelled():
    gate, shop = threading.Event(), Workshop(keep=2)
    first = shop.begun("a", held(gate), 0.01)
    assert first.running and shop.begun("a", refuse, 0.01) is first
    first.cancel()
    again = shop.begun("a", lambda report: "anew", 10)
    assert again is not first and again.result == "anew"


def test_only_what_failed_by_itself_raises_its_sentence():
    gate, shop = threading.Event(), Workshop(keep=3)
    running = shop.begun("a", held(gate), 0.01)
    running.raise_error()
    running.cancel()
    running.raise_error()
    shop.begun("b", lambda report: "done", 10).raise_error()
    with pytest.raises(ValueError, match="choose another one"):
        shop.begun("c", refuse, 10).raise_error()


def test_work_is_running_then_there():
    gate, shop = threading.Event(), Workshop()
    work = shop.start("a", held(gate))
    assert shop.running and work.running and work.result is None and work.error == ""
    gate.set()
    work.task.join(10)
    assert not shop.running and work.result == "done" and work.error == "" and shop.get("a") is work


def test_a_failure_is_a_sentence():
    work = Workshop().start("a", refuse)
    work.task.join(10)
    assert work.result is None and work.error == "The word is two tokens; choose another one."


def test_a_new_one_ends_the_one_before_and_the_oldest_make_room():
    shop, gates = Workshop(keep=2), [threading.Event() for _ in range(3)]
    first = shop.start("a", held(gates[0]))
    second = shop.start("b", held(gates[1]))
    assert first.error == "Cancelled." and not first.running and second.running
    shop.start("c", held(gates[2]))
    assert shop.get("a") is None and shop.get("b").cancelled and len(list(shop)) == 2
    shop.cancel()
    assert not shop.running
    for work in (first, second, *shop):
        work.task.join(10)
        assert not work.task.running


def test_cancelled_is_shown_at_once_though_the_thread_ends_later():
    gate, let_go = threading.Event(), threading.Event()

    def stubborn(report):
        gate.set()
        let_go.wait(10)
        return "too late"

    work = Workshop().start("a", stubborn)
    assert gate.wait(10)
    work.cancel()
    assert work.task.running and not work.running and work.error == "Cancelled."
    let_go.set()
    work.task.join(10)
    assert work.result is None and work.error == "Cancelled.", "nobody waits for it any more"


def test_what_is_there_already_cannot_be_cancelled():
    work = Workshop().start("a", lambda report: 7)
    work.task.join(10)
    work.cancel()
    assert work.result == 7 and not work.error


class Rerun(BaseException):
    """What `st.rerun` does: it ends the script."""


class Page:
    """A page with one live picture, driven as Streamlit drives it: events and clock redraw the fragment alone,
    `st.rerun` the whole page. What stood last in the browser is `screen`."""

    def __init__(self, monkeypatch, between) -> None:
        self.shop: Workshop = Workshop()
        self.starts = None
        self.work, self.screen, self.every, self.fragment = None, None, None, None
        self.between = between
        desk = Desk()
        status = SimpleNamespace(caption=lambda text: None)
        fake = SimpleNamespace(fragment=self.as_fragment, empty=lambda: status, rerun=self.rerun, query_params=None)
        monkeypatch.setattr(live, "st", fake)
        monkeypatch.setattr(live, "keep_address", lambda *args, **more: self.between("after"))
        monkeypatch.setattr(live, "pack", lambda parts: parts)
        self.picture = SimpleNamespace(
            name="ring", show=lambda parts, **more: setattr(self, "screen", parts.header["work"])
        )
        self.desk = desk

    def as_fragment(self, run_every=None):
        def decorate(function):
            self.every, self.fragment = run_every, function
            return function

        return decorate

    def rerun(self):
        raise Rerun

    def busy(self, desk) -> bool:
        running = self.shop.running
        self.between("before")
        return running

    def payload(self, desk) -> Payload:
        if self.starts is not None:  # as reach does: what is asked is begun when it is drawn
            self.work, self.starts = self.shop.start("a", self.starts), None
        running = self.work is not None and self.work.running
        self.between("drawn")
        said = "running" if running else "done" if self.work else "idle"
        return Payload(Parts({"work": said}), unfinished=running)

    def whole(self) -> None:
        for _ in range(20):
            try:
                polling = self.busy(self.desk)
                live.live_picture(
                    self.desk, self.picture, self.payload, key="k", every=0.1, busy=self.busy, polling=polling, acts={}
                )
                return
            except Rerun:
                continue
        raise AssertionError("it never comes to rest")

    def part(self) -> None:
        try:
            self.fragment()
        except Rerun:
            self.whole()

    def settle(self) -> None:
        """Looks again as long as the page says that it does."""
        until = time.monotonic() + 20
        while self.every is not None:
            assert time.monotonic() < until, "it looks for ever"
            self.part()


@pytest.mark.parametrize("moment", ["before", "drawn", "after"])
@pytest.mark.parametrize("nth", range(6))
@pytest.mark.parametrize("begun", ["by an event", "while it is drawn"])
def test_work_that_ends_at_any_moment_of_drawing_is_noticed(moment, nth, begun, monkeypatch):
    """The work ends exactly at the nth time that a page passes the moment; then the page comes to rest with the answer."""
    gate, passed = threading.Event(), []

    def between(name: str) -> None:
        if name != moment or page.work is None:
            return
        passed.append(name)
        if len(passed) == nth + 1:
            gate.set()
            page.work.task.join(10)

    page = Page(monkeypatch, between)
    page.whole()
    if begun == "by an event":
        page.work = page.shop.start("a", held(gate))
    else:
        page.starts = held(gate)
    page.part()
    if not gate.is_set():
        assert page.every == 0.1, "it looks again"
    page.settle()
    assert page.screen == "done" and page.every is None


@pytest.mark.parametrize("lasts", [0.0, 0.0005, 0.003, 0.02])
def test_pressed_again_and_again_the_answer_always_stands_there_in_the_end(lasts, monkeypatch):
    page = Page(monkeypatch, lambda name: None)
    page.whole()
    for _ in range(40):
        page.work = page.shop.start("a", lambda report: time.sleep(lasts) or "done")
        page.part()
        page.settle()
        assert page.screen == "done"


def test_the_panel_looks_again_until_the_end_is_noticed(monkeypatch):
    """Also if the work ends while it is drawn."""
    gate, reruns = threading.Event(), []
    work = Workshop().start("a", held(gate))

    def progress(*args, **more) -> None:
        gate.set()
        work.task.join(10)

    fake = SimpleNamespace(progress=progress, button=lambda *args, **more: None, rerun=lambda: reruns.append(1))
    monkeypatch.setattr(work_panel, "st", fake)
    look = work_panel.watch.__wrapped__
    look(work, "k")
    assert reruns == [], "it ended while it was drawn"
    look(work, "k")
    assert reruns == [1], "and is noticed at the next look"
    assert state.cancelling("k") == "k cancel"
