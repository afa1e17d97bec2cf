"""An engine of many processes without the processes: what goes over the wire, and what a death costs."""

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mistral_core.generation import Run
from mistral_core.serving.engine import Engine
from mistral_core.serving.interface import WritingEngine
from mistral_core.serving.job import Limits, RefusalError
from mistral_core.serving.remote import front, start
from mistral_core.serving.remote.front import RemoteEngine
from mistral_core.serving.remote.growing import Growing
from mistral_core.serving.remote.sticky import address, chosen, ranking
from mistral_core.serving.remote.wire import Ask, News, news_of
from tests.model.serving.fake_replicas import Fakes, tokens_of
from tests.model.serving.test_engine import CONFIG, finish, loaded, request, until

ROOT = Path(__file__).resolve().parents[3]


def make():
    return Engine(lambda name, report: loaded(int(name)))


@pytest.fixture
def fakes():
    made = Fakes(make, "x", "y")
    yield made
    made.close()


@pytest.fixture
def engine(fakes, monkeypatch):
    monkeypatch.setattr(front, "AGAIN", 0.0)
    made = RemoteEngine(lambda name, report: loaded(int(name)), fakes)
    yield made
    made.close()


@pytest.fixture(scope="module")
def here():
    made = make()
    yield made
    made.close()


