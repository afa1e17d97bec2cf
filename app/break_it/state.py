"""What the page break_it remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.break_it.payload import Changed, Mapped
from app.break_it.question import Choice
from app.session.desk import PageState
from app.session.work import Workshop

KEPT = 6
"""Maps, and changed runs, that are there when they are asked for again."""


@dataclass
class RunQuestions:
    """What was asked of one run.

    Attributes:
        choice: what is to be answered; `None` = nothing was asked. own: the visitor asked it, or a link did.
        filled: its change is the head that matters most, since none was chosen.
        number: of the browser's question. message: why it could not be answered.
        stopped: the choice whose measurement the visitor ended.
    """

    choice: Choice | None = None
    own: bool = False
    filled: bool = False
    number: int = 0
    message: str = ""
    stopped: Choice | None = None


@dataclass
class BreakState(PageState, page="break_it"):
    """What was asked, by run; maps of knock-outs and changed runs, by what they answer."""

    runs: dict[str, RunQuestions] = field(default_factory=dict)
    maps: Workshop[Mapped] = field(default_factory=lambda: Workshop(KEPT))
    effects: Workshop[Changed] = field(default_factory=lambda: Workshop(KEPT))

    def of(self, run: str) -> RunQuestions:
        """What was asked of a run."""
        return self.runs.setdefault(run, RunQuestions())

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        if self.runs.pop(run, None) is not None:
            self.end()
