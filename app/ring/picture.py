"""The cache theatre: all rings of one run, one ring large, one slot with its numbers, stepped in the browser."""

from app.next_word import picture as player
from app.shared.picture import Picture

SCRIPTS = (
    *player.SHARED,
    "kit/ring.js",
    *(f"ring/{name}.js" for name in ("run", "parts", "atlas", "slot", "scenes", "forgotten", "theatre")),
)
STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to}`, `need {run, from, n}` and `at {run, t, layer, head}`."""
TRIGGERS = ("measure", "cancel", "live", "slot")
"""One-shot values: `measure {run, position, step, word}`, `cancel {run}`, `live {run}` and
`slot {run, layer, position}`."""

theatre = Picture(
    "theatre",
    markup="ring/picture.html",
    styles=(*player.STYLES, "ring/picture.css"),
    scripts=SCRIPTS,
    events=(*STATES, *TRIGGERS),
)
"""Shows payloads of `app.ring.payload.ring_parts`."""
