"""The side of the pages: an engine that has replicas write, and holds what they wrote.

What a visitor has seen lies here, tokens and recorded rows. So a replica that dies takes nothing of it with it: the
run is ordered again elsewhere, with the tokens that are here already set. They are read in the same way as they were
when they were drawn, draws are functions of (seed, position), and the text goes on to the same letters. What was
written there and not fetched yet is written again, and is the same too.

A look at one text asks for the news of all that its replica writes, at most every `FRESH` seconds: thirty pages that
look twenty times a second cost twenty calls, not six hundred.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from mistral_core.config import MistralConfig
from mistral_core.generation import shared_beginning
from mistral_core.request import GenerationRequest
from mistral_core.serving.figures import Figures, Holding
from mistral_core.serving.interface import WritingEngine
from mistral_core.serving.job import ACTIVE, ENDED, Job, Limits, Progress, RefusalError
from mistral_core.serving.loading import Load, Models
from mistral_core.serving.places import price_of
from mistral_core.serving.remote.growing import Growing
from mistral_core.serving.remote.replica import Command
from mistral_core.serving.remote.transport import GoneError, SilentError, Transport
from mistral_core.serving.remote.wire import Ask, Bulletin, News, Order
from mistral_core.trace.trace import RecordingPlan, Trace

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel

FRESH = 0.04
"""Seconds for which news of a replica are not asked for again."""
LOOKED_AT = 1.0
"""Seconds after a look during which a text's news are fetched with those of others."""
AGAIN = 0.25
"""Seconds after which a text that found no replica looks for one again."""
ELSEWHERE = "The process that wrote this text is gone; another one takes over, and goes on where it was."
NOBODY = "No process that writes texts answers just now; this one goes on as soon as one does."
SILENT = "The process that writes this text does not answer just now."


class RemoteJob(Job):
    """A text that is written elsewhere. Made and changed by `RemoteEngine` only."""

    def __init__(
        self, number: int, session: str, model_name: str, request: GenerationRequest, parent: Trace | None, pace: float
    ) -> None:
        super().__init__(number, session, model_name, request, parent, pace)
        self.growing = Growing(request, parent)
        self.key = self.at = ""  # of the order, and of the replica that has it
        self.goal = math.inf  # tokens up to which it may be written
        self.lost, self.tried = 0, -math.inf  # times that its replica was gone; when it looked for one last
        self.placing = threading.Lock()
        self.rate = math.nan
        self.commands = 0  # that a replica has done: news from before the last one say where it was, not where it is
        self.on_leave: Callable[[RemoteJob], None] = lambda job: None

    def leave(self) -> None:
        super().leave()
        self.on_leave(self)

    def lose(self, message: str = "") -> None:
        """No replica has it any more; what is left to do is ordered anew, at once. Nobody else says that it rests."""
        self.key, self.at, self.lost, self.tried = "", "", self.lost + 1, -math.inf
        if self.status in ACTIVE:
            self.status, self.message = ("queued", message) if self.wants else ("paused", "")

    @property
    def wants(self) -> bool:
        """Whether there is anything left to do for a replica."""
        unread = self.growing.n < len(self.request.prompt_ids)
        return self.status not in ENDED and (unread or self.goal > self.growing.n)


class _Line:
    """The way to one replica, and the texts that it writes."""

    def __init__(self, at: str) -> None:
        self.at, self.asked = at, -math.inf
        self.lock = threading.Lock()  # one call for news at a time
        self.jobs: weakref.WeakSet[RemoteJob] = weakref.WeakSet()


