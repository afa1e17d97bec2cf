"""What the page test_the_paper remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.session.desk import PageState
from app.session.work import Workshop
from mistral_core.experiments.claims import MODULES

if TYPE_CHECKING:
    from mistral_core.experiments.finding import Finding


@dataclass
class PaperState(PageState, page="test_the_paper"):
    """What the page test_the_paper remembers.

    Attributes:
        claim: whose experiment is open. asked: what the address named last; it is acted on once.
        live: experiments of this visitor, by claim and form.
    """

    claim: str = next(iter(MODULES))
    asked: str | None = None
    live: Workshop[Finding] = field(default_factory=lambda: Workshop(2 * len(MODULES)))

    def open_from(self, named: str | None) -> None:
        """Opens the claim that an address names; what it does not know changes nothing."""
        if named != self.asked and named in MODULES:
            self.claim = named
        self.asked = named

    def named(self) -> str:
        """The open claim, as the address is to name it from now on: only another name in it is a visitor's wish."""
        self.asked = self.claim
        return self.claim
