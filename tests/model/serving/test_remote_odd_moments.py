"""What a death of a replica meets at odd moments: a pause, a step, no room elsewhere, looks of other threads."""

import threading
import time

import pytest

from mistral_core.serving.engine import Engine
from mistral_core.serving.job import Limits, RefusalError
from mistral_core.serving.remote import front
from mistral_core.serving.remote.front import RemoteEngine
from tests.model.serving.fake_replicas import Fakes
from tests.model.serving.test_engine import loaded, request, until
from tests.model.serving.test_remote import grown


def load(name, report):
    return loaded(int(name))


@pytest.fixture
def two(monkeypatch):
    """A front and two replicas, each with as many places as the first argument says."""
    monkeypatch.setattr(front, "AGAIN", 0.0)
    made = []

    def make(limits=Limits()):
        fakes = Fakes(lambda: Engine(load, limits=limits), "x", "y")
        made.extend([RemoteEngine(load, fakes), fakes])
        return made[0], fakes

    yield make
    for one in made:
        one.close()


def test_a_text_that_was_told_to_pause_when_its_replica_died_is_paused(two):
    engine, fakes = two()
    job = engine.submit("a", "0", request(n=200), pace=60.0)
    grown(engine, job, 20)
    engine.pause(job)
    fakes.kill(job.at)
    time.sleep(front.FRESH)
    until(lambda: engine.poll(job).status == "paused", 5)
    assert engine.holding().writing == engine.holding().waiting == 0


def test_a_step_while_a_text_is_read_again_adds_a_token_to_it(two):
    """The replica that took over is behind the front; what is asked of it counts from the text's start."""
    engine, fakes = two()
    job = engine.submit("a", "0", request(n=200), pace=100.0)
    grown(engine, job, 60)
    engine.pause(job)
    until(lambda: engine.poll(job).status == "paused")
    fakes.kill(job.at)
    time.sleep(front.FRESH)
    engine.poll(job)
    engine.resume(job)
    engine.pause(job)
    until(lambda: engine.poll(job).status == "paused")
    before = len(engine.poll(job).trace)
    engine.step(job)
    until(lambda: len(engine.poll(job).trace) == before + 1)


def test_news_from_before_a_step_do_not_say_that_the_text_rests(two, monkeypatch):
    engine, fakes = two()
    job = engine.submit("a", "0", request(n=200), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    news, came, done = fakes.news, threading.Event(), threading.Event()

    def slow(at, asks):
        bulletin = news(at, asks)
        came.set()
        assert done.wait(5)
        return bulletin

    monkeypatch.setattr(fakes, "news", slow)
    time.sleep(front.FRESH)
    looks = threading.Thread(target=engine.poll, args=(job,))
    looks.start()
    assert came.wait(5)
    engine.resume(job)
    done.set()
    looks.join()
    assert job.status == "queued", "not paused: it is being written"
    monkeypatch.setattr(fakes, "news", news)
    until(lambda: engine.poll(job).status == "done")
    assert len(engine.poll(job).trace) == 205


def test_where_the_others_are_full_a_text_waits_and_is_not_ended(two):
    engine, fakes = two(Limits(rows=1, queue=0))
    jobs = {}
    for n in range(100):
        try:
            job = engine.submit(f"s{n}", "0", request(n, n=60), pace=10.0)
        except RefusalError:
            continue
        jobs[job.at] = job
        if len(jobs) == 2:
            break
    grown(engine, jobs["x"], 8)
    fakes.kill("x")
    time.sleep(front.FRESH)
    progress = engine.poll(jobs["x"])
    assert progress.status == "queued" and "try again in a minute" in progress.message
    engine.cancel(jobs["y"])
    jobs["x"].pace = 1000.0
    until(lambda: engine.poll(jobs["x"]).status == "done", 60)
    assert len(engine.poll(jobs["x"]).trace) == 65


def test_looks_of_many_threads_while_replicas_die_raise_nothing(two):
    engine, fakes = two()
    jobs = [engine.submit(f"s{n}", "0", request(n, n=200), pace=50.0) for n in range(4)]
    over, wrong = threading.Event(), []

    def look(job):
        while not over.wait(0.002):
            try:
                engine.poll(job)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=look, args=(job,)) for job in jobs for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(4):
        time.sleep(0.15)
        fakes.start(f"n{n}")
        fakes.kill(next(iter(fakes.replicas)))
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
