"""One engine owns the models and serves many sessions: a token of every text in each round.

Sessions never call the model. They submit a request, poll its job, and may pause, step, resume or cancel it. A worker
thread goes round and round: all texts of a model that are being written get their next token from one pass over its
weights (`mistral_core.compiled`; without it, one after the other), and then a part of the long prompts is read, so
that none delays the others by more than a chunk. A text is the same bit for bit alone or beside others. A token of a
model of billions of weights takes as long as dozens of a small one, so such models have a worker of their own. Texts
beyond what the machine bears wait for a place, those of sessions that have none first. The interface is small on
purpose: a backend on another machine can take its place.

What can go wrong is part of the interface:

* a job that raises is marked "failed" with a sentence; its text stays, and `resume` continues it
  from the stored keys and values;
* a worker that died is started again by the next call;
* a job that nobody polled for `lease_seconds` leaves the engine ("expired"); whoever still holds
  it can read it and resume it.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mistral_core.analysis.accounting import parameter_count
from mistral_core.config import MistralConfig
from mistral_core.generation import Choice, ModelCard, Run, shared_beginning
from mistral_core.request import GenerationRequest
from mistral_core.serving.figures import Figures, Holding
from mistral_core.serving.job import ACTIVE, Job, Limits, Progress, RefusalError, Status
from mistral_core.serving.loading import Load, Models
from mistral_core.serving.places import Places, price_of
from mistral_core.trace.trace import RecordingPlan, Trace

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.compiled.reader import CompiledReader

HEAVY = 500_000_000
"""Parameters above which a model's texts are written by a worker of their own: a step takes some 200 ms and more."""
LOOK_AGAIN = 0.05
"""Seconds after which a worker with nothing else to do asks again for a model that is on its way, or for a place."""
PROMPT_TOKENS = 64
"""Of long prompts that are read in a round, and at least one chunk."""
SHORT = 24
"""Tokens of a prompt that is read one by one, with those that are written: thirty prompts take as long as a few."""


