"""A run that ended can go on: nothing that was written is lost, and nothing is drawn otherwise than in one go."""

import time
from dataclasses import replace

import pytest

from app.session import actions
from app.session.desk import Desk
from app.session.progress import progress_of, trace_of
from app.session.runs import RunSpec
from mistral_core.sampling import SamplingSettings

TEXT = "Once upon a time there was"


def spec(new_tokens: int) -> RunSpec:
    return RunSpec(
        model="storyteller", text=TEXT, sampling=SamplingSettings(temperature=1.0), seed=5, new_tokens=new_tokens
    )


def wait(desk: Desk, until) -> None:
    end = time.monotonic() + 60
    while not until(progress_of(desk.record)):
        assert time.monotonic() < end, progress_of(desk.record)
        time.sleep(0.005)


def tokens(desk: Desk) -> list[int]:
    return trace_of(desk.record).token_ids.tolist()


def written(new_tokens: int) -> list[int]:
    desk = Desk()
    assert actions.write(desk, spec(new_tokens))
    wait(desk, lambda progress: progress.status == "done")
    return tokens(desk)


def stopped(at_least: int, new_tokens: int) -> Desk:
    desk = Desk()
    assert actions.write(desk, spec(new_tokens), pace=200.0)
    wait(desk, lambda progress: progress.trace is not None and len(progress.trace) - progress.n_prompt >= at_least)
    actions.press(desk, "stop")
    wait(desk, lambda progress: progress.status == "done")
    assert len(tokens(desk)) < len(written(new_tokens)) and actions.can_go_on(desk)
    return desk


@pytest.mark.parametrize("way", ["go on", "write"])
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(way):
    desk = stopped(5, 40)
    run, before = desk.current, tokens(desk)
    desk.at[run] = {"t": 3, "layer": 1, "head": 0}
    if way == "go on":
        actions.press(desk, "resume")
    else:
        assert actions.write(desk, spec(40))
    assert not desk.notice and desk.current == run and desk.at[run]["t"] == 3
    assert tokens(desk)[: len(before)] == before, "nothing that was there is gone while it begins"
    wait(desk, lambda progress: progress.status == "done")
    assert tokens(desk) == written(40)
    assert len(desk.records) == 1


def test_a_finished_run_can_be_longer():
    desk = Desk()
    desk.length = 15
    assert actions.write(desk, spec(10))
    wait(desk, lambda progress: progress.status == "done")
    first = desk.current
    desk.at[first] = {"t": 8, "layer": 2, "head": 1}
    actions.press(desk, "resume")
    assert not desk.notice and desk.current != first and desk.at[desk.current]["t"] == 8
    wait(desk, lambda progress: progress.status == "done")
    assert tokens(desk) == written(25) and desk.record.spec.new_tokens == 25
    assert first in desk.records and desk.record.parent == first
    desk.current = first
    actions.press(desk, "resume")
    assert desk.current != first and len(desk.records) == 2, "the longer one is there already"


def test_what_the_model_ended_itself_cannot_go_on(monkeypatch):
    desk = Desk()
    assert actions.write(desk, spec(5))
    wait(desk, lambda progress: progress.status == "done")
    assert actions.can_go_on(desk)
    monkeypatch.setattr(actions, "_ended_by", lambda record: "eos")
    assert not actions.can_go_on(desk) and not actions.go_on(desk)


def test_a_run_that_is_being_written_pauses_and_is_not_ended():
    desk = Desk()
    assert actions.write(desk, spec(60), pace=50.0)
    assert not actions.can_go_on(desk)
    actions.press(desk, "stop")


def test_runs_of_the_same_words_are_told_apart_by_what_differs():
    plain = RunSpec(model="storyteller", text="The old king said that", seed=3)
    hot = replace(plain, sampling=replace(plain.sampling, temperature=2.0, top_k=40))
    assert actions._label(plain) == "The old king said… seed 3"
    assert actions._label(hot) == "The old king said… seed 3, temperature 2, top k 40"
