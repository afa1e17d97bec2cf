"""What the page models remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.session.desk import PageState
from app.session.work import Workshop

if TYPE_CHECKING:
    from mistral_core.verification.subject import CheckResult

MAX_CHECKED = 4


@dataclass
class ModelsState(PageState, page="models"):
    """What the page models remembers.

    Attributes:
        checks: of a model, by its name.
        published: the configuration that was typed; Streamlit forgets what a field says when its page is left.
    """

    checks: Workshop[list[CheckResult]] = field(default_factory=lambda: Workshop(MAX_CHECKED))
    published: str = ""