class Engine:
    """The worker threads, the loaded models and the jobs.

    Args:
        load: gives a model by name, and reports how far it is; called in a thread of its own.
        plan: what is recorded of every run (its budget is the limit's).
        clock: seconds; replaced in tests. alike: as of `choose_step`.

    Attributes:
        figures: what it has done since the start.
    """

    def __init__(
        self,
        load: Load,
        *,
        limits: Limits = Limits(),
        plan: RecordingPlan = RecordingPlan(),
        clock: Callable[[], float] = time.monotonic,
        alike: bool = False,
    ) -> None:
        self.limits, self._clock = limits, clock
        self._plan = RecordingPlan(hooks=plan.hooks, layers=plan.layers, budget_bytes=limits.trace_bytes)
        self._models = Models(load, limits.loaded_models, alike)
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)
        self._wake = threading.Condition()
        self._closed = False
        self._workers: dict[bool, threading.Thread] = {}
        self._places, self._rounds = Places(limits), 0
        self.figures = Figures()

    def submit(
        self,
        session: str,
        model_name: str,
        request: GenerationRequest,
        *,
        parent: Trace | None = None,
        pace: float | int = math.inf,
        paused: bool = False,
        hurry: int = 0,
    ) -> Job:
        """Takes a request.

        Args:
            session: whose limits count.
            parent: the Trace of a run whose beginning the request shares.
            pace: tokens per second at most.
            paused: read the prompt, then wait for `step` or `resume`.
            hurry: tokens before which no pace counts: the text was written up to there before, elsewhere.

        Raises:
            RefusalError: over a limit of this session, or the engine was closed.
        """
        self.limits.check(request)
        beginning = shared_beginning(parent, request)
        with self._wake:
            self.limits.check_places(session, self._active())
            job = Job(next(self._numbers), session, model_name, request, beginning, pace, hurry)
            job.allowance = 0 if paused else math.inf
            self._admit(job)
        return job

    def poll(self, job: Job) -> Progress:
        """Where the job is now, and renews its lease."""
        with self._wake:
            job.polled = self._clock()
            if job.status in ACTIVE:
                self._ensure_worker()
        status, message, run = job.status, job.message, job.run  # before the text: what ended has its last token
        reason = run.finish_reason if run is not None else "cancelled" if status == "done" else ""
        trace = run.trace() if run is not None and run.n_read else job.beginning
        return Progress(
            status=status,
            message=message,
            trace=trace,
            n_prompt=len(job.request.prompt_ids),
            finish_reason=reason,
            total=job.request.total,
            tokens_per_second=job.speed(),
        )

    def price(self, config: MistralConfig, total: int) -> int:
        """Bytes that a run of so many tokens will hold, as of `price_of`."""
        return price_of(self._plan, config, total)

    def held(self, job: Job) -> int:
        """Bytes that a job holds now; does not renew its lease."""
        if job.run is not None:
            return job.run.nbytes
        return 0 if job.beginning is None else job.beginning.nbytes

    def pause(self, job: Job) -> None:
        """Stops before the next token; the job can be resumed or stepped."""
        with self._wake:
            job.allowance = 0
            if job.status == "running":
                job.status = "paused"

    def resume(self, job: Job, tokens: float | int = math.inf) -> None:
        """Writes on: all that is left, or so many tokens. Also continues a failed or expired job."""
        with self._wake:
            if job.status == "done":
                return
            if job.status == "failed":
                job.begin_from_what_is_kept()
            job.allowance = tokens
            job.written_at.clear()
            if job.status not in ACTIVE:
                self._admit(job)
            self._wake.notify_all()

    def step(self, job: Job) -> None:
        """Writes one token, then waits."""
        self.resume(job, tokens=1)

    def cancel(self, job: Job) -> None:
        """Ends the job where it is; its text stays readable."""
        with self._wake:
            self._jobs.pop(job.number, None)
            if job.status not in ("done", "failed"):
                job.status = "done"
                if job.run is not None:
                    job.run.cancel()

    def close(self) -> None:
        """Stops the worker; jobs stay readable."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for worker in [*self._workers.values()]:
            worker.join(timeout=10)

    def _active(self) -> list[Job]:
        return [job for job in [*self._jobs.values()] if job.status in ACTIVE]

    def _admit(self, job: Job) -> None:
        if self._closed:
            raise RefusalError("the engine was closed; reload the page")
        job.status, job.message, job.polled = "queued", "", self._clock()
        self._jobs[job.number] = job
        self._ensure_worker()
        self._wake.notify_all()

    def _ensure_worker(self) -> None:
        for heavy in {job.heavy for job in self._active()}:
            worker = self._workers.get(heavy)
            if not self._closed and (worker is None or not worker.is_alive()):
                if worker is not None:  # it died, and left what it was doing half done
                    for job in [job for job in self._active() if job.heavy == heavy]:
                        job.begin_from_what_is_kept()
                name = "mistral-engine-heavy" if heavy else "mistral-engine"
                worker = threading.Thread(target=self._work, args=(heavy,), name=name, daemon=True)
                self._workers[heavy] = worker
                worker.start()

    def _work(self, heavy: bool) -> None:
        while True:
            with self._wake:
                self._let_go()
                active = self._active()
                self._models.forget_all_but({job.model_name for job in active})
                jobs = [job for job in active if job.heavy == heavy]
                now = self._clock()
                due = [job for job in jobs if job.due <= now]
                if self._closed:
                    return
                if not due:
                    soonest = min((job.due - now for job in jobs), default=1.0)
                    self._wake.wait(timeout=min(max(soonest, 0.001), 1.0))
                    continue
            if not self._round(due):  # they all wait for a model
                with self._wake:
                    self._wake.wait(timeout=LOOK_AGAIN)
            del active, jobs, due  # what has ended is held by nobody while the worker waits

    def _round(self, due: list[Job]) -> bool:
        """A token of each text that is being written, and some of the prompts; whether any went on."""
        self._rounds += 1
        went_on, left = False, PROMPT_TOKENS
        together: dict[CompiledReader, list[Job]] = {}
        for job in sorted(due, key=lambda job: (job.served, job.number)):
            if (reader := self._reader(job)) is not None:
                together.setdefault(reader, []).append(job)
                continue
            begins = job.run is None or job.run.n_read < job.run.n_prompt
            if begins and left <= 0:
                went_on = True  # in the next round, before those that were served in this one
                continue
            before = 0 if job.run is None else job.run.n_read
            went_on |= self._advance(job)
            left -= job.run.n_read - before if begins and job.run is not None else 0
        for reader, jobs in together.items():
            self._write(reader, jobs)
        return went_on or bool(together)

    def _reader(self, job: Job) -> CompiledReader | None:
        """What reads the next token of a text together with those of others, if there is one and it can be."""
        run = job.run
        if run is None or run.finish_reason:
            return None
        if run.n_prompt > SHORT if run.n_read < run.n_prompt else job.allowance <= 0:
            return None
        step = self._models.step_of(run.model)
        return step.reader if step is not None and step.reader is not None and step.reader.suits(run) else None

    def _write(self, reader: CompiledReader, jobs: list[Job]) -> None:
        """The next token of each, read at once; what fails ends one job and no other."""
        began = time.perf_counter()
        chosen: list[tuple[Job, Run, Choice | int]] = []
        for job in jobs:
            with self._ends_if_it_fails(job):
                if (run := job.run) is not None:
                    reads = run.n_read < run.n_prompt
                    self._settle(job, "reading" if reads else "running")
                    chosen.append((job, run, run.next_of_prompt() if reads else run.choose()))
                    if not reads:
                        self._spend(job)
        tokens = [choice if isinstance(choice, int) else choice.token for _, _, choice in chosen]
        try:
            logits = reader.read([run for _, run, _ in chosen], tokens)
        except Exception as error:  # of one it may be, and of which nobody knows: all can be resumed
            for job, _, _ in chosen:
                job.fail(error)
            return
        for (job, run, choice), row in zip(chosen, logits, strict=True):
            with self._ends_if_it_fails(job):
                if isinstance(choice, int):
                    run.prompt_was_read(row, began)
                else:
                    run.was_read(choice, row, began)
                    self._has_written(job)
                self._settle_after(job, run)
        self.figures.steps.append(time.perf_counter() - began)

    def _let_go(self) -> None:
        """Drops jobs that ended, and those whose session has gone."""
        for number, job in list(self._jobs.items()):
            if job.status in ("done", "failed"):
                del self._jobs[number]
            elif self._clock() - job.polled > self.limits.lease_seconds:
                del self._jobs[number]
                job.expire(self.limits.lease_seconds)

    def _advance(self, job: Job) -> bool:
        """One chunk of the prompt, or one token; a failure ends this job and no other.

        Returns:
            whether there was anything to do but wait for its model, or for a place.
        """
        with self._ends_if_it_fails(job):
            started = job.run is None
            run = job.run = job.run or self._start(job)
            if run is None:
                return False
            job.served = self._rounds
            if started and not job.heavy and parameter_count(run.model.config)["total"] > HEAVY:
                self._hand_on(job)
                return True
            if started and self._reader(job) is not None:
                return True  # from the next round on, with the others
            if run.n_read < run.n_prompt:
                self._settle(job, "reading")
                next(run.prefill())
            elif not run.finish_reason and job.allowance > 0:
                self._settle(job, "running")
                self._spend(job)
                run.step()
                self._has_written(job)
            self._settle_after(job, run)
        return True

    def _spend(self, job: Job) -> None:
        """A token of what may be written, before it is seen: a step that is asked for then is one more."""
        with self._wake:
            job.allowance -= 1

    def _has_written(self, job: Job) -> None:
        job.served = self._rounds
        self.figures.tokens += 1
        job.written_at.append(self._clock())
        job.due = job.next_due(self._clock())

    def _settle_after(self, job: Job, run: Run) -> None:
        with self._wake:  # a step that is asked for while it is settled is not lost
            if run.finish_reason:
                self._settle(job, "done")
            elif run.n_read >= run.n_prompt and job.allowance <= 0:
                self._settle(job, "paused")

    @contextmanager
    def _ends_if_it_fails(self, job: Job) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the worker must outlive any job
            if job.status not in ACTIVE:  # cancelled while it was being advanced
                return
            job.fail(error)

    def _hand_on(self, job: Job) -> None:
        """Leaves a job to the worker for heavy models."""
        with self._wake:
            job.heavy = True
            self._ensure_worker()
            self._wake.notify_all()

    def _settle(self, job: Job, status: Status) -> None:
        with self._wake:
            if job.status in ACTIVE or status == "done":
                job.status = status

    def _start(self, job: Job) -> Run | None:
        """The run, once its model is there and there is a place; until then the job looks again every now and then."""
        self._settle(job, "loading")
        loaded = self._models.ready(job.model_name)
        job.message = "" if loaded is not None else self._models.how_far(job.model_name)
        job.ready = loaded is not None
        if loaded is None:
            return None
        if waits := self._places.why_not(job, self.price(loaded.config, job.request.total), self._active()):
            self._settle(job, "queued")
            job.message = waits
            return None
        card = ModelCard(name=loaded.name, hash=loaded.model_hash)
        parent = job.beginning if job.beginning is not None and job.beginning.model_hash == loaded.model_hash else None
        run = Run(loaded.model, loaded.tokenizer, job.request, plan=self._plan, card=card, parent=parent)
        self._places.takes(run)
        return run

    def holding(self) -> Holding:
        """What it holds now."""
        with self._wake:
            active = self._active()
        writing = sum(job.run is not None for job in active)
        return Holding(writing=writing, waiting=len(active) - writing, nbytes=self._places.nbytes)

    def step_said(self, name: str) -> str:
        """How tokens of a model's texts are read, as a sentence; "" = it is not in memory."""
        return self._models.step_said(name)

    def model(self, name: str) -> LoadedModel:
        """The model called `name`, read now if need be; the least used one is let go over the limit."""
        return self._models.get(name)
