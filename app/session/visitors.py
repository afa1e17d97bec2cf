"""Who is here: the desks of all sessions. What a session held is let go when its visitor has left.

Streamlit keeps a session that lost its connection for two minutes, in case the browser comes back, and then until
something else happens to that list; and nothing tells the application. So a thread looks now and then.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable

from app import log
from app.session.desk import Desk

GRACE = 150.0
"""Seconds without a connection after which a visitor has left: more than Streamlit waits for him (120)."""
M_ARENA_MAX = -8
"""Of glibc's malloc.h."""
EVERY = 15.0
"""Seconds between two looks."""
MOST_VARIABLE = "EXPLORER_MOST_VISITORS"
"""Of the environment: how many visitors may be here."""
MOST = 64
"""Where it says nothing: two rooms of thirty, and a teacher or two."""
WATCH = "who has left"
"""Name of the thread that looks."""

_desks: weakref.WeakValueDictionary[str, Desk] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def most() -> int:
    """How many visitors may be here.

    Raises:
        ValueError: the environment says something else than a number.
    """
    wanted = os.environ.get(MOST_VARIABLE, "")
    if wanted and not (wanted.isdecimal() and int(wanted)):
        raise ValueError(f"{MOST_VARIABLE} is {wanted!r}; it must be a number of visitors, 1 or more")
    return int(wanted or MOST)


def no_room(session: str | None = None) -> str:
    """Why a new visitor cannot come in, as a sentence; "" if there is room, and for one who is here.

    Args:
        session: Streamlit's name for it; default: that of the script that runs.
    """
    with _lock:
        sessions = set(_desks)
    if (session or _session()) in sessions:
        return ""
    count = most()
    if sum(map(_is_connected, sessions)) < count:
        return ""
    log.refused("visitors")
    return (
        f"This server takes {count} visitor{'s' if count > 1 else ''} at once, and so many are here. "
        f"Reload the page when somebody has left; what its address names is kept."
    )


def _session() -> str | None:
    """Streamlit's name for the session whose script runs; `None` outside of one."""
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


def _is_connected(session: str) -> bool:
    from streamlit import runtime

    return not runtime.exists() or runtime.get_instance().is_active_session(session)


def enter(desk: Desk) -> None:
    """Notes a new session; outside a server (a test, a script) there is nobody to leave."""
    from streamlit import runtime

    with _lock:
        _desks[_session() or desk.session] = desk
        if runtime.exists() and not any(thread.name == WATCH for thread in threading.enumerate()):
            watch = (runtime.get_instance().is_active_session,)
            threading.Thread(target=_watch, args=watch, name=WATCH, daemon=True).start()
        log.event("visitor_came", visitors=len(_desks))


def desks() -> list[Desk]:
    """The desks of all sessions."""
    with _lock:
        return list(_desks.values())


def _watch(is_here: Callable[[str], bool]) -> None:
    last_seen: dict[str, float] = {}
    while True:
        time.sleep(EVERY)
        look(is_here, last_seen, time.monotonic())


def look(is_here: Callable[[str], bool], last_seen: dict[str, float], now: float) -> None:
    """Lets go of what those hold who have left.

    Args:
        is_here: whether a session has a connection. last_seen: by session, when it had one; changed.
    """
    with _lock:
        present = dict(_desks)
    gone = []
    for session in present:
        if is_here(session) or session not in last_seen:
            last_seen[session] = now
        elif now - last_seen[session] > GRACE:
            gone.append(session)
    for session in gone:
        present.pop(session).clear()
        del last_seen[session]
        with _lock:
            _desks.pop(session, None)
        log.event("visitor_left", visitors=len(_desks))
    if gone:
        give_back()


def few_arenas() -> None:
    """Memory lies in two places, not in sixteen.

    Every run of a script is a thread of its own, and glibc lays what threads take into eight arenas for each
    processor; what is free in one is of no use to the next, and is rarely given back.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def give_back() -> None:
    """Memory that nobody holds goes back to the system: glibc keeps it otherwise, in parts of every size."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
