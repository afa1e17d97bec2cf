"""The engine: one worker, many sessions. A stub clock and small random models; no sleeping longer than needed."""

import math
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mistral_core.checkpoint.registry import bundled_root
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.serving.engine import Engine, Limits, RefusalError
from mistral_core.serving.task import Task
from mistral_core.tokenizer import SentencePieceTokenizer
from mistral_core.trace.trace import RecordingPlan

CONFIG = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=24,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=1e4,
    sliding_window=4,
)
SAMPLING = SamplingSettings(temperature=1.0, top_k=50)


def loaded(seed: int = 0):
    tokenizer = SentencePieceTokenizer(bundled_root() / "storyteller" / "tokenizer.model")
    model = random_model(CONFIG, seed=seed, std=0.3)
    return SimpleNamespace(
        name=f"random{seed}", model_hash=f"hash{seed}", model=model, tokenizer=tokenizer, config=CONFIG
    )


def request(seed: int = 0, n: int = 12, **more) -> GenerationRequest:
    return GenerationRequest(prompt_ids=(1, 300, 301, 302, 303), max_new_tokens=n, sampling=SAMPLING, seed=seed, **more)


@pytest.fixture
def engine():
    made = Engine(lambda name, report: loaded(int(name)))
    yield made
    made.close()


