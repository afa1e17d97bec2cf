"""The side of a replica: an engine that takes orders, and says what is new of the texts it writes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from mistral_core.serving.engine import Engine
from mistral_core.serving.job import ACTIVE, ENDED, Job, RefusalError
from mistral_core.serving.remote.wire import Ask, Bulletin, News, Order, Receipt, news_of

Command = Literal["pause", "resume", "cancel", "leave"]


class Replica:
    """An engine behind the wire.

    Args:
        name: of this replica, among all. clock: the engine's.
    """

    def __init__(self, engine: Engine, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine, self.name, self._clock = engine, name, clock
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def submit(self, order: Order) -> Receipt:
        """Takes an order; one that was taken already is not taken twice."""
        with self._lock:
            if order.key in self._jobs:
                return Receipt(at=self.name)
            again = max(0, order.known - len(order.request.prompt_ids))
            allowance = again + order.allowance
            try:
                job = self.engine.submit(
                    order.session,
                    order.model_name,
                    order.request,
                    pace=order.pace,
                    paused=allowance < math.inf,
                    hurry=order.known,
                )
                if 0 < allowance < math.inf:
                    self.engine.resume(job, allowance)
            except RefusalError as error:
                return Receipt(at=self.name, refused=str(error))
            self._jobs[order.key] = job
            return Receipt(at=self.name)

    def news(self, asks: Sequence[Ask]) -> Bulletin:
        """What is new of texts; looking at one renews its lease. One that has ended is let go with that."""
        with self._lock:
            jobs = {ask.key: self._jobs.get(ask.key) for ask in asks}
        told: list[News] = []
        for ask in asks:
            if (job := jobs[ask.key]) is not None:
                told.append(news_of(ask, self.engine.poll(job)))
        self._let_go({one.key for one in told if one.status in ENDED})
        steps = self.engine.figures.steps
        unknown = tuple(key for key, job in jobs.items() if job is None)
        return Bulletin(at=self.name, news=tuple(told), unknown=unknown, step=steps[-1] if steps else 0.0)

    def command(self, key: str, command: Command, goal: float = math.inf) -> bool:
        """Does to a text what a visitor wants; false = it is not written here.

        Args:
            goal: of "resume": tokens up to which it may be written. Counted from the text's start, because a text that
                is read again here may lack some that the front has.
        """
        with self._lock:
            job = self._jobs.get(key)
        if job is None:
            return False
        if command == "leave":
            self.engine.cancel(job)
            job.leave()
            with self._lock:
                self._jobs.pop(key, None)
            return True
        try:
            if command == "resume":
                read = job.run.n_read if job.run is not None else 0
                self.engine.resume(job, goal - max(read, len(job.request.prompt_ids)))
            else:
                {"pause": self.engine.pause, "cancel": self.engine.cancel}[command](job)
        except RefusalError:  # it closes: the text goes on elsewhere
            return False
        return True

    def said(self, name: str) -> str:
        """How tokens of a model's texts are read here."""
        return self.engine.step_said(name)

    def texts(self) -> int:
        """Texts that are being written here or wait: what autoscaling counts."""
        with self._lock:
            return sum(job.status in ACTIVE for job in self._jobs.values())

    def read(self) -> dict[str, int]:
        """Tokens that have been read of each text, by its key."""
        with self._lock:
            return {key: job.run.n_read for key, job in self._jobs.items() if job.run is not None}

    def _let_go(self, ended: Collection[str]) -> None:
        """Drops what the front has heard the end of, and what nobody has asked for during two leases.

        Should that answer be lost, the front asks for a text that is unknown here, and orders it again.
        """
        lost = self._clock() - 2 * self.engine.limits.lease_seconds
        with self._lock:
            for key, job in list(self._jobs.items()):
                if key in ended or job.polled < lost:
                    del self._jobs[key]
