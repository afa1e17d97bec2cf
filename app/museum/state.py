"""What the museum of mistakes remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.museum.payload import Measured
from app.session.desk import PageState
from app.session.work import Workshop
from mistral_core.museum.caught import Caught

KEPT = 16
"""Measurements and verdicts that are there when they are asked for again: each mistake of one text."""


@dataclass
class MuseumState(PageState, page="museum"):
    """What is open, and what was measured of it.

    Attributes:
        tab: that a link opened; "" = none.
        mistake: its name. own: the visitor opened it, or a link did. number: of the browser's question.
        stopped: names of work that the visitor ended. wanted: names of verdicts that he asked for.
    """

    tab: str = ""
    mistake: str = "window-plus-one"
    own: bool = False
    number: int = 0
    stopped: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    readings: Workshop[Measured] = field(default_factory=lambda: Workshop(KEPT))
    verdicts: Workshop[Caught] = field(default_factory=lambda: Workshop(KEPT))
