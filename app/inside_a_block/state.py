"""What the page inside_a_block remembers of its first picture: one token in one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.inside_a_block.messages import Look
from app.session.delivery import Delivery
from app.session.desk import PageState
from app.session.work import Work, Workshop
from app.wire import Parts

if TYPE_CHECKING:
    from app.inside_a_block.reading import Reading


@dataclass
class InsideState(PageState, page="inside_a_block"):
    """What the browser holds, what it looks at, and the reading that answers.

    Attributes:
        view: that is open, as the address names it; "" = the first.
        looks: by run, what was looked at last. box: that an address asked for; "" = none.
        readings: texts read again, one at a time. reading: of which run the newest one is, and the work on it.
        answer: the newest answer, by what it answers.
    """

    delivery: Delivery = field(default_factory=Delivery)
    view: str = ""
    looks: dict[str, Look] = field(default_factory=dict)
    box: str = ""
    readings: Workshop[Reading] = field(default_factory=Workshop)
    reading: tuple[str, Work[Reading]] | None = None
    answer: tuple[str, Parts] | None = None

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self.delivery.forget(run)
        self.looks.pop(run, None)
        self.answer = None
        if self.reading is not None and self.reading[0] == run:
            self.reading[1].cancel()
            self.reading = None
