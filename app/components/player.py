"""Mounts the player: the text, the state grid, the ring and the timeline of one run, stepped in the browser.

Two components, because Streamlit sends a component's html, css and js with every update: `code` is
constant and arrives once; `mount` is a few lines and carries the payload, so that a growing text costs
what is new and little more.

How values come back (Streamlit 1.67, checked in a browser): `setStateValue` and `setTriggerValue` rerun
the fragment in which the component stands (the whole script if in none); the callback runs first, then
the script. State values stay in `st.session_state[key][name]` and in the returned result until they
change. Trigger values are there for one run only and are read in the callback, or as `result.<name>`, in
the run that they cause. Callbacks take no arguments. After the page is left and entered again the state
is gone; the browser keeps the runs it has and acknowledges them anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app.theme import css_variables

FOLDER = Path(__file__).parent / "player"
SCRIPTS = (
    "base.js", "store.js", "popover.js", "text.js", "bars.js", "grid.js", "ring.js", "panels.js", "timeline.js",
    "surface.js", "player.js",
)  # fmt: skip
"""Joined in this order into one module; only the last one exports."""
STYLES = ("player.css", "panels.css")
STATES = ("ack", "need", "at", "sampling")
"""Sticky values: `ack {run, to, stages_key, stages_to}`, `need {run, from, n}`, `at {run, t, layer, head}`
and `sampling {temperature, top_k, top_p}`."""
TRIGGERS = ("branch", "open")
"""One-shot values: `branch {run, position, token_id, n}` and `open {run}`."""

Callback = Callable[[], None]


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def script() -> str:
    """The player's JavaScript: markup and style as constants, then the files of `SCRIPTS`."""
    style = css_variables() + "\n" + "\n".join(_read(name) for name in STYLES)
    constants = f"const MX_HTML = {json.dumps(_read('player.html'))};\nconst MX_CSS = {json.dumps(style)};\n"
    return constants + "\n".join(_read(name) for name in SCRIPTS)


_code = st.components.v2.component("mistral_explorer_player_code", js=script())
_mount = st.components.v2.component("mistral_explorer_player", html='<div class="mx-host"></div>', js=_read("mount.js"))


def load_player(key: str = "player-code") -> None:
    """Sends the player's program to the browser, once per page run and **outside** any polling fragment."""
    _code(key=key, height="content")


def player(
    payload: bytes,
    *,
    key: str,
    on_ack: Callback | None = None,
    on_need: Callback | None = None,
    on_at: Callback | None = None,
    on_sampling: Callback | None = None,
    on_branch: Callback | None = None,
    on_open: Callback | None = None,
) -> Any:
    """Shows a payload of `player_payload.pack_growth`; call `load_player()` once on the same page.

    The same key keeps the playhead over reruns and payloads. A payload for a run that the browser
    knows appends what is new; one that starts beyond its end is answered by `need`.

    Returns:
        The component's result: `ack`, `need`, `at`, `sampling` (or `None` before the first), and in
        the run that they cause `branch` and `open`.
    """
    callbacks = {
        "ack": on_ack, "need": on_need, "at": on_at, "sampling": on_sampling, "branch": on_branch, "open": on_open,
    }  # fmt: skip
    events: dict[str, Any] = {f"on_{name}_change": callbacks[name] or _nothing for name in (*STATES, *TRIGGERS)}
    return _mount(key=key, data=payload, **events)


def _nothing() -> None:
    """A value without a callback must still be named, or it would be missing from the result."""
