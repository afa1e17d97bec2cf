"""What the page next_word remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.next_word.stages import StageBlock
from app.session.delivery import Delivery
from app.session.desk import PageState
from app.session.work import Workshop
from mistral_core.analysis.reencoding import Reencoded

KEPT = 4
"""Readings of texts in both cuts that are there when they are asked for again."""
CutLosses = tuple[tuple[float, float], tuple[tuple[float, float], ...]]
"""Bits per byte as written and as encoded, and nats of each place both ways."""


@dataclass
class NextWordState(PageState, page="next_word"):
    """What the browser holds of each run and of its alternatives."""

    delivery: Delivery = field(default_factory=Delivery)
    block: tuple[str, StageBlock] | None = None
    """The alternatives sent last: of which run, and they themselves."""

    cuts: tuple[tuple[str, int], Reencoded | str] | None = None
    """The text encoded anew last: run and length, and what came of it, or why nothing did."""
    losses: Workshop[CutLosses] = field(default_factory=lambda: Workshop(KEPT))
    """Texts read in both cuts, by run and length."""

    answered: float | None = None
    """The number of the branch that was asked for last."""

    def block_of(self, run: str, key: str) -> StageBlock | None:
        """The alternatives of a run under these settings that were sent last."""
        return self.block[1] if self.block is not None and (self.block[0], self.block[1].key) == (run, key) else None

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self.delivery.forget(run)
        self.block = self.cuts = None
