"""Mounts the state grid of the page `reach`: the text, the grid with its three readings, what was found.

As in `player.py`: the program arrives once (`load_state_grid`), the payload as raw bytes with every
update. One sticky value comes back: `ask {run, n, reading, source, target, replacement, word, cut, layer}`,
what the visitor wants to see next; the payload that answers it carries the same `n`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app.theme import css_variables

PLAYER = Path(__file__).parent / "player"
FOLDER = Path(__file__).parent / "state_grid"
SHARED = ("base.js", "store.js", "popover.js", "surface.js")
SCRIPTS = ("picture.js", "strip.js", "side.js", "page.js")
"""Joined after the shared ones into one module; only the last one exports."""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def script() -> str:
    """The component's JavaScript: markup and style as constants, then the files."""
    style = "\n".join((css_variables(), _read(PLAYER / "player.css"), _read(FOLDER / "state_grid.css")))
    markup = _read(FOLDER / "state_grid.html")
    constants = f"const MX_HTML = {json.dumps(markup)};\nconst MX_CSS = {json.dumps(style)};\n"
    shared = [_read(PLAYER / name) for name in SHARED]
    return constants + "\n".join((*shared, *(_read(FOLDER / name) for name in SCRIPTS)))


_code = st.components.v2.component("mistral_explorer_state_grid_code", js=script())
_mount = st.components.v2.component(
    "mistral_explorer_state_grid", html='<div class="mx-host"></div>', js=_read(FOLDER / "mount.js")
)


def load_state_grid(key: str = "state-grid-code") -> None:
    """Sends the program to the browser, once per page run and outside any polling fragment."""
    _code(key=key, height="content")


def state_grid(payload: bytes, *, key: str, on_ask: Callable[[], None]) -> Any:
    """Shows a payload of `reach_payload.pack_reach`; call `load_state_grid()` once on the same page."""
    return _mount(key=key, data=payload, on_ask_change=on_ask)
