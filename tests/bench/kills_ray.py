"""`kill -9` of a replica at random moments of a text: what was lost, and how long it took.

Each time three texts are written at the pace of a reader, looked at twenty times a second, and the replica of the
first is killed. Counted are, of each text that it was writing: tokens that the visitor had seen and that were gone
afterwards; steps that were made and not fetched yet, and so were made again; whether the whole text is, to the bit,
the one that is written undisturbed; seconds until the next token.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from mistral_core.request import GenerationRequest
from mistral_core.serving.engine import Engine
from tests.bench import machine, texts

MODEL, TOKENS, PACE, EVERY = "storyteller", 160, 60.0, 0.05


def kills(engine: Any, count: int) -> dict[str, Any]:
    """So many kills through an engine of Ray's replicas, the table and its sums."""
    loaded = engine.model(MODEL)
    ids = tuple(loaded.tokenizer.encode(texts.PROMPT))
    alone = Engine(lambda name, report: loaded, alike=True)
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        requests = [
            GenerationRequest(prompt_ids=ids, max_new_tokens=TOKENS, sampling=texts.STORY, seed=3 * number + i)
            for i in range(3)
        ]
        rows += one_kill(engine, alone, requests, float(rng.uniform(0.05, 2.5)))
        await_replicas(engine, 2)
    alone.close()
    seconds = [row["seconds_to_next_token"] for row in rows if row["seconds_to_next_token"] is not None]
    return {
        "kills": count,
        "texts_hit": len(rows),
        "tokens_seen_and_lost": sum(row["seen_and_lost"] for row in rows),
        "steps_made_again": {"total": sum(row["steps_again"] for row in rows), "of_one_most": most(rows)},
        "texts_equal_afterwards": sum(row["equal"] for row in rows),
        "texts_failed": sum(row["status"] != "done" for row in rows),
        "seconds_to_next_token": {
            "median": round(float(np.median(seconds)), 2),
            "p95": round(float(np.quantile(seconds, 0.95)), 2),
            "max": round(max(seconds), 2),
        },
        "load_average": machine.load_average(),
        "rows": rows,
    }


def most(rows: list[dict[str, Any]]) -> int:
    """Steps that one text had to make again, at most."""
    return max(row["steps_again"] for row in rows)


def await_replicas(engine: Any, count: int) -> None:
    """Until so many answer again, with the model in memory."""
    until = time.monotonic() + 90
    while len(engine._transport.everybody("about")) < count:
        if time.monotonic() > until:
            raise RuntimeError(f"{count} replicas did not answer within 90 seconds")
        time.sleep(0.2)
    engine._transport.everybody("warm", MODEL)


def one_kill(engine: Any, alone: Engine, requests: list[Any], wait: float) -> list[dict[str, Any]]:
    """A row for each text that the killed replica was writing."""
    jobs = [engine.submit(f"visitor {request.seed}", MODEL, request, pace=PACE) for request in requests]
    began = time.monotonic()
    while time.monotonic() - began < wait or not jobs[0].at:
        look(engine, jobs)
    answers = {one["at"]: one for one in engine._transport.everybody("about")}
    victim = answers[jobs[0].at]
    hit = [job for job in jobs if job.at == victim["at"] and job.status != "done"]
    made = {job: victim["read"].get(job.key, 0) for job in hit}  # asked a call before the kill, some 5 ms
    seen = {job: job.growing.tokens for job in hit}
    os.kill(victim["pid"], signal.SIGKILL)
    killed = time.monotonic()
    after: dict[Any, float] = {}
    while any(job.status not in ("done", "failed") for job in jobs) and time.monotonic() - killed < 60:
        look(engine, jobs)
        for job in hit:
            if job not in after and job.growing.n > len(seen[job]):
                after[job] = time.monotonic() - killed
    return [row_of(engine, alone, job, seen[job], made[job], after.get(job), wait) for job in hit]


def row_of(
    engine: Any, alone: Engine, job: Any, seen: tuple[int, ...], made: int, after: float | None, wait: float
) -> dict[str, Any]:
    """What became of one text."""
    expected, trace = undisturbed(alone, job.request), engine.poll(job).trace
    rows = all(np.array_equal(trace[name], array) for name, array in expected.arrays.items())
    same = trace.text == expected.text and np.array_equal(trace.probability, expected.probability, equal_nan=True)
    stayed = sum(a == b for a, b in zip(seen, trace.token_ids.tolist(), strict=False))
    return {
        "after_seconds": round(wait, 2),
        "tokens_seen": len(seen),
        "seen_and_lost": len(seen) - stayed,
        "steps_again": max(0, made - len(seen)),
        "equal": bool(same and rows),
        "status": job.status,
        "seconds_to_next_token": None if after is None else round(after, 3),
    }


def look(engine: Any, jobs: list[Any]) -> None:
    """As pages do."""
    for job in jobs:
        engine.poll(job)
    time.sleep(EVERY)


def undisturbed(alone: Engine, request: GenerationRequest) -> Any:
    """The Trace of a text that nothing happens to."""
    job = alone.submit("alone", MODEL, request)
    while alone.poll(job).status != "done":
        time.sleep(0.002)
    return alone.poll(job).trace
