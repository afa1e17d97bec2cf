"""The first minute: the player with one word to watch, a question about it, and the measured answer."""

from app.next_word import picture as player
from app.shared.picture import Picture

SCRIPTS = (*player.SCRIPTS[:-1], "start/grid.js", "start/card.js", "start/minute.js")
EVENTS = ("go",)
"""One-shot: `go {to}`, the page on which the visitor wants to go on: "ring" or "reach"."""

minute = Picture(
    "minute",
    markup="next_word/picture.html",
    styles=(*player.STYLES, "start/picture.css"),
    scripts=SCRIPTS,
    events=EVENTS,
)
"""Shows `app.start.payload.start_parts`."""
