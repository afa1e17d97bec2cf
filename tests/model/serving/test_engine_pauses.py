"""Pause, step and resume, also at the moment at which the worker is in the middle of a token."""

import threading
import time

from tests.model.serving.test_engine import alone, engine, finish, request, until

__all__ = ["engine"]


def test_pause_step_resume(engine):
    job = engine.submit("a", "0", request(), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    assert len(engine.poll(job).trace) == 5
    engine.step(job)
    until(lambda: engine.poll(job).status == "paused" and len(engine.poll(job).trace) == 6)
    time.sleep(0.05)
    assert len(engine.poll(job).trace) == 6
    engine.resume(job)
    assert len(finish(engine, job).trace) == 17


def during(act):
    """Has another thread do something now; waits for it, or until it is clear that it has to wait itself."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(0.2)


def test_a_step_asked_for_while_the_last_one_is_settled_is_written(engine, monkeypatch):
    """The page sees a token before the worker has noted that the text rests; what is asked for between is not lost."""
    settle, asked = engine._settle, []

    def late(job, status):
        if status == "paused" and len(engine.poll(job).trace) == 6 and not asked:
            asked.append(job)
            during(lambda: engine.step(job))
        settle(job, status)

    monkeypatch.setattr(engine, "_settle", late)
    job = engine.submit("a", "0", request(), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    engine.step(job)
    until(lambda: asked and len(engine.poll(job).trace) == 7)


def test_what_is_asked_for_while_a_token_is_counted_holds(engine):
    class Counted(float):
        def __sub__(self, tokens):
            during(lambda: engine.resume(job))
            return float(self) - tokens

    job = engine.submit("a", "0", request(), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    engine.resume(job, Counted(1))
    assert len(finish(engine, job).trace) == 17


def test_pausing_in_the_middle_loses_nothing(engine):
    job = engine.submit("a", "0", request(n=200))
    until(lambda: engine.poll(job).trace is not None and len(engine.poll(job).trace) > 20)
    engine.pause(job)
    until(lambda: engine.poll(job).status == "paused")
    kept = engine.poll(job).trace.token_ids.tolist()
    engine.resume(job)
    assert finish(engine, job).trace.token_ids.tolist()[: len(kept)] == kept
    assert engine.poll(job).trace.token_ids.tolist() == alone(request(n=200)).token_ids.tolist()
