"""A class through the engine: 1, 8 and 30 sessions, each with a text of its own, everything recorded.

Every session is a thread that polls as a page does. What is reported: tokens a second of all together and of each,
seconds until the first written token, milliseconds of a poll; and tokens a second of eight texts while 0, 1 and 30
others poll, which is what looking costs.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from mistral_core.compiled.choice import choose_step
from mistral_core.request import GenerationRequest
from mistral_core.serving.engine import Engine
from tests.bench import texts
from tests.bench.streams import latencies

WORDS = ("king", "queen", "girl", "boy", "dog", "cat", "house", "river", "mouse", "fox", "wolf", "bear", "tree")
EVERY = 0.05
"""Seconds between two polls of a session."""


def prompt(number: int) -> str:
    """A beginning of a pupil's own."""
    one, other = WORDS[number % 13], WORDS[(5 * number + 3) % 13]
    return f"Once upon a time a {one} met a {other}."


class Session:
    """One pupil: submits, polls, and notes when what came."""

    def __init__(self, engine: Engine, number: int, prompt_ids: Sequence[int], tokens: int) -> None:
        self.engine, self.number, self.n_prompt = engine, number, len(prompt_ids)
        self.request = GenerationRequest(
            prompt_ids=tuple(prompt_ids), max_new_tokens=tokens, sampling=texts.STORY, seed=number
        )
        self.first = self.ended = 0.0
        self.written = 0
        self.polls: list[float] = []
        self.problem = ""

    def visit(self) -> None:
        """Until its text has been written."""
        began = time.perf_counter()
        job = self.engine.submit(f"pupil {self.number}", "storyteller", self.request)
        while True:
            asked = time.perf_counter()
            progress = self.engine.poll(job)
            now = time.perf_counter()
            self.polls.append(now - asked)
            self.written = max(0, (len(progress.trace) if progress.trace is not None else 0) - self.n_prompt)
            self.first = self.first or (now - began if self.written else 0.0)
            if progress.status in ("done", "failed"):
                self.ended, self.problem = now - began, progress.message
                return
            time.sleep(EVERY)


def together(work: Sequence[Callable[[], None]]) -> None:
    """All at once, each in a thread of its own."""
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def classroom(count: int, tokens: int) -> dict[str, Any]:
    """So many sessions at once."""
    loaded = texts.bundled()
    engine = Engine(lambda name, report: loaded)
    engine.model("storyteller")
    sessions = [Session(engine, n, loaded.tokenizer.encode(prompt(n)), tokens) for n in range(count)]
    began = time.perf_counter()
    together([session.visit for session in sessions])
    seconds = time.perf_counter() - began
    engine.close()
    polls = [poll for session in sessions for poll in session.polls]
    return {
        "tokens_per_second": sum(session.written for session in sessions) / seconds,
        "of_each": statistics.median(session.written / session.ended for session in sessions),
        "first_token": latencies([1000 * session.first for session in sessions]),
        "poll": latencies([1000 * poll for poll in polls]),
        "problems": [session.problem for session in sessions if session.problem],
    }


def looked_at(pollers: int, tokens: int) -> float:
    """Tokens a second of eight texts that nobody looks at but `pollers` threads, which look at the first one."""
    loaded = texts.bundled()
    engine = Engine(lambda name, report: loaded)
    engine.model("storyteller")
    ids = tuple(loaded.tokenizer.encode("Once upon a time there was a king."))
    began, over = time.perf_counter(), threading.Event()
    jobs = [
        engine.submit(
            f"s{n}",
            "storyteller",
            GenerationRequest(prompt_ids=ids, max_new_tokens=tokens, sampling=texts.STORY, seed=n),
        )
        for n in range(8)
    ]

    def look() -> None:
        while not over.wait(EVERY):
            engine.poll(jobs[0])

    threads = [threading.Thread(target=look) for _ in range(pollers)]
    for thread in threads:
        thread.start()
    while any(job.status not in ("done", "failed") for job in jobs):
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    over.set()
    for thread in threads:
        thread.join()
    engine.close()
    return sum(job.run.n_read - len(ids) for job in jobs if job.run is not None) / seconds


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `classroom`, on the bundled model."""
    tokens = 60 if quick else 200
    classroom(1, 8)  # whatever is made once
    return {
        "sessions": {str(count): classroom(count, tokens) for count in (1, 8, 30)},
        "tokens_per_second_by_pollers": {str(count): looked_at(count, tokens) for count in (0, 1, 30)},
        "tokens_of_each": tokens,
        "seconds_between_polls": EVERY,
        "step": choose_step(texts.bundled().model).said,
    }
