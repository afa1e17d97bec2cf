"""What a session asks for and what it is told: a request on its way, its limits, where it is.

Made and changed by the engine alone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from mistral_core.failure import place
from mistral_core.generation import Run
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import Trace

PACKAGE = __name__.partition(".")[0]
Status = Literal["queued", "loading", "reading", "running", "paused", "done", "failed", "expired"]
ACTIVE: frozenset[Status] = frozenset({"queued", "loading", "reading", "running"})
ENDED: frozenset[Status] = frozenset({"done", "failed", "expired"})


class RefusalError(ValueError):
    """A request over a limit; the message names the limit and the remedy.

    Args:
        limit: its field in `Limits`, for whoever watches a server; "" = none of them.
    """

    def __init__(self, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one session may ask for, and all of them together.

    Attributes:
        max_prompt_tokens, max_new_tokens: of one request.
        max_active_jobs: of one session, running at the same time.
        trace_bytes: budget of the tensors recorded of one run.
        lease_seconds: a job not polled for this long is let go.
        loaded_models: models kept in memory at once.
        rows: texts of all sessions that are written at once; the others wait for a place.
        queue: texts that may wait.
        server_bytes: what all texts together may hold, recorded tensors, keys and values; a text for which there is
            no room waits until others are let go.
    """

    max_prompt_tokens: int = 4096
    max_new_tokens: int = 2000
    max_active_jobs: int = 2
    trace_bytes: int = 512 * 2**20
    lease_seconds: float = 120.0
    loaded_models: int = 2
    rows: int = 32
    queue: int = 64
    server_bytes: int = 6 * 2**30

    def check(self, request: GenerationRequest) -> None:
        """Whether a session may ask for this.

        Raises:
            RefusalError: it is too long; the message names the limit.
        """
        if len(request.prompt_ids) > self.max_prompt_tokens:
            raise RefusalError(
                f"the text has {len(request.prompt_ids):,} tokens; at most {self.max_prompt_tokens:,} are read here, "
                f"so shorten it",
                "max_prompt_tokens",
            )
        if request.max_new_tokens > self.max_new_tokens:
            raise RefusalError(
                f"{request.max_new_tokens:,} new tokens are asked for; at most {self.max_new_tokens:,} are written",
                "max_new_tokens",
            )

    def check_places(self, session: str, active: Iterable[Job]) -> None:
        """Whether one more text of a session may be written, or wait, beside those that are.

        Raises:
            RefusalError: there are too many; the message names the limit.
        """
        active = [*active]
        if (mine := sum(job.session == session for job in active)) >= self.max_active_jobs:
            raise RefusalError(f"{mine} texts are being written already; stop one of them first", "max_active_jobs")
        if len(active) >= self.rows + self.queue:
            said = f"{len(active)} texts are being written here or wait for a place; try again in a minute"
            raise RefusalError(said, "queue")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A job at one moment.

    Attributes:
        status: of the job. message: a sentence when it failed, expired or waits; else "".
        trace: the text so far and what was recorded of it; `None` before the first token is read.
        n_prompt, total: tokens to read, and the longest possible length.
        tokens_per_second: written over the last tokens; NaN while nothing is being written.
        finish_reason: as of `Run`: why nothing more is written; "" if it goes on.
    """

    status: Status
    message: str
    trace: Trace | None
    n_prompt: int
    total: int
    tokens_per_second: float
    finish_reason: str = ""


class Job:
    """One request of one session. Made and changed by the engine only; read it through `Engine.poll`."""

    def __init__(
        self,
        number: int,
        session: str,
        model_name: str,
        request: GenerationRequest,
        beginning: Trace | None,
        pace: float | int,
        hurry: int = 0,
    ) -> None:
        self.number, self.session, self.model_name, self.request = number, session, model_name, request
        self.beginning, self.pace = beginning, pace  # beginning: shared with a parent, or of a run that failed
        self.hurry = hurry  # tokens that were written before, elsewhere: their pace is over
        self.run: Run | None = None
        self._status: Status = "queued"
        self._heard: Callable[[Job], None] | None = None
        self.failed_as: tuple[str, str] | None = None  # type and place of what ended it
        self.began, self.seconds = time.monotonic(), 0.0
        self.message, self.heavy = "", False  # heavy: of a model that is known to be slow
        self.allowance = math.inf  # tokens that may be written before it pauses
        self.polled = self.due = 0.0
        self.ready = False  # its model is there
        self.served = 0  # when it went on last, counted in rounds
        self.written_at: deque[float] = deque(maxlen=24)

    @property
    def status(self) -> Status:
        """Where it is."""
        return self._status

    @status.setter
    def status(self, status: Status) -> None:
        ends = status in ENDED and self._status not in ENDED
        self._status = status
        if ends:
            self.seconds = time.monotonic() - self.began
            if self._heard is not None:
                self._heard(self)

    def listen(self, heard: Callable[[Job], None]) -> None:
        """Calls `heard` with this job whenever it ends, also where it has ended already; it must be quick."""
        self._heard = heard
        if self._status in ENDED:
            heard(self)

    def fail(self, error: Exception) -> None:
        """It has failed: what it is told, and the type and place of the exception, which itself is not held."""
        at = self.run.n_read if self.run is not None else 0
        why = sentence(error)
        self.message = f"The engine stopped at token {at} ({why}). The text so far is kept; resume to go on."
        self.failed_as = type(error).__name__, place(error.__traceback__, (PACKAGE,))
        self.status = "failed"

    def begin_from_what_is_kept(self) -> None:
        """Its run is made anew from what is stored of it, up to the last token that was noted to its end."""
        if self.run is not None:
            self.beginning, self.run = self.run.trace() if self.run.n_read else None, None

    def expire(self, seconds: float) -> None:
        """Nobody has looked at it for so long: it is written no further until somebody resumes it."""
        self.message = (
            f"Writing stopped because the page was away for {seconds:.0f} seconds; the text is kept, resume to go on."
        )
        self.status = "expired"

    def leave(self) -> None:
        """Nobody will ask for it any more: the engine drops it when it looks next."""
        self.polled = -math.inf

    def next_due(self, now: float) -> float:
        """When its next token is due, after one was written."""
        again = self.run is not None and self.run.n_read < self.hurry
        return now if again else next_tick(now, self.pace)

    def speed(self) -> float:
        """Tokens per second over the last two dozen tokens."""
        times = tuple(self.written_at)
        if self.status != "running" or len(times) < 2 or times[-1] == times[0]:
            return math.nan
        return (len(times) - 1) / (times[-1] - times[0])


def sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def next_tick(now: float, pace: float | int) -> float:
    """When a text of this pace goes on. Texts of one pace go on together, so that they are read at once.

    >>> next_tick(10.02, 20.0), next_tick(10.03, 20.0), next_tick(7.0, math.inf)
    (10.05, 10.05, 7.0)
    """
    return now if pace == math.inf else (math.floor(now * pace) + 1) / pace
