"""Many sessions on one engine: each text is the one that is written alone, and what is too much waits or is refused."""

import numpy as np
import pytest

from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.save import save_mistral
from mistral_core.compiled.reader import CompiledReader
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.serving.engine import PROMPT_TOKENS, Engine
from mistral_core.serving.job import Job, Limits, RefusalError
from mistral_core.serving.places import Places
from tests.model.serving.test_engine import CONFIG, finish, loaded, request, until

SAMPLING = SamplingSettings(temperature=1.0, top_p=0.95)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Loaded from files, so that the compiled step reads it."""
    folder = tmp_path_factory.mktemp("class") / "m"
    save_mistral(random_model(CONFIG, seed=4, std=0.3), folder, bundled_root() / "storyteller" / "tokenizer.model")
    return load_model(folder)


def asked(seed: int) -> GenerationRequest:
    rng = np.random.default_rng(seed)
    prompt = (1, *rng.integers(3, 4096, int(rng.integers(1, 40))).tolist())
    return GenerationRequest(
        prompt_ids=prompt, max_new_tokens=int(rng.integers(1, 20)), sampling=SAMPLING, seed=seed, chunk_size=16
    )


def written(engine, jobs):
    until(lambda: all(job.status in ("done", "failed") for job in jobs), 60)
    return [engine.poll(job).trace for job in jobs]


@pytest.mark.slow
def test_a_thousand_texts_beside_random_neighbours_are_those_that_are_written_alone(model):
    """Bit for bit: tokens, and every recorded tensor of every tenth. 40 texts, each alone, then 25 times among others."""
    engine = Engine(lambda name, report: model)
    said = engine.step_said("m"), engine.model("m"), engine.step_said("m")
    assert said[0] == "" and "compiled code" in said[2]
    alone = []
    for seed in range(40):
        alone += written(engine, [engine.submit("a", "m", asked(seed))])
    rng, compared = np.random.default_rng(0), 0
    while compared < 1000:
        order = rng.permutation(40)[: int(rng.integers(2, 31))]
        jobs = [engine.submit(f"s{seed}", "m", asked(int(seed))) for seed in order]
        for seed, trace in zip(order, written(engine, jobs), strict=True):
            assert trace.token_ids.tolist() == alone[seed].token_ids.tolist(), seed
            assert np.array_equal(trace.probability, alone[seed].probability, equal_nan=True)
            if compared % 10 == 0:
                assert all(np.array_equal(trace.arrays[name], array) for name, array in alone[seed].arrays.items())
            compared += 1
    engine.close()


def test_a_round_reads_every_text_once_and_a_bounded_part_of_the_prompts(model):
    """A prompt of 900 tokens among seven texts: between two of their tokens at most a few chunks of it are read."""
    engine = Engine(lambda name, report: model)
    engine.model("m")
    read = []
    short = [engine.submit(f"s{n}", "m", request(n, n=400)) for n in range(7)]
    until(lambda: all(job.status == "running" for job in short))
    real = engine._round

    def noted(due):
        before = [job.run.n_read if job.run else 0 for job in (*short, long)]
        went_on = real(due)
        after = [job.run.n_read if job.run else 0 for job in (*short, long)]
        read.append(np.subtract(after, before).tolist())
        return went_on

    with engine._wake:
        long = engine.submit(
            "long", "m", GenerationRequest(prompt_ids=(1,) + (300,) * 899, max_new_tokens=1, sampling=SAMPLING)
        )
        engine._round = noted
    written(engine, [*short, long])
    engine.close()
    reading = [row for row in read if row[-1] > 1]
    assert len(reading) >= 900 // (PROMPT_TOKENS + 256)
    assert all(row[-1] <= 256 and max(row[:-1], default=0) <= 1 for row in reading)
    assert any(row[0] == 1 for row in reading), "the others go on meanwhile"


def test_more_texts_than_places_wait_their_turn_and_are_told():
    engine = Engine(lambda name, report: loaded(), limits=Limits(rows=2, queue=2))
    writing = [engine.submit(f"s{n}", "0", request(n, n=2000), pace=20.0) for n in range(2)]
    until(lambda: all(job.run is not None for job in writing))
    third, fourth = engine.submit("c", "0", request(2)), engine.submit("s1", "0", request(3))
    until(lambda: "number 1" in engine.poll(third).message and "number 2" in engine.poll(fourth).message)
    told = engine.poll(third)
    assert told.status == "queued" and told.trace is None
    assert told.message == "2 texts are being written here; this one waits for a place, and is number 1."
    with pytest.raises(RefusalError, match="4 texts are being written here or wait for a place"):
        engine.submit("d", "0", request(4))
    engine.cancel(writing[0])
    assert len(finish(engine, third).trace) > 5, "it comes when there is a place"
    assert len(finish(engine, fourth).trace) > 5
    engine.close()


def test_a_session_that_has_none_comes_first(model):
    places = Places(Limits(rows=2))
    jobs = [Job(number, session, "m", request(), None, 1.0) for number, session in enumerate("aab")]
    for job in jobs:
        job.ready = True
    jobs[0].run = Run(model.model, model.tokenizer, request())
    assert [places.why_not(job, 0, jobs)[-12:] for job in jobs[1:]] == ["is number 1.", ""]


def test_bytes_of_all_texts_are_bounded_and_given_back():
    engine = Engine(lambda name, report: loaded())
    price = engine.price(CONFIG, 2005)
    engine.close()
    engine = Engine(lambda name, report: loaded(), limits=Limits(server_bytes=int(1.5 * price)))
    first = engine.submit("a", "0", request(n=2000), pace=20.0)
    until(lambda: first.run is not None)
    second = engine.submit("b", "0", request(1, n=1900))
    until(lambda: "waits until others are closed" in engine.poll(second).message)
    assert engine.poll(second).status == "queued"
    engine.cancel(first)
    engine.poll(first)
    assert engine._places.nbytes >= price * 0.9, "its text is still held"
    del first
    until(lambda: engine.poll(second).status in ("running", "done"))
    assert engine._places.nbytes < 1.5 * price
    engine.close()
    tight = Engine(lambda name, report: loaded(), limits=Limits(server_bytes=1000))
    refused = finish(tight, tight.submit("a", "0", request()))
    assert refused.status == "failed" and "make it shorter" in refused.message
    tight.close()


def test_a_text_that_fails_ends_alone(model, monkeypatch):
    engine = Engine(lambda name, report: model)
    jobs = [engine.submit(f"s{n}", "m", request(n, n=30), paused=True) for n in range(3)]
    until(lambda: all(job.status == "paused" for job in jobs))

    def fails():
        raise RuntimeError("a bit fell over")

    monkeypatch.setattr(jobs[1].run, "choose", fails)
    for job in jobs:
        engine.resume(job)
    ends = [finish(engine, job) for job in jobs]
    assert [end.status for end in ends] == ["done", "failed", "done"]
    assert ends[1].message.startswith("The engine stopped at token 5 (a bit fell over)") and len(ends[1].trace) == 5
    engine.resume(jobs[1])
    assert len(finish(engine, jobs[1]).trace) == 35
    engine.close()


def test_a_round_that_fails_ends_its_texts_and_each_goes_on_as_it_would_have(model, monkeypatch):
    engine = Engine(lambda name, report: model)
    engine.model("m")
    alone = written(engine, [engine.submit(f"a{seed}", "m", request(seed, n=40)) for seed in range(3)])
    real, rounds = CompiledReader.read, []

    def read(reader, runs, tokens):
        rounds.append(len(runs))
        if len(rounds) == 20:
            raise MemoryError("no room")
        return real(reader, runs, tokens)

    monkeypatch.setattr(CompiledReader, "read", read)
    jobs = [engine.submit(f"s{seed}", "m", request(seed, n=40)) for seed in range(3)]
    written(engine, jobs)
    failed = [job for job in jobs if job.status == "failed"]
    assert failed and all("no room" in engine.poll(job).message for job in failed)
    for job in failed:
        engine.resume(job)
    for trace, other in zip(written(engine, jobs), alone, strict=True):
        assert trace.token_ids.tolist() == other.token_ids.tolist()
        assert all(np.array_equal(trace.arrays[name], array) for name, array in other.arrays.items())
    assert "MemoryError" not in engine.poll(jobs[0]).message
    engine.close()


def test_a_step_that_is_asked_for_while_the_last_one_is_seen_is_one_more(model):
    engine = Engine(lambda name, report: model)
    job = engine.submit("a", "m", request(n=40), paused=True)
    until(lambda: engine.poll(job).status == "paused")
    for n in range(6, 46):
        engine.step(job)
        until(lambda n=n: (trace := engine.poll(job).trace) is not None and len(trace) == n)  # the status may be behind
    until(lambda: engine.poll(job).status == "done")
    engine.close()
