"""The cache theatre: all rings of one run, one ring large, one slot with its numbers, stepped in the browser."""

from app.components import player
from app.components.picture import Picture

SCRIPTS = (
    *player.SHARED, "player/ring.js",
    *(f"theatre/{name}.js" for name in ("run", "parts", "atlas", "slot", "scenes", "forgotten", "theatre")),
)  # fmt: skip
STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to}`, `need {run, from, n}` and `at {run, t, layer, head}`."""
TRIGGERS = ("measure", "cancel", "live", "slot")
"""One-shot values: `measure {run, position, step, word}`, `cancel {run}`, `live {run}` and
`slot {run, layer, position}`."""

theatre = Picture(
    "theatre", markup="theatre/theatre.html", styles=(*player.STYLES, "theatre/theatre.css"), scripts=SCRIPTS,
    events=(*STATES, *TRIGGERS),
)  # fmt: skip
"""Shows payloads of `theatre_payload.pack_theatre`."""
