"""A second run beside the shown one: the same text by another network, what an address says of it, what it leaves alone."""

import time
from urllib.parse import parse_qs, urlencode

import numpy as np
import pytest

from app.session import actions
from app.session.address import _open_address, address, arrive
from app.session.beside import called, lay_wanted, read_beside, same_text, spelled
from app.session.desk import MAX_RECORDS, Desk
from app.session.files import RECORDING_NAME
from app.session.progress import progress_of, trace_of
from app.session.runs import Record, RunSpec
from mistral_core.sampling import SamplingSettings
from tests.ui.runs import make_trace

SPEC = RunSpec(
    model="storyteller",
    text="Once upon a time there was a girl who",
    sampling=SamplingSettings(temperature=1.0),
    seed=5,
    new_tokens=24,
)


def wait(*desks: Desk) -> None:
    end = time.monotonic() + 120
    for desk in desks:
        while progress_of(desk.record).status != "done":
            assert time.monotonic() < end and progress_of(desk.record).status != "failed", progress_of(desk.record)
            time.sleep(0.01)


@pytest.fixture
def desk():
    made = Desk()
    assert actions.write(made, SPEC)
    wait(made)
    yield made
    made.clear()


@pytest.mark.parametrize("model", ["storyteller@4", "storyteller~near:3", "storyteller~head:5:3,mlp:2", "baseline"])
def test_the_same_text_is_read_by_another_network_token_for_token(desk, model):
    read_beside(desk, model)
    assert not desk.notice and desk.record.name == SPEC.name
    other = desk.beside
    wait(other)
    mine, theirs = trace_of(desk.record), trace_of(other.record)
    assert mine.token_ids.tolist() == theirs.token_ids.tolist() and mine.n_prompt == theirs.n_prompt
    assert theirs.model_name == model and not np.allclose(mine.logits, theirs.logits)
    assert "the same text" in called(other.record, desk.record)


def test_a_broken_network_writes_under_what_is_broken(desk):
    """The rows of attention have nothing farther back than the limit, and sum to 1."""
    read_beside(desk, "storyteller~near:3")
    wait(desk.beside)
    trace = trace_of(desk.beside.record)
    for layer in range(trace.config.n_layers):
        rows = trace.pattern(layer)
        assert rows[:, :, 4:].max() == 0 and np.allclose(rows.sum(-1), 1, atol=2e-3)
    assert trace_of(desk.record).pattern(0)[:, :, 4:].max() > 0


def test_both_are_left_in_peace_by_each_other(desk):
    long = RunSpec(model="storyteller", text=SPEC.text, seed=9, new_tokens=400)
    assert actions.write(desk, long, pace=50.0)
    read_first = actions.write_beside(desk, RunSpec(model="storyteller@4", text=SPEC.text, seed=9, new_tokens=8))
    assert read_first and desk.current == long.name
    wait(desk.beside)
    assert progress_of(desk.record).status == "running"  # not paused for the sake of the other
    actions.press(desk, "stop")


def test_what_cannot_be_read_so_is_said_and_changes_nothing(desk):
    for model, why in (("relay", "other tokens"), ("nobody", "no model"), ("storyteller", "That is the text itself")):
        if model == "storyteller":
            actions.write_beside(desk, SPEC)
        else:
            read_beside(desk, model)
        assert why in desk.notice and desk.beside is None and desk.current == SPEC.name
        desk.notice = ""
    read_beside(desk, "storyteller~head:9:1")
    end = time.monotonic() + 60
    while progress_of(desk.beside.record).status != "failed":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "layer 8 is not in this model" in progress_of(desk.beside.record).message


def test_an_address_names_it_and_makes_it_again(desk):
    read_beside(desk, "storyteller@4")
    wait(desk.beside)
    query = address(desk)
    assert parse_qs(query["beside"]) == {"model": ["storyteller@4"]}
    visitor = Desk()
    _open_address(visitor, query)
    assert address(visitor)["beside"] == query["beside"]  # wanted: it waits for the text
    lay_wanted(visitor)
    assert visitor.beside is None or progress_of(visitor.record).status == "done"
    wait(visitor)
    lay_wanted(visitor)
    assert visitor.beside.current == desk.beside.current and address(visitor) == query
    visitor.clear()


def test_another_prompt_is_spelled_whole_and_a_bad_address_says_what_is_wrong(desk):
    other = RunSpec(model="storyteller@8", text="In a wood, & far = off", seed=2, new_tokens=6)
    actions.write_beside(desk, other)
    assert dict(kv for kv in [(k, v[0]) for k, v in parse_qs(spelled(desk)).items()]) == other.query()
    for bad, why in ((urlencode({"text": "x", "n": "many"}), "n=many"), (urlencode({"model": "nobody"}), "no model")):
        visitor = Desk()
        _open_address(visitor, {**SPEC.query(), "beside": bad})
        wait(visitor)
        lay_wanted(visitor)
        assert why in visitor.notice and visitor.beside is None and visitor.record.name == SPEC.name
        visitor.clear()


def test_the_recording_has_another_beside_it_too():
    desk = Desk()
    arrive(desk, {"beside": urlencode({"model": "storyteller@4"})})
    assert desk.current == RECORDING_NAME
    lay_wanted(desk)
    wait(desk.beside)
    assert trace_of(desk.beside.record).token_ids.tolist() == trace_of(desk.record).token_ids.tolist()
    assert parse_qs(address(desk)["beside"]) == {"model": ["storyteller@4"]}
    desk.clear()


def test_runs_on_screen_are_not_let_go_to_make_room(desk):
    read_beside(desk, "storyteller@4")
    wait(desk.beside)
    both = (desk.current, desk.beside.current)
    for number in range(MAX_RECORDS + 2):
        desk.add(Record(name=f"file {number}", label="", trace=trace_of(desk.record)), show=False)
    assert set(both) <= set(desk.records) and desk.beside is not None and len(desk.records) == MAX_RECORDS
    desk.forget(both[1])
    assert desk.beside is None and spelled(desk) == ""


def test_a_text_of_a_model_that_is_not_here_is_read_by_no_other():
    trace = make_trace()
    with pytest.raises(ValueError, match="no other one can read it"):
        same_text(Record(name="file", label="", trace=trace), trace, "storyteller")
