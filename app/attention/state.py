"""What the page attention remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.attention.messages import FindingDone
from app.attention.payload import Extras
from app.session.delivery import Delivery
from app.session.desk import PageState
from app.session.work import Workshop
from mistral_core.trace.trace import Trace

MAX_SEARCHES = 8


@dataclass
class AttentionState(PageState, page="attention"):
    """What the browser holds, what was derived last, and the work of the page.

    Attributes:
        extras: what was derived last, of one run at one length.
        searches: for a disagreement, by run and weights. scores: texts read again, by run, weights and length.
    """

    delivery: Delivery = field(default_factory=Delivery)
    extras: Extras | None = None
    searches: Workshop[FindingDone] = field(default_factory=lambda: Workshop(MAX_SEARCHES))
    scores: Workshop[Trace] = field(default_factory=Workshop)  # one: a large result, and quickly had again

    def forget(self, run: str) -> None:
        """Another run may come under this name; derived things are named by the weights too."""
        self.delivery.forget(run)
