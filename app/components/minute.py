"""The first minute: the player with one word to watch, a question about it, and the measured answer."""

from app.components import player
from app.components.picture import Picture

SCRIPTS = (*player.SCRIPTS[:-1], "minute/grid.js", "minute/card.js", "minute/minute.js")
EVENTS = ("go",)
"""One-shot: `go {to}`, the page on which the visitor wants to go on: "ring" or "reach"."""

minute = Picture(
    "minute", markup="player/player.html", styles=(*player.STYLES, "minute/minute.css"), scripts=SCRIPTS, events=EVENTS
)
"""Shows `player_payload.pack_growth(..., mode="start", story=...)`."""
