"""How much memory there is: of the machine, or of the container that the server runs in."""

from __future__ import annotations

import os
from pathlib import Path

CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, on Linux: a number of bytes, or "max"."""
UNKNOWN = 4 * 2**30
"""Bytes taken where the system does not say how much it has."""


def machine_bytes(container: Path = CONTAINER) -> int:
    """Bytes of memory that this process can have at most."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN
    try:
        allowed = container.read_text(encoding="ascii").strip()
    except OSError:
        return there
    return min(there, int(allowed)) if allowed.isdigit() else there
