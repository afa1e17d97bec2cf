"""Who may be written now, and who waits: so many texts at once, and so many bytes of all texts together."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable

from mistral_core.analysis.accounting import kv_cache_bytes
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.memory import gibibytes
from mistral_core.serving.job import Job, Limits, RefusalError
from mistral_core.trace.trace import RecordingPlan


class Places:
    """Counts the texts that are written, and the bytes of all that anybody holds, written to the end or not."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self._lock = threading.Lock()  # a worker adds a run while a page or `/metrics` adds up their bytes

    def takes(self, run: Run) -> None:
        """A run was made; its bytes count until nobody holds it any more."""
        with self._lock:
            self._runs.add(run)

    @property
    def nbytes(self) -> int:
        """Bytes of all runs: recorded tensors, keys and values."""
        with self._lock:
            runs = [*self._runs]
        return sum(run.nbytes for run in runs)

    def why_not(self, job: Job, price: int, active: Iterable[Job]) -> str:
        """What a text waits for, as a sentence; "" = it may begin.

        Args:
            price: bytes that its run will hold. active: all that are written or wait, this one among them.

        Raises:
            RefusalError: it could never begin.
        """
        limits, active = self._limits, [*active]
        if price > limits.server_bytes:
            raise RefusalError(
                f"this text would take {gibibytes(price)} and all texts here together have "
                f"{gibibytes(limits.server_bytes)}; make it shorter",
                "server_bytes",
            )
        written = [one for one in active if one.run is not None]
        waiting = sorted(
            (one for one in active if one.run is None and one.ready),
            key=lambda one: (sum(other.session == one.session for other in written), one.number),
        )
        before = waiting.index(job) if job in waiting else len(waiting)
        if before >= limits.rows - len(written):
            place = before + 1 - max(0, limits.rows - len(written))
            return f"{len(written)} texts are being written here; this one waits for a place, and is number {place}."
        if written and self.nbytes + price > limits.server_bytes:
            return (
                f"The texts here hold {gibibytes(self.nbytes)} of {gibibytes(limits.server_bytes)}; this one waits "
                "until others are closed."
            )
        return ""


def price_of(plan: RecordingPlan, config: MistralConfig, total: int) -> int:
    """Bytes that a run of so many tokens will hold: what is recorded of it, and its keys and values.

    Source: `RecordingPlan.cost`; keys and values as in `mistral_core.analysis.accounting.kv_cache_bytes`.
    """
    recorded, _ = plan.fit(config, total, total)
    cost = plan.cost(config, total, total)
    return sum(cost[name] for name in recorded) + kv_cache_bytes(config, total, 4)
