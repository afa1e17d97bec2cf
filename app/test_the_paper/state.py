"""What the page test_the_paper remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.session.desk import PageState
from app.session.work import Workshop
from mistral_core.experiments.claims import MODULES

if TYPE_CHECKING:
    from mistral_core.experiments.finding import Finding
    from mistral_core.experiments.own_text import Compressed


@dataclass
class PaperState(PageState, page="test_the_paper"):
    """What the page test_the_paper remembers.

    Attributes:
        claim: whose experiment is open. asked: what the address named last; it is acted on once.
        live: experiments of this visitor, by claim and form.
        typed: the visitor's own text. own: its compressions, by `own_name`. own_name: the one that is shown; "" = none.
        refusal: why the text was not compressed; "" = it was, or nobody asked.
    """

    claim: str = next(iter(MODULES))
    asked: str | None = None
    live: Workshop[Finding] = field(default_factory=lambda: Workshop(2 * len(MODULES)))
    typed: str = ""
    own: Workshop[Compressed] = field(default_factory=Workshop)
    own_name: str = ""
    refusal: str = ""

    def open_from(self, named: str | None) -> None:
        """Opens the claim that an address names; what it does not know changes nothing."""
        if named != self.asked and named in MODULES:
            self.claim = named
        self.asked = named

    def named(self) -> str:
        """The open claim, as the address is to name it from now on: only another name in it is a visitor's wish."""
        self.asked = self.claim
        return self.claim
