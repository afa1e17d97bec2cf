"""What is written down about payloads and events is what is sent and said, and what the browser's files say."""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from app import compute, wire_types
from app.attention.finding import cancel, find
from app.attention.scores import read_scores
from app.attention.sending import attention_payload, busy
from app.break_it.sending import break_payload
from app.inside_a_block.sending import token_payload
from app.museum.sending import museum_payload
from app.next_word.sending import next_word_payload
from app.reach.asking import ask
from app.reach.sending import reach_payload
from app.residual.sending import residual_payload
from app.ring import forgotten
from app.ring.asked_slot import ask_slot
from app.ring.forgotten import measure
from app.ring.sending import ring_payload
from app.session import progress, visible
from app.session.desk import Desk
from app.session.runs import Record
from app.shared_heads.sending import shared_heads_payload
from app.start.example import load_example
from app.start.payload import start_parts
from app.window.sending import window_payload
from app.wire import Parts, unpack
from app.wire_types import PAGES, problems, problems_of_event, problems_of_payload
from tests.model.writing import FULL, asked
from tests.ui.runs import arrived, make_trace

pytestmark = pytest.mark.usefixtures("patient")
PAYLOADS = {
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


def test_the_files_for_the_browser_say_what_python_says():
    there = {path: path.read_text(encoding="utf-8") for path in wire_types.rendered() if path.is_file()}
    assert there == wire_types.rendered(), "run `python -m app.wire_types`"


def test_every_event_of_a_picture_is_written_down():
    from tests.ui.shared.test_picture import PICTURES

    assert {picture.name: set(picture.events) for picture in PICTURES} == {
        page: set(module.EVENTS) for page, module in PAGES.items()
    }


def desk_with(**record) -> Desk:
    desk = Desk()
    desk.add(Record(name="r", label="r", **record))
    return desk


def wrong(page: str, desk: Desk) -> list[str]:
    return problems_of_payload(page, arrived(PAYLOADS[page](desk).parts))


@pytest.fixture
def live(tokenizer, tiny_model):
    """A run with keys, values, logits and attention, as it is while being written."""
    from mistral_core.generation import Run

    return Run(tiny_model, tokenizer, asked(20), plan=FULL).complete().trace()


@pytest.mark.parametrize("page", PAYLOADS)
def test_payloads_of_recorded_foreign_bare_and_growing_runs_are_as_written_down(page, live, monkeypatch):
    trace = compute.recording()
    assert wrong(page, desk_with(trace=trace)) == []
    assert wrong(page, desk_with(trace=make_trace())) == []
    assert wrong(page, desk_with(trace=make_trace(window=None))) == []
    assert wrong(page, desk_with(trace=dataclasses.replace(trace, arrays={}))) == [], "without attention"
    for module in (progress, visible):
        monkeypatch.setattr(module, "progress_of", lambda record: record.job)
    for length, status in ((5, "running"), (len(live), "done"), (9, "failed")):
        job = SimpleNamespace(
            status=status, message="", total=len(live), tokens_per_second=9.5, trace=live.truncated(length)
        )
        desk = desk_with(job=job)
        desk.at["r"] = {"t": 3, "layer": 1, "head": -1}
        assert wrong(page, desk) == []
        assert wrong(page, desk) == [], "with nothing new"


def test_the_start_page_gets_what_is_written_down():
    assert problems_of_payload("start", unpack(compute.recording_payload())) == []
    assert problems_of_payload("start", arrived(start_parts(compute.recording(), None))) == []


def test_every_state_of_the_search_is_as_written_down():
    desk = desk_with(trace=compute.recording().truncated(40))
    find(desk, {"run": "r", "n": 1})
    read_scores(desk, {"run": "r", "n": 1})
    states = set()
    while "done" not in states:
        assert wrong("attention", desk) == []
        states.add(attention_payload(desk).parts.header["finding"]["state"])
    find(desk, {"run": "r", "n": 2})
    cancel(desk, {"run": "r", "n": 2})
    while "failed" not in states:
        assert wrong("attention", desk) == []
        states.add(attention_payload(desk).parts.header["finding"]["state"])
    while busy(desk):
        pass
    assert "scores" in attention_payload(desk).parts.arrays and wrong("attention", desk) == []


def test_every_state_of_a_measurement_and_a_slot_is_as_written_down(live, monkeypatch):
    desk = desk_with(trace=compute.recording())
    measure(desk, {"run": "r", "position": 8, "step": 30, "word": ""})
    ask_slot(desk, {"run": "r", "layer": 1, "position": 3})
    states = set()
    while "done" not in states:
        assert wrong("ring", desk) == []
        states.add(ring_payload(desk).parts.header["beside"]["forgotten"]["status"])
    measure(desk, {"run": "r", "position": 8, "step": 30, "word": "no such single word"})
    forgotten.cancel(desk, {"run": "r", "n": 1})
    assert wrong("ring", desk) == []
    from app.ring import payload

    monkeypatch.setattr(payload, "KV_BUDGET", 100)
    desk = desk_with(trace=live)
    ask_slot(desk, {"run": "r", "layer": 1, "position": 3})
    assert "slot_keys" in ring_payload(desk).parts.arrays and wrong("ring", desk) == []


@pytest.mark.parametrize(
    "question",
    [
        {"reading": "forward", "source": 8, "target": 9},
        {"reading": "forward", "source": 8, "target": 9, "cut": "wall:20"},
        {"reading": "forward", "source": 8, "target": 9, "window": 4},
        {"reading": "forward", "source": 230, "target": 9},
        {"reading": "backward", "source": 8, "target": 150, "cut": "layer:2"},
        {"reading": "corridor", "source": 8, "target": 30},
        {"reading": "corridor", "source": 8, "target": 200},
    ],
)
def test_every_reading_is_as_written_down(recorded, question):
    desk = Desk()
    desk.add(recorded)
    event = {
        "run": "recorded",
        "n": 1,
        "layer": 0,
        "replacement": None,
        "cut": "",
        "window": None,
        "sinks": 0,
        **question,
    }
    assert problems_of_event("reach", "ask", event) == []
    ask(desk, event)
    parts = arrived(reach_payload(desk).parts)
    assert problems_of_payload("reach", parts) == [] and parts.header["measured"] > 0
    kind = wire_types.PAGES["reach"].__dict__[f"{question['reading'].title()}Facts"]
    assert problems(parts.header["facts"], kind, "facts") == [], "and the facts are those of its reading"


def test_reach_without_the_model_is_as_written_down(recorded):
    desk = desk_with(trace=dataclasses.replace(recorded.trace, model_hash="0" * 64))
    assert wrong("reach", desk) == []
    assert reach_payload(desk).parts.header["facts"] == {}


def places(value, where=()):
    """Every place in a header at which something stands."""
    yield where
    if isinstance(value, dict):
        for name, item in value.items():
            if where != ("settings",):  # what a run was made with is its own affair
                yield from places(item, (*where, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*where, 0))


def changed(header: dict, where: tuple, act) -> dict:
    new = copy.deepcopy(header)
    inner = new
    for name in where[:-1]:
        inner = inner[name]
    act(inner, where[-1])
    return new


def test_the_check_finds_whatever_is_missing_added_or_of_another_type():
    """At every place of five real payloads, one after another."""
    tried, trace = 0, compute.recording().truncated(40)
    for page in PAGES:
        parts = start_parts(trace, load_example(compute.EXAMPLE, trace)) if page == "start" else None
        parts = arrived(parts or PAYLOADS[page](desk_with(trace=trace)).parts)
        assert problems_of_payload(page, parts) == []
        whole = dict(parts.header)
        for where in places(whole):
            if not where:
                continue
            tried += 1
            other = changed(whole, where, lambda at, name: at.__setitem__(name, {"no": {"such": 1}}))
            assert problems_of_payload(page, Parts(other, parts.arrays)) or where == ("settings",), where
            free = where[:-1] in (("labels",), ("extras", "queries")) or where[-2:-1] == ("marks",)  # any names
            if isinstance(where[-1], str) and not free:
                gone = changed(whole, where, lambda at, name: at.pop(name))
                optional = where[0] == "facts" and where[-1] in ("outside", "outside_top", "left", "surprise", "exact")
                assert bool(problems_of_payload(page, Parts(gone, parts.arrays))) != optional, where
                more = changed(whole, where, lambda at, name: at.__setitem__("surplus", 1))
                assert problems_of_payload(page, Parts(more, parts.arrays)), where
        for name, array in parts.arrays.items():
            for bad in (array.astype(np.float64), array[..., None]):
                assert problems_of_payload(page, Parts(whole, {**parts.arrays, name: bad})), (page, name)
        assert problems_of_payload(page, Parts(whole, {**parts.arrays, "surplus": np.zeros(3)}))
    assert tried > 150


def test_arrays_that_are_not_of_one_length_are_noticed():
    header, arrays = arrived(PAYLOADS["attention"](desk_with(trace=compute.recording())).parts)
    short = {**arrays, "rank": arrays["rank"][:-1]}
    assert any("tokens" in said for said in problems_of_payload("attention", Parts(header, short)))
    narrow = {**arrays, "mean": arrays["mean"][:, :-1]}
    assert any("offsets" in said for said in problems_of_payload("attention", Parts(header, narrow)))
    assert problems_of_payload("attention", Parts(header, {**arrays, "entropy": arrays["rank"]}))


@pytest.mark.parametrize(
    ("page", "name", "event"),
    [
        ("next_word", "ack", {"run": "r", "to": 3, "parts": {"stages": [None, 0]}, "n": 1.5}),
        ("next_word", "need", {"run": "r", "from": 3, "n": 1}),
        ("next_word", "sampling", {"temperature": 1, "top_k": 5, "top_p": 0.9}),
        ("ring", "measure", {"run": "r", "position": 1, "step": 20, "word": ""}),
        ("attention", "find", {"run": "r", "n": 1034.5}),
        ("reach", "ask", {"run": "r", "n": 1, "at": {"t": 1, "layer": 2, "head": -1}}),
        ("break_it", "ask", {"run": "r", "n": 1, "at": {"t": 1, "layer": 2, "head": -1}}),
        ("break_it", "act", {"run": "r", "n": 1, "what": "stop"}),
        ("window", "ask", {"run": "r", "n": 1, "window": 5, "plus": True, "layer": 0}),
        ("window", "at", {"run": "r", "t": 1, "layer": 2, "head": 0}),
        ("residual", "held", {"run": "r", "lens": "k", "words": "", "pinned": "", "patch": ""}),
        ("residual", "at", {"run": "r", "t": 1, "layer": 2, "head": -1}),
        ("museum", "ask", {"run": "r", "n": 1, "mistake": "half-split"}),
        ("museum", "act", {"run": "r", "n": 1, "what": "verify"}),
        ("start", "go", {"to": "ring", "n": 3.5}),
    ],
)
def test_an_event_is_checked_field_by_field(page, name, event):
    assert problems_of_event(page, name, event) == []
    for field in event:
        assert problems_of_event(page, name, {key: value for key, value in event.items() if key != field})
        assert problems_of_event(page, name, {**event, field: ["odd"]})
    assert problems_of_event(page, name, {**event, "surplus": 1})
    assert problems_of_event(page, "dance", event)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int),
        (1.5, int),
        (float("nan"), float),
        (True, float),
        (None, str),
        ([1], tuple[int, int]),
        ({1: 2}, dict[str, int]),
    ],
)
def test_types_are_not_confused(value, hint):
    assert problems(value, hint, "x")
