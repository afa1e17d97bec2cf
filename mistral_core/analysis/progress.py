"""How a long computation says how far it is, and how it is ended.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what is being done now; what it raises ends the computation."""


PER_PART = 1000
"""Steps into which a part is divided where several are one progress."""


def silent(done: int, total: int, what: str) -> None:
    """Reports to nobody."""


def part_of(report: Report, number: int, parts: int, what: str = "{}") -> Report:
    """What one of several parts reports to, so that all of them together are one progress.

    Args:
        number: of the part, from 0. parts: in all. what: is said around what the part says.

    >>> part_of(lambda *said: print(*said), 1, 4, "reading: {}")(5, 10, "page 5")
    1500 4000 reading: page 5
    """

    def said(done: int, total: int, doing: str) -> None:
        report(number * PER_PART + PER_PART * done // max(total, 1), parts * PER_PART, what.format(doing))

    return said
