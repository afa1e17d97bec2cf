"""Which replica a session goes to: the same one as long as it is there, and only its sessions move when one is not.

A session has to stay because the replica holds keys and values of its texts, and counts how many it may have. Highest
random weight ("rendezvous") hashing needs no table: every front comes to the same answer from the names alone, and a
replica that comes or goes takes or gives up only its own share.

Source: Thaler and Ravishankar 1998, "Using name-based mappings to increase hit rates".
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection


def ranking(session: str, replicas: Collection[str]) -> list[str]:
    """The replicas in the order in which a session would go to them.

    >>> ranking("a", ["x", "y", "z"]) == ranking("a", ["z", "x", "y"])
    True
    >>> [name for name in ranking("a", "xyz") if name != "y"] == ranking("a", "xz")
    True
    """
    return sorted(replicas, key=lambda name: hashlib.sha256(f"{name}\n{session}".encode()).digest(), reverse=True)


def address(session: str, at: str) -> str:
    """What a call says of where it wants to go: the replica that has the text, if one does, and the session."""
    return f"{at}\n{session}"


def chosen(wanted: str, replicas: Collection[str]) -> str | None:
    """The replica for a call.

    Args:
        wanted: as `address` spells it.

    >>> chosen(address("a", "y"), ["x", "y"]), chosen(address("a", "gone"), ["x"]), chosen("", [])
    ('y', 'x', None)
    """
    at, _, session = wanted.partition("\n")
    if at in replicas:
        return at
    return next(iter(ranking(session, replicas)), None)
