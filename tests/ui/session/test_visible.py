"""What every live page shows while the run that was asked for has nothing yet, and what a picture calls."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from app import compute, wire_types
from app.attention.sending import attention_payload
from app.break_it.sending import break_payload
from app.inside_a_block.sending import token_payload
from app.museum.sending import museum_payload
from app.next_word.sending import next_word_payload
from app.reach.sending import reach_payload
from app.residual.sending import residual_payload
from app.ring.sending import ring_payload
from app.session import progress, state, visible
from app.session.desk import Desk
from app.session.rereading import writer_of
from app.session.runs import Record
from app.session.visible import run_named, visible_run
from app.shared.live import callbacks
from app.shared_heads.sending import shared_heads_payload
from app.window.sending import window_payload
from tests.ui.runs import arrived

PAGES = {
    "next_word": next_word_payload,
    "attention": attention_payload,
    "window": window_payload,
    "ring": ring_payload,
    "reach": reach_payload,
    "shared_heads": shared_heads_payload,
    "residual": residual_payload,
    "inside_a_block": token_payload,
    "break_it": break_payload,
    "museum": museum_payload,
}


@pytest.fixture
def desk(monkeypatch) -> Desk:
    """A desk whose shown run is being loaded; the progress of a job is what the job says itself."""
    for module in (progress, visible):
        monkeypatch.setattr(module, "progress_of", lambda record: None if record is None else record.job)
    found = Desk()
    found.add(Record(name="asked", label="asked", job=job()))
    return found


def job(tokens: int = 0, message: str = "", status: str = "loading"):
    trace = compute.recording().truncated(tokens) if tokens else None
    return SimpleNamespace(status=status, message=message, trace=trace, total=90, tokens_per_second=float("nan"))


def header(name: str, desk: Desk) -> tuple[dict, str]:
    sent = PAGES[name](desk)
    return arrived(sent.parts).header, sent.waiting


@pytest.mark.parametrize("name", PAGES)
def test_the_recording_is_shown_and_can_be_asked_about_until_the_run_is_there(desk, name):
    told, waiting = header(name, desk)
    assert told["run"] == "recorded" and waiting.startswith("Loading the model")
    assert desk.current == "asked" and run_named(desk, "recorded")[1] is compute.recording()
    desk.records["asked"].job = job(20, status="running")
    told, waiting = header(name, desk)
    assert (told["run"], told["status"], waiting) == ("asked", "running", "")


@pytest.mark.parametrize("name", PAGES)
def test_the_last_picture_stays_with_the_reason_of_the_engine(desk, name):
    for other in ("older", "newer"):
        desk.add(Record(name=other, label=other, job=job(30, status="done")))
    desk.add(Record(name="empty", label="empty", job=job(message="It waits for another run.")))
    told, waiting = header(name, desk)
    assert (told["run"], told["status"]) == ("newer", "done") and waiting == "It waits for another run."
    assert desk.current == "empty" and "recorded" not in desk.records


def test_a_text_of_one_token_is_nothing_to_ask_about(desk):
    desk.records["asked"].job = job(1, status="running")
    assert visible_run(desk).record.name == "asked"
    assert visible_run(desk, least=2).record.name == "recorded"


@pytest.mark.parametrize(
    ("status", "said"),
    [("queued", "running"), ("reading", "running"), ("paused", "paused"), ("expired", "paused"), ("failed", "failed")],
)
def test_every_picture_has_the_same_word_for_where_a_run_is(desk, status, said):
    desk.records["asked"].job = job(20, status=status)
    for name in ("next_word", "attention", "ring"):
        told, _ = header(name, desk)
        assert (told["status"], told["provenance"], told["total"], told["tokens_per_second"]) == (
            said,
            "model",
            90,
            None,
        )


def test_a_run_that_is_gone_is_not_meant(desk):
    assert run_named(desk, "gone") is None
    assert run_named(desk, "asked") is None, "it has no text yet"


def test_a_picture_passes_what_it_says_and_nothing_else(desk, monkeypatch):
    said, done = {"ack": {"run": "r", "to": 3, "parts": {}, "n": 1.5}}, []
    monkeypatch.setattr(state, "component_state", lambda key: said if key == "here" else {})
    acts = {"ack": lambda *what: done.append(("ack", *what)), "need": lambda *what: done.append(what)}
    calls = callbacks(desk, "ring", "here", acts)
    calls["need"]()
    assert done == []
    calls["ack"]()
    assert done == [("ack", desk, said["ack"])] and not desk.notice
    said["ack"] = {"run": "r", "to": "three"}
    calls["ack"]()
    assert len(done) == 1 and "said something that cannot be" in desk.notice


def test_a_picture_is_heard_by_its_own_name_and_not_by_the_page_that_is_open(desk, monkeypatch):
    for name, module in wire_types.PAGES.items():
        for event in module.EVENTS:
            monkeypatch.setattr(state, "component_state", lambda key, event=event: {event: {"odd": 1}})
            callbacks(desk, name, "here", {event: lambda *what: None})[event]()
            assert "said something that cannot be" in desk.notice and "never says" not in desk.notice, (name, event)
            desk.notice = ""


def test_other_weights_do_not_read_a_text_again():
    trace = compute.recording().truncated(9)
    assert writer_of(trace).model_hash == trace.model_hash
    with pytest.raises(ValueError, match="has other weights than the one that wrote this run"):
        writer_of(replace(trace, model_hash="0" * 64))
    with pytest.raises(ValueError, match="there is no model"):
        writer_of(replace(trace, model_name="another"))
