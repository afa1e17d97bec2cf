"""The player: the text, the state grid, the ring and the timeline of one run, stepped in the browser."""

from app.shared.picture import Picture

SHARED = tuple(f"kit/{name}.js" for name in ("base", "store", "text", "timeline", "surface", "playhead"))
"""Joined first in every picture that steps through a run."""
STYLES = tuple(f"kit/{name}.css" for name in ("kit", "layout", "text", "timeline", "panels"))
"""Of every picture; a page adds where its cards stand."""
SCRIPTS = (
    *SHARED,
    "kit/popover.js",
    "next_word/bars.js",
    "kit/grid.js",
    "kit/ring.js",
    *(f"next_word/{name}.js" for name in ("panels", "player", "serve")),
)
STATES = ("ack", "need", "at", "sampling")
"""Sticky values: `ack {run, to, stages_key, stages_to}`, `need {run, from, n}`, `at {run, t, layer, head}`
and `sampling {temperature, top_k, top_p}`."""
TRIGGERS = ("branch", "open")
"""One-shot values: `branch {run, position, token_id, n}` and `open {run}`."""

player = Picture(
    "player",
    markup="next_word/picture.html",
    styles=(*STYLES, "next_word/picture.css"),
    scripts=SCRIPTS,
    events=(*STATES, *TRIGGERS),
)
"""Shows payloads of `player_payload.pack_growth`."""
