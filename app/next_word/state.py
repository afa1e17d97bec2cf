"""What the page next_word remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.next_word.stages import StageBlock
from app.session.delivery import Delivery
from app.session.desk import PageState


@dataclass
class NextWordState(PageState, page="next_word"):
    """What the browser holds of each run and of its alternatives."""

    delivery: Delivery = field(default_factory=Delivery)
    block: tuple[tuple[str, str, int, int], StageBlock] | None = None
    """The alternatives sent last: run, settings, first step, one past the last, and they themselves."""

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self.delivery.forget(run)
        self.block = None