class RemoteEngine(WritingEngine):
    """The methods of `Engine`, for texts that are written by replicas.

    Args:
        load: gives models by name, for what is measured in this process.
        transport: reaches the replicas.
        limits, plan: as of the replicas' engines; here they say what a text will hold.
        clock: seconds; replaced in tests.

    Attributes:
        figures: tokens that came, and the last step of a replica with each bulletin.
    """

    def __init__(
        self,
        load: Load,
        transport: Transport,
        *,
        limits: Limits = Limits(),
        plan: RecordingPlan = RecordingPlan(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self.figures, self._clock, self._transport = limits, Figures(), clock, transport
        self._plan = RecordingPlan(hooks=plan.hooks, layers=plan.layers, budget_bytes=limits.trace_bytes)
        self._models = Models(load, limits.loaded_models)
        self._jobs: weakref.WeakSet[RemoteJob] = weakref.WeakSet()
        self._lines: dict[str, _Line] = {}
        self._state = threading.RLock()  # never held during a call
        self._number = 0

    def submit(
        self,
        session: str,
        model_name: str,
        request: GenerationRequest,
        *,
        parent: Trace | None = None,
        pace: float | int = math.inf,
        paused: bool = False,
    ) -> Job:
        """Orders a text; where no replica answers, it waits for one.

        Raises:
            RefusalError: over a limit.
        """
        self.limits.check(request)
        parent = shared_beginning(parent, request)
        with self._state:
            self._number += 1
            job = RemoteJob(self._number, session, model_name, request, parent, float(pace))
            job.goal = 0.0 if paused else math.inf
            job.polled = self._clock()
            job.on_leave = self._left
            self._jobs.add(job)
        self._place(job)
        if job.status == "failed":
            raise RefusalError(job.message)
        return job

    def poll(self, job: Job) -> Progress:
        """Where the job is now, and renews its lease; one call to its replica, for all that it writes."""
        job = _ours(job)
        self._age()
        job.polled = self._clock()
        if not self._settled(job):
            self._look(job)
            if not job.at:
                self._place(job)
        trace = job.growing.trace()
        return Progress(
            status=job.status,
            message=job.message,
            trace=trace,
            n_prompt=len(job.request.prompt_ids),
            finish_reason=job.growing.finish_reason or ("cancelled" if job.status == "done" else ""),
            total=job.request.total,
            tokens_per_second=job.rate if job.status == "running" else math.nan,
        )

    def pause(self, job: Job) -> None:
        """Stops before the next token; the job can be resumed or stepped."""
        job = _ours(job)
        job.goal = 0.0
        if not self._tell(job, "pause") and job.status in ACTIVE and not job.wants:
            job.status, job.message = "paused", ""

    def resume(self, job: Job, tokens: float | int = math.inf) -> None:
        """Writes on: all that is left, or so many tokens. Also continues a failed or expired job."""
        job = _ours(job)
        if job.status == "done":
            return
        job.goal = max(job.growing.n, len(job.request.prompt_ids)) + float(tokens)
        if not self._tell(job, "resume", job.goal):
            job.status, job.tried = "queued", -math.inf
            self._place(job)
        elif job.status not in ACTIVE:
            job.status = "queued"

    def step(self, job: Job) -> None:
        """Writes one token, then waits."""
        self.resume(job, tokens=1)

    def cancel(self, job: Job) -> None:
        """Ends the job where it is; its text stays readable."""
        job = _ours(job)
        if job.status in ("done", "failed"):
            return
        job.polled = self._clock()
        if self._tell(job, "cancel"):
            self._look(job)  # what it wrote meanwhile, and the end of the last character
        if job.status not in ("done", "failed"):
            job.status, job.growing.finish_reason = "done", "cancelled"

    def held(self, job: Job) -> int:
        """Bytes that a job holds here; does not renew its lease."""
        return _ours(job).growing.nbytes

    def price(self, config: MistralConfig, total: int) -> int:
        """Bytes that a run of so many tokens will hold, as of `price_of`."""
        return price_of(self._plan, config, total)

    def holding(self) -> Holding:
        """What this front has its replicas write now, and the bytes of all texts that lie here."""
        with self._state:
            jobs = list(self._jobs)
        active = [job for job in jobs if job.status in ACTIVE]
        writing = sum(job.status in ("reading", "running") for job in active)
        nbytes = sum(job.growing.nbytes for job in jobs)
        return Holding(writing=writing, waiting=len(active) - writing, nbytes=nbytes)

    def step_said(self, name: str) -> str:
        """How tokens of a model's texts are read where they are written; "" = it is in no memory yet."""
        with self._state:
            there = {job.at for job in self._jobs if job.model_name == name}
        try:
            return self._transport.said(max(there, default=""), name)
        except (GoneError, SilentError):
            return ""

    def model(self, name: str) -> LoadedModel:
        """The model called `name` in this process, where measurements are made."""
        return self._models.get(name)

    def close(self) -> None:
        """Lets go of what is being written; texts stay readable."""
        with self._state:
            jobs = list(self._jobs)
        for job in jobs:
            self._left(job)

    def _settled(self, job: RemoteJob) -> bool:
        return job.status in ("done", "failed")

    def _age(self) -> None:
        """A text that nobody looked at for a lease is not being written any more, whatever was last heard of it."""
        before = self._clock() - self.limits.lease_seconds
        with self._state:
            for job in list(self._jobs):
                if job.status in ACTIVE and job.polled < before:
                    job.goal = 0.0
                    job.expire(self.limits.lease_seconds)

    def _place(self, job: RemoteJob) -> None:
        """Orders a text that no replica has, with the tokens that are here."""
        with job.placing:
            if job.at or not job.wants or self._clock() - job.tried < AGAIN:
                return
            job.tried = self._clock()
            order = self._order(job)
            try:
                receipt = self._transport.submit(order)
            except (GoneError, SilentError):
                job.status, job.message = "queued", NOBODY
                return
            with self._state:
                if receipt.refused:  # one that was taken before waits until there is room for it
                    job.status, job.message = "queued" if job.lost else "failed", receipt.refused
                    return
                job.at = receipt.at
                line = self._lines.setdefault(receipt.at, _Line(receipt.at))
                line.jobs.add(job)

    def _order(self, job: RemoteJob) -> Order:
        """What is written already is forced, so that it is read and not drawn again: then the rest follows alike."""
        tokens, request = job.growing.tokens, job.request
        first = len(request.prompt_ids)
        written = {position: tokens[position] for position in range(first, len(tokens))}
        job.key = job.key or uuid4().hex  # the same one after an order that may have been heard
        return Order(
            key=job.key,
            session=job.session,
            model_name=job.model_name,
            request=replace(request, forced=tuple((dict(request.forced) | written).items())),
            known=len(tokens) if written else 0,
            pace=job.pace,
            allowance=max(0.0, job.goal - max(first, len(tokens))),
        )

    def _look(self, job: RemoteJob) -> None:
        with self._state:
            line = self._lines.get(job.at)
        if line is not None:
            self._refresh(line, job)

    def _refresh(self, line: _Line, asking: RemoteJob) -> None:
        """The news of all texts of a replica that are looked at; what it lost is without a replica afterwards."""
        with line.lock:
            now = self._clock()
            if now - line.asked < FRESH:
                return
            with self._state:
                jobs = {
                    job.key: job
                    for job in list(line.jobs)
                    if job.at == line.at
                    and not self._settled(job)
                    and (job is asking or now - job.polled < LOOKED_AT)  # it may have waited for the lock
                }
                asks = [
                    Ask(key=key, have=job.growing.n, named=job.growing.head is not None) for key, job in jobs.items()
                ]
                commands = {key: job.commands for key, job in jobs.items()}
            if not asks:
                return
            try:
                bulletin = self._transport.news(line.at, asks)
            except GoneError:
                self._gone(line)
            except SilentError:
                for job in jobs.values():
                    job.message = SILENT
            else:
                self._heard(line, {key: job for key, job in jobs.items() if job.key == key}, bulletin, commands)
            line.asked = self._clock()

    def _heard(self, line: _Line, jobs: dict[str, RemoteJob], bulletin: Bulletin, commands: dict[str, int]) -> None:
        """What a replica said, of texts that it was not told anything about meanwhile; the end of one counts always."""
        if bulletin.at != line.at:  # its own replica is not there any more, and another one answered
            self._gone(line)
            return
        if bulletin.step:
            self.figures.steps.append(bulletin.step)
        with self._state:
            came = [(jobs[news.key], news) for news in bulletin.news if news.key in jobs]
            current = [one for one in came if one[0].commands == commands[one[1].key] or one[1].status in ENDED]
            strange = [job for job, news in current if not self._take(job, news)]
            for key in jobs.keys() & set(bulletin.unknown):
                jobs[key].lose(ELSEWHERE)
        for job in strange:
            self._afresh(job)

    def _gone(self, line: _Line) -> None:
        """Its texts look for another replica: those that are being written, when their page looks next."""
        with self._state:
            self._lines.pop(line.at, None)
            for job in list(line.jobs):
                if job.at == line.at:
                    job.lose(ELSEWHERE)

    def _take(self, job: RemoteJob, news: News) -> bool:
        """What came of a text; false = it does not follow what is here."""
        if not job.growing.fits(news):
            return False
        self.figures.tokens += job.growing.take(news)
        job.status, job.rate = news.status, news.tokens_per_second
        behind = news.start + len(news.token_ids) < job.growing.n
        job.message = news.message or (ELSEWHERE if behind and job.lost and news.status in ACTIVE else "")
        return True

    def _afresh(self, job: RemoteJob) -> None:
        """Other weights under this name, or a parent that lacks something: the text is asked for from its start."""
        self._tell(job, "leave")
        job.growing = Growing(job.request)
        job.lose()

    def _tell(self, job: RemoteJob, command: Command, goal: float = math.inf) -> bool:
        """Passes a command on; false = nobody has this text."""
        if not job.at:
            return False
        line = self._lines.get(job.at)
        try:
            there = self._transport.command(job.at, job.key, command, goal)
        except GoneError:
            there = False
        except SilentError:
            job.message = SILENT
            return True
        job.commands += 1
        if line is not None:
            line.asked = -math.inf  # what comes next is news
        if not there:
            job.lose(ELSEWHERE)
        return there

    def _left(self, job: RemoteJob) -> None:
        if job.at and not self._settled(job):
            self._tell(job, "leave")
        job.at = ""


def _ours(job: Job) -> RemoteJob:
    if not isinstance(job, RemoteJob):
        raise ValueError(f"text {job.number} was submitted to another engine; submit it to this one")
    return job
