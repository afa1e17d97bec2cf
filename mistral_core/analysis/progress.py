"""How a long computation says how far it is, and how it is ended.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what is being done now; what it raises ends the computation."""


def silent(done: int, total: int, what: str) -> None:
    """Reports to nobody."""
