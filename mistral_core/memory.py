"""How much memory there is, and how much of it is free: of the machine, or of the container that this runs in."""

from __future__ import annotations

import os
from pathlib import Path

CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, on Linux: a number of bytes, or "max"."""
USED = Path("/sys/fs/cgroup/memory.current")
"""What it uses now. Pages of files that could be given back are counted, so this is careful."""
AVAILABLE = Path("/proc/meminfo")
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


def free_bytes(container: Path = CONTAINER, used: Path = USED, meminfo: Path = AVAILABLE) -> int | None:
    """Bytes that can be taken now without anything being put out; `None` where the system does not say."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        (available,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError):
        return None
    try:
        allowed, taken = (path.read_text(encoding="ascii").strip() for path in (container, used))
    except OSError:
        return available
    return min(available, int(allowed) - int(taken)) if allowed.isdigit() and taken.isdigit() else available


def gibibytes(size: int) -> str:
    """A size as a sentence says it.

    >>> gibibytes(7_000_000_000), gibibytes(30_000_000)
    ('6.5 GiB', '0.028 GiB')
    """
    return f"{size / 2**30:.2g} GiB" if size < 10 * 2**30 else f"{size / 2**30:.0f} GiB"
