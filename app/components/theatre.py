"""Mounts the cache theatre: all rings of one run, one ring large, one slot with its numbers, stepped in the browser.

It is joined from the player's own files (store, text, ring, timeline) and those of `theatre/`, into one constant
module that is sent once; the mount carries the payload. How values come back is said in `player.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app.theme import css_variables

COMPONENTS = Path(__file__).parent
SCRIPTS = (
    "player/base.js", "player/store.js", "player/text.js", "player/ring.js", "player/timeline.js", "player/surface.js",
    "theatre/run.js", "theatre/parts.js", "theatre/atlas.js", "theatre/slot.js", "theatre/scenes.js",
    "theatre/forgotten.js", "theatre/theatre.js",
)  # fmt: skip
"""Joined in this order into one module; only the last one exports."""
STYLES = ("player/player.css", "player/panels.css", "theatre/theatre.css")
STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to}`, `need {run, from, n}` and `at {run, t, layer, head}`."""
TRIGGERS = ("measure", "cancel", "live")
"""One-shot values: `measure {run, position, step, word}`, `cancel {run}` and `live {run}`."""

Callback = Callable[[], None]


def _read(name: str) -> str:
    return (COMPONENTS / name).read_text(encoding="utf-8")


def script() -> str:
    """The theatre's JavaScript: markup and style as constants, then the files of `SCRIPTS`."""
    style = css_variables() + "\n" + "\n".join(_read(name) for name in STYLES)
    markup = _read("theatre/theatre.html")
    constants = f"const TH_HTML = {json.dumps(markup)};\nconst TH_CSS = {json.dumps(style)};\n"
    return constants + "\n".join(_read(name) for name in SCRIPTS)


_code = st.components.v2.component("mistral_explorer_theatre_code", js=script())
_mount = st.components.v2.component(
    "mistral_explorer_theatre", html='<div class="mx-host"></div>', js=_read("theatre/mount.js")
)


def load_theatre(key: str = "theatre-code") -> None:
    """Sends the program to the browser, once per page run and **outside** any polling fragment."""
    _code(key=key, height="content")


def theatre(payload: bytes, *, key: str, **callbacks: Callback) -> Any:
    """Shows a payload of `theatre_payload.pack_theatre`; call `load_theatre()` once on the same page.

    Args:
        callbacks: `on_<name>` for the names of `STATES` and `TRIGGERS`.

    Raises:
        ValueError: a callback for something that the theatre never says.
    """
    known = {f"on_{name}": f"on_{name}_change" for name in (*STATES, *TRIGGERS)}
    if unknown := sorted(set(callbacks) - set(known)):
        raise ValueError(f"{', '.join(unknown)} is never called; callbacks are {', '.join(known)}")
    events: dict[str, Any] = {given: callbacks.get(name, _nothing) for name, given in known.items()}
    return _mount(key=key, data=payload, **events)


def _nothing() -> None:
    """A value without a callback must still be named, or it would be missing from the result."""
