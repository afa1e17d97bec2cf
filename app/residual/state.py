"""What the picture of the residual stream remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.residual.messages import Cell, Held, Lender
from app.residual.payload import Followed, Lensed, Patched, Worded
from app.session.desk import PageState
from app.session.work import Workshop

KEPT = 2
"""Lenses that are there when they are asked for again; each holds a stream."""


@dataclass
class RunQuestions:
    """What was asked of one run.

    Attributes:
        pins: tokens that stay in sight. lender: another text. cell: of it, put into this one.
        number: of the browser's question. message: why it could not be answered.
        held: keys of what the browser has.
    """

    pins: tuple[int, ...] = ()
    lender: Lender | None = None
    cell: Cell | None = None
    number: int = 0
    message: str = ""
    held: Mapping[str, str] | Held = field(default_factory=dict)


@dataclass
class ResidualState(PageState, page="residual"):
    """What was asked, by run, and what was measured, by what it answers."""

    runs: dict[str, RunQuestions] = field(default_factory=dict)
    lenses: Workshop[Lensed] = field(default_factory=lambda: Workshop(KEPT))
    words: Workshop[Worded] = field(default_factory=lambda: Workshop(4 * KEPT))
    pins: Workshop[Followed] = field(default_factory=lambda: Workshop(KEPT))
    patches: Workshop[Patched] = field(default_factory=lambda: Workshop(4 * KEPT))

    def of(self, run: str) -> RunQuestions:
        """What was asked of a run."""
        return self.runs.setdefault(run, RunQuestions())

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        if self.runs.pop(run, None) is not None:
            self.end()

    @property
    def running(self) -> bool:
        """Whether something is under way."""
        return any(one.running for one in (self.lenses, self.words, self.pins, self.patches))