def until(condition, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def finish(engine, job):
    until(lambda: engine.poll(job).status in ("done", "failed"))
    return engine.poll(job)


def alone(wanted: GenerationRequest, seed: int = 0):
    one = loaded(seed)
    run = Run(one.model, one.tokenizer, wanted, plan=RecordingPlan())
    for _ in run.prefill():
        pass
    while not run.finish_reason:
        run.step()
    return run.trace()


def test_a_job_writes_what_a_run_alone_writes(engine):
    progress = finish(engine, engine.submit("a", "0", request()))
    assert progress.status == "done"
    assert progress.trace.token_ids.tolist() == alone(request()).token_ids.tolist()
    assert progress.trace.model_hash == "hash0"


def test_sessions_take_turns_and_stay_independent(engine):
    """Four jobs of four sessions at once, each equal to itself alone, tensors included."""
    jobs = [engine.submit(f"s{seed}", str(seed % 2), request(seed, n=20)) for seed in range(4)]
    for seed, job in enumerate(jobs):
        got, expected = finish(engine, job).trace, alone(request(seed, n=20), seed % 2)
        assert got.token_ids.tolist() == expected.token_ids.tolist()
        for name, array in expected.arrays.items():
            assert (got.arrays[name] == array).all(), name


def test_cancel_keeps_the_text(engine):
    job = engine.submit("a", "0", request(n=1500))
    until(lambda: engine.poll(job).trace is not None and len(engine.poll(job).trace) > 10)
    engine.cancel(job)
    progress = engine.poll(job)
    assert progress.status == "done" and progress.trace.finish_reason == "cancelled"
    length = len(progress.trace)
    time.sleep(0.05)
    assert len(engine.poll(job).trace) - length <= 1  # at most the token that was being read


def test_reading_only(engine):
    progress = finish(engine, engine.submit("a", "0", request(n=0)))
    assert len(progress.trace) == 5 and progress.trace.n_prompt == 5 and not math.isnan(progress.trace.probability[1])


def test_branch_restores_and_equals_a_run_from_scratch(engine):
    parent = finish(engine, engine.submit("a", "0", request(n=20))).trace
    forced = request(n=20).branch(10, 777)
    got = finish(engine, engine.submit("a", "0", forced, parent=parent)).trace
    expected = alone(forced)
    assert got.token_ids[10] == 777
    assert got.token_ids.tolist() == expected.token_ids.tolist()
    assert all((got.arrays[name] == expected.arrays[name]).all() for name in expected.arrays)


def test_limits_are_named(engine):
    with pytest.raises(RefusalError, match="the text has 5,000 tokens; at most 4,096"):
        engine.submit("a", "0", GenerationRequest(prompt_ids=(1,) * 5000, max_new_tokens=1))
    with pytest.raises(RefusalError, match="3,000 new tokens are asked for; at most 2,000"):
        engine.submit("a", "0", request(n=3000))
    for _ in range(2):
        engine.submit("a", "0", request(n=2000), pace=1.0)
    with pytest.raises(RefusalError, match="2 texts are being written already"):
        engine.submit("a", "0", request())
    engine.submit("b", "0", request())  # another session is not held up


def test_a_failing_job_says_so_keeps_its_text_and_goes_on():
    """The model raises once at position 9; the neighbour does not notice, and resuming gives the same text."""
    broken = loaded()
    real, raised = broken.model.forward, []

    def forward(tokens, positions=None, kv_cache=None, last_only=False):
        if kv_cache is not None and int(kv_cache.n_seen[0]) == 9 and not raised and tokens.shape[1] == 1:
            raised.append(True)
            raise RuntimeError("a bit fell over")
        return real(tokens, positions, kv_cache, last_only)

    broken.model.forward = forward
    engine = Engine(lambda name, report: broken if name == "broken" else loaded())
    try:
        job, other = engine.submit("a", "broken", request()), engine.submit("b", "0", request(3))
        progress = finish(engine, job)
        assert progress.status == "failed"
        assert progress.message.startswith("The engine stopped at token 9 (a bit fell over).")
        assert len(progress.trace) == 9
        assert finish(engine, other).trace.token_ids.tolist() == alone(request(3)).token_ids.tolist()
        engine.resume(job)
        assert finish(engine, job).trace.token_ids.tolist() == alone(request()).token_ids.tolist()
    finally:
        engine.close()


def test_a_model_that_cannot_be_loaded_is_a_sentence():
    def load(name, report):
        raise ValueError(f"there is no model {name!r}")

    engine = Engine(load)
    progress = finish(engine, engine.submit("a", "nobody", request()))
    assert progress.status == "failed" and "there is no model 'nobody'" in progress.message and progress.trace is None
    engine.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_is_started_again():
    """SystemExit ends the thread past the per-job guard; the next poll starts another, and the job is finished."""
    one, deaths = loaded(), []
    real = one.model.forward

    def forward(*arguments, **more):
        if not deaths:
            deaths.append(True)
            raise SystemExit
        return real(*arguments, **more)

    one.model.forward = forward
    engine = Engine(lambda name, report: one)
    job = engine.submit("a", "0", request())
    until(lambda: not engine._workers[False].is_alive())
    assert finish(engine, job).status == "done"
    engine.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("where", ["Run._made", "Run._finish", "Run._note", "Tokenizer.label", "Engine._has_written"])
def test_a_worker_that_dies_in_the_middle_of_a_token_leaves_the_text_as_it_would_be(monkeypatch, where):
    """Whatever was half done, a token noted in part or not counted, is done once more from what is stored."""
    one = loaded()
    owner = {"Run": Run, "Engine": Engine, "Tokenizer": type(one.tokenizer)}[where.partition(".")[0]]
    name, calls = where.partition(".")[2], []
    real = getattr(owner, name)

    def dies(*arguments, **more):
        calls.append(True)
        if len(calls) == 4:
            raise SystemExit
        result = real(*arguments, **more)
        if len(calls) == 8:  # and once behind it
            calls.append(True)
            raise SystemExit
        return result

    whole = alone(request())
    monkeypatch.setattr(owner, name, dies)
    engine = Engine(lambda name, report: one)
    found = finish(engine, engine.submit("a", "0", request()))
    assert len(calls) > 9 and found.status == "done", found
    assert found.trace.token_ids.tolist() == whole.token_ids.tolist()
    assert found.trace.token_texts == whole.token_texts and found.trace.token_labels == whole.token_labels
    engine.close()


def test_a_step_of_a_heavy_model_delays_no_other(monkeypatch):
    """A step of seven billion weights takes as long as dozens of a small model; in one round all would wait for it."""
    go, waits = threading.Event(), []
    monkeypatch.setattr("mistral_core.serving.engine.HEAVY", 150_000)

    def load(name, report):
        one = loaded()
        if name == "heavy":
            one.model = random_model(replace(CONFIG, dim=24), std=0.3)
            real = one.model.forward

            def forward(*arguments, **more):
                waits.append(True)
                assert go.wait(20)
                return real(*arguments, **more)

            one.model.forward = forward
        return one

    engine = Engine(load)
    slow, too = engine.submit("a", "heavy", request()), engine.submit("c", "heavy", request(1))
    until(lambda: waits)
    other = engine.submit("b", "0", request(3))
    assert finish(engine, other).trace.token_ids.tolist() == alone(request(3)).token_ids.tolist()
    assert engine.poll(slow).status == "reading" and engine.poll(slow).trace is None and len(waits) == 1
    go.set()
    assert [finish(engine, job).status for job in (slow, too)] == ["done", "done"]
    assert sorted(engine._workers) == [False, True]
    engine.close()
    assert not any(worker.is_alive() for worker in engine._workers.values())


def test_while_a_model_is_read_other_texts_go_on_and_the_page_is_told_how_far_it_is():
    go = threading.Event()

    def load(name, report):
        if name == "large":
            for done in range(4):
                report(done, 4, f"tensor {done}")
                assert done < 3 or go.wait(20)
        return loaded()

    engine = Engine(load)
    engine.model("0")
    waiting, other = engine.submit("a", "large", request()), engine.submit("b", "0", request(3))
    assert finish(engine, other).trace.token_ids.tolist() == alone(request(3)).token_ids.tolist()
    until(lambda: engine.poll(waiting).message == "Loading large: 3 of 4 tensors …")
    assert engine.poll(waiting).status == "loading" and engine.poll(waiting).trace is None
    go.set()
    done = finish(engine, waiting)
    assert done.message == "" and done.trace.token_ids.tolist() == alone(request()).token_ids.tolist()
    engine.close()


def test_what_nobody_waits_for_is_not_read_to_its_end_and_a_failure_is_tried_again():
    go, ended, tries = threading.Event(), [], []

    def load(name, report):
        tries.append(name)
        if len(tries) == 2:
            raise OSError("the disk fell over")
        try:
            while len(tries) == 1:
                report(1, 2, "a tensor")
                go.wait(0.01)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        return loaded()

    engine = Engine(load)
    job = engine.submit("a", "large", request())
    until(lambda: engine.poll(job).status == "loading" and tries)
    engine.cancel(job)
    until(lambda: ended == ["TaskCancelled"])
    again = engine.submit("a", "large", request())
    failed = finish(engine, again)
    assert failed.status == "failed" and "the disk fell over" in failed.message
    engine.resume(again)
    assert finish(engine, again).trace.token_ids.tolist() == alone(request()).token_ids.tolist()
    engine.close()


def test_a_job_nobody_polls_is_let_go_and_can_be_resumed():
    now = [0.0]
    engine = Engine(lambda name, report: loaded(), limits=Limits(lease_seconds=120.0), clock=lambda: now[0])
    job = engine.submit("a", "0", request(n=200), paused=True)
    until(lambda: job.status == "paused")
    now[0] = 119.0
    engine.poll(job)
    now[0] = 238.0
    time.sleep(0.02)
    assert engine.poll(job).status == "paused"
    now[0] = 360.0
    engine.submit("b", "0", request())  # wakes the worker
    until(lambda: job.status == "expired")
    assert job.number not in engine._jobs
    progress = engine.poll(job)
    assert "120 seconds" in progress.message and len(progress.trace) == 5
    engine.resume(job, tokens=3)
    until(lambda: engine.poll(job).status == "paused" and len(engine.poll(job).trace) == 8)
    engine.close()


def test_pace_limits_the_speed(engine):
    job = engine.submit("a", "0", request(n=8), pace=50.0)
    started = time.monotonic()
    finish(engine, job)
    assert time.monotonic() - started >= 6 / 50  # the first of eight may come at any moment of a tick


def test_only_so_many_models_stay_loaded():
    names = []

    def load(name, report):
        names.append(name)
        return loaded(int(name))

    engine = Engine(load, limits=Limits(loaded_models=2))
    for name in ("0", "1", "0", "2", "0", "1"):
        engine.model(name)
    assert names == ["0", "1", "2", "1"]
    engine.close()


def test_a_task_reports_and_can_be_cancelled():
    go, told = threading.Event(), threading.Event()

    def work(report):
        report(1, 3, "first")
        told.set()
        go.wait(10)
        report(2, 3, "second")
        return "result"

    task = Task(work)
    assert told.wait(10) and (task.done, task.total, task.doing) == (1, 3, "first") and task.running
    go.set()
    task.join(10)
    assert task.result == "result" and not task.error
    go.clear()
    told.clear()
    stopped = Task(work)
    told.wait(10)
    stopped.cancel()
    go.set()
    stopped.join(10)
    assert stopped.result is None and stopped.error == "Cancelled."


def test_a_failing_task_is_a_sentence():
    def work(report):
        raise ValueError("the model is gone")

    task = Task(work)
    task.join(10)
    assert task.error == "the model is gone" and task.result is None
