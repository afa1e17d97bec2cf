"""Numbers as an address writes them: read, and refused in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping

MOST = 2**31 - 1
"""Of a place in a run and of `topk`: more than any run or vocabulary has; the picture stops at the last one."""


def whole(query: Mapping[str, str], name: str, most: int = MOST) -> int:
    """A whole number that an address names.

    Raises:
        ValueError: it is none, or larger than `most`; in a sentence that names it.
    """
    text = query[name].strip()
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"The address says {name}={short(text)}, but that must be a whole number, 0 or more.")
    if len(text.lstrip("0")) > len(str(most)) or int(text) > most:
        raise ValueError(f"The address says {name}={short(text)}, but that can be at most {most:,}.")
    return int(text)


def number(query: Mapping[str, str], name: str) -> float:
    """A number that an address names, 0 or more.

    Raises:
        ValueError: it is none; in a sentence that names it.
    """
    try:
        value = float(query[name])
    except ValueError:
        raise ValueError(f"The address says {name}={short(query[name])}, but that must be a number.") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"The address says {name}={short(query[name])}, but that must be 0 or more.")
    return value


def short(text: str) -> str:
    """As much of what an address says as a sentence can hold."""
    return text if len(text) <= 40 else f"{text[:40]}…"
