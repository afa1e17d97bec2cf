"""How the front reaches replicas, whatever carries the calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from mistral_core.serving.remote.replica import Command
from mistral_core.serving.remote.wire import Ask, Bulletin, Order, Receipt


class GoneError(Exception):
    """The replica that was called is there no more; its texts are to be written elsewhere."""


class SilentError(Exception):
    """No answer came in time; the call may have been heard."""


@runtime_checkable
class Transport(Protocol):
    """Calls to replicas. Each may raise `GoneError` or `SilentError`, and nothing else."""

    def submit(self, order: Order) -> Receipt:
        """To the replica of the order's session."""

    def news(self, at: str, asks: Sequence[Ask]) -> Bulletin:
        """To the replica called `at`."""

    def command(self, at: str, key: str, command: Command, goal: float = math.inf) -> bool:
        """To the replica called `at`."""

    def said(self, at: str, name: str) -> str:
        """To the replica called `at`, or any one."""
