"""What the page shared_heads remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.session.delivery import Delivery
from app.session.desk import PageState
from app.session.work import Workshop
from app.shared_heads.messages import Takes
from app.shared_heads.payload import Away
from mistral_core.trace.trace import Trace

KEPT = 6
"""Texts read without a key/value head that are there when they are asked for again."""
READ = 4
"""Texts read again for what their runs do not keep."""


@dataclass(frozen=True)
class Taking:
    """The key/value head of a layer, both from 0, that is taken away, and what of it."""

    layer: int
    kv_head: int
    takes: Takes = "both"


@dataclass
class SharedHeadsState(PageState, page="shared_heads"):
    """What the browser holds, what was asked, and the work on it.

    Attributes:
        layers: by run, the layer whose numbers were asked for last.
        taking: by run, what was asked last.
    """

    delivery: Delivery = field(default_factory=Delivery)
    layers: dict[str, int] = field(default_factory=dict)
    taking: dict[str, Taking] = field(default_factory=dict)
    readings: Workshop[Trace] = field(default_factory=lambda: Workshop(READ))
    away: Workshop[Away] = field(default_factory=lambda: Workshop(KEPT))

    def forget(self, run: str) -> None:
        """Another run may come under this name; what is worked on is named by the weights too."""
        self.delivery.forget(run)
        self.layers.pop(run, None)
        self.taking.pop(run, None)