def same(one, other):
    """Everything of two traces, to the bit."""
    assert one.text == other.text and one.token_texts == other.token_texts and one.token_labels == other.token_labels
    assert dict(one.settings) == dict(other.settings) and one.config == other.config
    for name in ("model_name", "model_hash", "n_prompt", "finish_reason", "omitted"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("token_ids", "positions", "probability", "rank"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in other.arrays.items():
        assert one[name].dtype == array.dtype and np.array_equal(one[name], array), name


def grown(engine, job, n):
    until(lambda: (trace := engine.poll(job).trace) is not None and len(trace) >= n)


def test_both_engines_have_what_the_pages_ask_for(engine, here):
    assert isinstance(engine, WritingEngine) and isinstance(here, WritingEngine)


def test_a_text_from_a_replica_is_the_one_that_is_written_here_to_the_bit(engine, here, fakes):
    for wanted in (request(n=60), request(1, n=0), request(2, n=40, stop=("a",)), request(3, n=9, forced=((7, 300),))):
        progress = finish(engine, engine.submit("a", "0", wanted))
        expected = finish(here, here.submit("a", "0", wanted))
        assert progress.status == "done" and progress.finish_reason == expected.finish_reason
        assert (progress.n_prompt, progress.total) == (expected.n_prompt, expected.total)
        same(progress.trace, expected.trace)


def test_a_look_carries_only_what_is_new(engine, fakes):
    job = engine.submit("a", "0", request(n=300), pace=400.0)
    looks = 0
    while engine.poll(job).status != "done":
        looks += 1
        time.sleep(0.01)
    news = [one for one in fakes.came if one.model_hash]
    assert tokens_of(news) == len(engine.poll(job).trace) == 305, "each row came once"
    assert sum(one.head is not None for one in news) == 1
    assert fakes.calls["news"] < looks, "and looks at the same time are one"
    before = fakes.calls["news"]
    engine.poll(job)
    assert fakes.calls["news"] == before, "a text that has ended costs no call"


def test_many_texts_of_a_replica_are_asked_for_at_once(engine, fakes):
    jobs = [engine.submit(f"s{n}", "0", request(n, n=30), pace=30.0) for n in range(8)]
    until(lambda: all(engine.poll(job).trace is not None for job in jobs))
    before, began, looks = fakes.calls["news"], time.monotonic(), 0
    while any(engine.poll(job).status != "done" for job in jobs):
        looks += 8
        assert time.monotonic() - began < 60
        time.sleep(0.01)
    replicas = len({job.at for job in jobs})
    asked = fakes.calls["news"] - before
    assert asked <= replicas * ((time.monotonic() - began) / front.FRESH + 1) and asked < looks


def test_a_page_that_waited_long_for_others_is_answered(engine, fakes, monkeypatch):
    """Each call takes longer than a look counts: the one that asks is asked for all the same."""
    monkeypatch.setattr(front, "LOOKED_AT", 0.0)
    assert finish(engine, engine.submit("a", "0", request())).status == "done"


def test_pause_step_resume_and_stop(engine):
    job = engine.submit("a", "0", request(), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    assert len(engine.poll(job).trace) == 5
    engine.step(job)
    until(lambda: engine.poll(job).status == "paused" and len(engine.poll(job).trace) == 6)
    engine.resume(job)
    assert len(finish(engine, job).trace) == 17
    stopped = engine.submit("a", "0", request(1, n=2000), pace=50.0)
    grown(engine, stopped, 8)
    engine.pause(stopped)
    until(lambda: engine.poll(stopped).status == "paused")
    engine.cancel(stopped)
    end = engine.poll(stopped)
    assert (end.status, end.finish_reason, end.trace.finish_reason) == ("done", "cancelled", "cancelled")


@pytest.mark.parametrize("at", [5, 6, 20, 59])
def test_a_replica_that_dies_costs_no_token_and_the_text_is_the_same(engine, fakes, here, at):
    job = engine.submit("a", "0", request(n=60), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    for n in range(6, at + 1):
        engine.step(job)
        until(lambda n=n: len(engine.poll(job).trace) == n)
    until(lambda: engine.poll(job).status == "paused")  # the token is seen before its end is noted
    home, seen = job.at, engine.poll(job).trace
    fakes.kill(home)
    time.sleep(front.FRESH)
    assert engine.poll(job).status == "paused", "a text that waits is not carried over before it goes on"
    engine.step(job)
    until(lambda: len(engine.poll(job).trace) == at + 1 and engine.poll(job).status in ("paused", "done"))
    assert job.at != home
    engine.resume(job)
    progress = finish(engine, job)
    expected = finish(here, here.submit("a", "0", request(n=60))).trace
    same(progress.trace, expected)
    same(progress.trace.truncated(len(seen)), expected.truncated(len(seen)))


def test_while_it_writes_the_visitor_reads_a_sentence_and_keeps_the_text(engine, fakes, here):
    job = engine.submit("a", "0", request(n=60), pace=60.0)
    grown(engine, job, 25)
    fakes.kill(job.at)
    said, lengths = set(), []
    time.sleep(front.FRESH)
    while (progress := engine.poll(job)).status != "done":
        said.add(progress.message)
        lengths.append(len(progress.trace))
        time.sleep(0.01)
        assert progress.status in ("queued", "loading", "reading", "running")
    assert front.ELSEWHERE in said
    assert lengths == sorted(lengths) and lengths[0] >= 25, "nothing that was seen is taken back"
    same(progress.trace, finish(here, here.submit("a", "0", request(n=60))).trace)


def test_what_was_written_before_is_read_again_at_full_speed(engine, fakes):
    job = engine.submit("a", "0", request(n=300))
    grown(engine, job, 200)
    engine.pause(job)
    until(lambda: engine.poll(job).status == "paused")
    known, job.pace = len(engine.poll(job).trace), 4.0
    if known > 300:
        pytest.skip("it was written before it could be paused")
    fakes.kill(job.at)
    engine.poll(job)
    began = time.monotonic()
    engine.resume(job)
    grown(engine, job, known + 1)
    assert time.monotonic() - began < 10, "at its own pace it would take a minute"


def test_where_nobody_answers_a_text_waits_and_goes_on_later(engine, fakes, here):
    for name in ("x", "y"):
        fakes.kill(name)
    job = engine.submit("a", "0", request())
    progress = engine.poll(job)
    assert (progress.status, progress.message, progress.trace) == ("queued", front.NOBODY, None)
    fakes.start("z")
    same(finish(engine, job).trace, finish(here, here.submit("a", "0", request())).trace)


def test_an_order_that_was_heard_and_not_answered_is_not_taken_twice(engine, fakes):
    fakes.silent = True
    job = engine.submit("a", "0", request())
    assert engine.poll(job).message == front.NOBODY
    fakes.silent = False
    assert finish(engine, job).status == "done"
    assert fakes.calls["submit"] >= 2
    assert sum(replica.engine.figures.tokens for replica in fakes.replicas.values()) == 12


def test_a_replica_that_does_not_answer_is_waited_for(engine, fakes):
    job = engine.submit("a", "0", request(n=100), pace=100.0)
    grown(engine, job, 10)
    fakes.silent = True
    time.sleep(front.FRESH)
    assert engine.poll(job).message == front.SILENT and len(engine.poll(job).trace) >= 10
    fakes.silent = False
    assert len(finish(engine, job).trace) == 105 and job.lost == 0


def test_a_rolling_restart_loses_no_text(engine, fakes, here):
    jobs = [engine.submit(f"s{n}", "0", request(n, n=40), pace=40.0) for n in range(3)]
    for job in jobs:
        grown(engine, job, 8)
    for old, new in (("x", "x2"), ("y", "y2")):
        fakes.start(new)
        fakes.kill(old)
        for job in jobs:
            grown(engine, job, len(engine.poll(job).trace) + 1)
    for n, job in enumerate(jobs):
        same(finish(engine, job).trace, finish(here, here.submit("a", "0", request(n, n=40))).trace)
    assert {job.at for job in jobs} <= {"x2", "y2"} and all(job.lost for job in jobs)


def test_a_branch_takes_over_the_rows_of_its_parent(engine, here):
    parent = finish(here, here.submit("a", "0", request(n=30))).trace
    for wanted in (request(n=30).branch(20, 999), request(n=50)):
        job = engine.submit("a", "0", wanted, parent=parent)
        first = engine.poll(job).trace
        assert first is not None and len(first) >= 20, "at once"
        same(finish(engine, job).trace, finish(here, here.submit("a", "0", wanted, parent=parent)).trace)
    other = engine.submit("a", "1", request(n=30), parent=parent)
    same(finish(engine, other).trace, finish(here, here.submit("a", "1", request(n=30), parent=parent)).trace)


def test_refusals_come_from_the_replica_as_sentences(engine, fakes):
    jobs = [engine.submit("a", "0", request(n, n=2000), pace=1.0) for n in range(2)]
    with pytest.raises(RefusalError, match="2 texts are being written already"):
        engine.submit("a", "0", request(3))
    with pytest.raises(RefusalError, match="at most 2,000 are written"):
        engine.submit("b", "0", request(n=2001))
    jobs[0].leave()
    assert engine.submit("a", "0", request(3)).status != "failed", "what has left counts no more"
    with pytest.raises(ValueError, match="submitted to another engine"):
        engine.poll(fakes.make().submit("a", "0", request()))


def test_a_text_that_fails_is_said_and_resumed(engine, monkeypatch):
    real, fails = Run.choose, [True]

    def choose(run):
        if fails[0] and run.n_read == 9:
            raise RuntimeError("a bit fell over")
        return real(run)

    monkeypatch.setattr(Run, "choose", choose)
    job = engine.submit("a", "0", request())
    end = finish(engine, job)
    assert end.status == "failed" and "a bit fell over" in end.message and len(end.trace) == 9
    fails[0] = False
    engine.resume(job)
    assert len(finish(engine, job).trace) == 17


def test_a_page_that_was_away_finds_its_text_waiting(fakes, here):
    now = [time.monotonic()]
    engine = RemoteEngine(lambda name, report: loaded(int(name)), fakes, limits=Limits(), clock=lambda: now[0])
    job = engine.submit("a", "0", request(n=2000), pace=10.0)
    until(lambda: (now.__setitem__(0, now[0] + 0.05), engine.poll(job).trace)[1] is not None)
    fakes.kill(job.at)
    now[0] += 121
    other = engine.submit("b", "0", request())
    engine.poll(other)
    assert job.status == "expired"
    progress = engine.poll(job)
    assert progress.status == "expired" and "resume to go on" in progress.message and progress.trace is not None
    assert engine.holding().writing <= 1
    engine.resume(job)
    assert engine.poll(job).status in ("queued", "loading", "reading", "running")
    engine.cancel(job)
    engine.close()


def test_other_weights_under_the_name_begin_the_text_anew(engine, fakes, monkeypatch):
    job = engine.submit("a", "0", request(n=60), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    engine.resume(job, 1)
    grown(engine, job, 6)
    home = job.at
    for name in {"x", "y"} - {home}:
        fakes.kill(name)
    fakes.make = lambda: Engine(lambda name, report: loaded(1))
    fakes.start("new")
    fakes.kill(home)
    engine.poll(job)
    engine.resume(job)
    end = finish(engine, job)
    assert end.trace.model_hash == "hash1" and len(end.trace) == 65
    there = Engine(lambda name, report: loaded(1))
    same(end.trace, finish(there, there.submit("a", "0", request(n=60))).trace)
    there.close()


def test_rows_that_do_not_follow_are_refused():
    growing = Growing(request())
    with pytest.raises(ValueError, match="rows from 3 on do not follow the 0"):
        growing.take(News(key="k", status="running", message="", finish_reason="", tokens_per_second=math.nan, start=3))
    assert growing.trace() is None and growing.tokens == ()


def test_news_are_of_the_rows_that_are_lacking(here):
    progress = finish(here, here.submit("a", "0", request(n=20)))
    news = news_of(Ask(key="k", have=15, named=True), progress)
    assert (news.start, len(news.token_ids), len(news.labels), len(news.texts)) == (15, 10, 10, 11)
    assert news.head is None and all(len(rows) == 10 for rows in news.arrays.values())
    behind = news_of(Ask(key="k", have=40, named=False), progress)
    assert (behind.start, behind.nbytes) == (25, 0) and behind.head is not None


def test_what_a_replica_holds_is_let_go_with_the_end(engine, fakes, here):
    done = engine.submit("a", "0", request())
    finish(engine, done)
    assert all(not replica._jobs for replica in fakes.replicas.values())
    assert engine.held(done) > sum(rows.nbytes for rows in engine.poll(done).trace.arrays.values())
    assert engine.figures.tokens == 17
    assert engine.holding().writing == engine.holding().waiting == 0
    assert engine.price(CONFIG, 100) == here.price(CONFIG, 100) > 0 and engine.model("0").name == "random0"


def test_how_tokens_are_read_is_said_by_a_replica_that_has_the_model(engine, fakes):
    assert engine.step_said("0") == "", "in no memory yet"
    job = engine.submit("a", "0", request(n=2000), pace=20.0)
    grown(engine, job, 6)
    assert engine.step_said("0") == fakes.replicas[job.at].engine.step_said("0") != ""
    fakes.close()
    assert engine.step_said("0") == ""


def test_sessions_stay_when_replicas_come_and_go():
    sessions, names = [f"s{n}" for n in range(1000)], [f"r{n}" for n in range(4)]
    first = {one: ranking(one, names)[0] for one in sessions}
    assert all(150 < list(first.values()).count(name) < 350 for name in names)
    more = {one: ranking(one, [*names, "new"])[0] for one in sessions}
    assert {more[one] for one in sessions if more[one] != first[one]} == {"new"}
    fewer = {one: ranking(one, names[1:])[0] for one in sessions}
    assert all(fewer[one] == first[one] for one in sessions if first[one] != names[0])
    assert chosen(address("s1", "r3"), names) == "r3", "a text stays where it is"
    assert chosen(address("s1", "dead"), names) == first["s1"]


def test_ray_is_asked_for_by_the_environment_alone_and_missed_in_a_sentence(monkeypatch):
    for name in (*start.QUIET, *start.ALONE):
        monkeypatch.setenv(name, "0")  # put back afterwards, whatever is set meanwhile
    monkeypatch.setitem(sys.modules, "mistral_core.serving.remote.on_ray", None)
    with pytest.raises(ValueError, match="Ray is not installed; `make serve-ray` installs it"):
        start.connected("127.0.0.1:1", lambda name, report: loaded())


def test_nothing_imports_ray_unless_it_is_asked_for():
    code = "import sys, app.compute, mistral_core.serving.remote.front; assert 'ray' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
