"""Mounts the atlas: every head's attention as a thumbnail, one head large, and arcs in the text.

Built like the player (see `app.components.player`): `code` is constant and arrives once, `mount`
carries the payload. The store, the text and the timeline are the player's own files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from app.components.player import FOLDER as PLAYER_FOLDER
from app.components.player import STYLES as PLAYER_STYLES
from app.components.player import Callback
from app.theme import OKABE_ITO, css_variables

FOLDER = Path(__file__).parent / "atlas"
SHARED = ("base.js", "store.js", "popover.js", "text.js", "timeline.js", "surface.js")
"""Of the player, joined first."""
SCRIPTS = ("values.js", "words.js", "thumbs.js", "large.js", "table.js", "finding.js", "atlas.js")
"""Joined in this order after them; only the last one exports."""
STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to, extras}`, `need {run, from, n}`, `at {run, t, layer, head}`."""
TRIGGERS = ("find", "cancel", "scores", "reach")
"""One-shot values: start or stop the search for a disagreement, read the scores, open the page
that follows a change."""
CATEGORIES = tuple(OKABE_ITO[i] for i in (3, 1, 4, 2, 0, 6, 5))
"""Of the key/value heads; those least like the colours of query and attention come first."""


def script() -> str:
    """The JavaScript: markup and style as constants, then the player's files and the atlas's."""
    styles = [css_variables(), *(_read(PLAYER_FOLDER / name) for name in PLAYER_STYLES), _read(FOLDER / "atlas.css")]
    constants = {"MX_HTML": _read(FOLDER / "atlas.html"), "MX_CSS": "\n".join(styles), "MX_GROUPS": CATEGORIES}
    lines = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    files = [*(PLAYER_FOLDER / name for name in SHARED), *(FOLDER / name for name in SCRIPTS)]
    return "\n".join([*lines, *(_read(path) for path in files)])


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_code = st.components.v2.component("mistral_explorer_atlas_code", js=script())
_mount = st.components.v2.component(
    "mistral_explorer_atlas", html='<div class="mx-host"></div>', js=_read(FOLDER / "mount.js")
)


def load_atlas(key: str = "atlas-code") -> None:
    """Sends the program to the browser, once per page run and **outside** any polling fragment."""
    _code(key=key, height="content")


def atlas(payload: bytes, *, key: str, **callbacks: Callback) -> Any:
    """Shows a payload of `atlas_payload.pack_atlas`; call `load_atlas()` once on the same page.

    Args:
        callbacks: `ack`, `need`, `at`, `find`, `cancel`, `scores`, `reach`, each called without arguments.

    Returns:
        The component's result.
    """
    events: dict[str, Any] = {f"on_{name}_change": callbacks.get(name, _nothing) for name in (*STATES, *TRIGGERS)}
    return _mount(key=key, data=payload, **events)


def _nothing() -> None:
    """A value without a callback must still be named, or it would be missing from the result."""
