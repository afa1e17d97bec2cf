"""What the page ring remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.ring.messages import Forgotten
from app.session.delivery import Delivery
from app.session.desk import PageState
from app.session.work import Work, Workshop
from mistral_core.trace.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is measured: the word at `position` of a run is replaced, and felt at `step`.

    Attributes:
        ids: the text up to the token after `step`. word: the replacement, one token; "" = drawn from the text.
    """

    run: str
    model: str
    ids: tuple[int, ...]
    position: int
    step: int
    word: str


@dataclass(frozen=True)
class Asked:
    """The word that an address asks about, and what it would put in its place."""

    position: int | None = None
    word: str = ""


NOBODY = Asked()
"""Where an address asks about none."""


@dataclass
class Asking:
    """A question and the work on it."""

    question: Question
    work: Work[Forgotten]


@dataclass
class Reading:
    """A text read again for the keys and values of one layer, which its run does not keep."""

    run: str
    layer: int
    length: int
    work: Work[Trace]


@dataclass
class RingState(PageState, page="ring"):
    """What the browser holds, what was asked, and the work on it.

    Attributes:
        slots: by run, layer and position of the slot whose numbers were asked for last.
        ask: by run, the word that its address asks about.
        asking: the last "is it forgotten?". reading: the last layer that was read again.
    """

    delivery: Delivery = field(default_factory=Delivery)
    slots: dict[str, tuple[int, int]] = field(default_factory=dict)
    ask: dict[str, Asked] = field(default_factory=dict)
    measurements: Workshop[Forgotten] = field(default_factory=Workshop)
    layers: Workshop[Trace] = field(default_factory=Workshop)
    asking: Asking | None = None
    reading: Reading | None = None

    def forget(self, run: str) -> None:
        """Another run may come under this name."""
        self.delivery.forget(run)
        self.slots.pop(run, None)
        self.ask.pop(run, None)
        if self.asking is not None and self.asking.question.run == run:
            self.asking.work.cancel()
            self.asking = None
        if self.reading is not None and self.reading.run == run:
            self.reading.work.cancel()
            self.reading = None
