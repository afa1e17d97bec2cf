"""What the page reach remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.reach.payload import Measured
from app.reach.question import Choice
from app.session.desk import PageState
from app.session.work import Work, Workshop

if TYPE_CHECKING:
    from app.reach.profile import Compared
    from app.reach.routes import Routed
    from mistral_core.analysis.push_back import PushBack, Typical
    from mistral_core.analysis.route_check import RouteCheck

MAX_EXPERIMENTS = 4
Answer = tuple[Measured, str]
"""What was measured, and the printable replacement."""


@dataclass
class Measuring:
    """An answer in the making, or made.

    Attributes:
        choice: what is asked. length: of the text that it is asked of. work: on it.
    """

    choice: Choice
    length: int
    work: Work[Answer]


@dataclass
class RunQuestions:
    """What was asked of one run.

    Attributes:
        choice: what is to be answered; `None` = nothing was asked. own: the visitor asked it, or a link did.
        answered: the last choice that was shown, which stays where a later one cannot be answered.
        number: of the browser's question. message: why it could not be answered.
        stopped: the choice whose measurement the visitor ended.
        measuring: the work under way, or done last. answer: the last answer, and to what.
    """

    choice: Choice | None = None
    own: bool = False
    answered: Choice | None = None
    number: int = 0
    message: str = ""
    stopped: Choice | None = None
    measuring: Measuring | None = None
    answer: tuple[Choice, Answer] | None = None


@dataclass
class ReachState(PageState, page="reach"):
    """What was asked, by run, and the experiments below the picture, by kind.

    Attributes:
        targets: whose routes are looked at, by run: a text may grow meanwhile.
    """

    runs: dict[str, RunQuestions] = field(default_factory=dict)
    answers: Workshop[Answer] = field(default_factory=Workshop)
    push_backs: Workshop[tuple[PushBack, tuple[Typical, ...]]] = field(
        default_factory=lambda: Workshop(MAX_EXPERIMENTS)
    )
    targets: dict[str, int] = field(default_factory=dict)
    routes: Workshop[Routed] = field(default_factory=lambda: Workshop(MAX_EXPERIMENTS))
    route_checks: Workshop[RouteCheck] = field(default_factory=lambda: Workshop(MAX_EXPERIMENTS))
    profiles: Workshop[Compared] = field(default_factory=lambda: Workshop(MAX_EXPERIMENTS))

    def of(self, run: str) -> RunQuestions:
        """What was asked of a run."""
        return self.runs.setdefault(run, RunQuestions())

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self.targets.pop(run, None)
        questions = self.runs.pop(run, None)
        if questions is not None and questions.measuring is not None:
            questions.measuring.work.cancel()
