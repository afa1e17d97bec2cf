"""The atlas: every head's attention as a thumbnail, one head large, and arcs in the text."""

from app.next_word import picture as player
from app.shared.picture import Picture
from app.theme import OKABE_ITO

SCRIPTS = (
    *player.SHARED,
    *(f"attention/{name}.js" for name in ("values", "words", "thumbs", "large", "table", "finding", "atlas")),
)
STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to, extras}`, `need {run, from, n}`, `at {run, t, layer, head}`."""
TRIGGERS = ("find", "cancel", "scores", "reach")
"""One-shot values: start or stop the search for a disagreement, read the scores, open the page
that follows a change."""
CATEGORIES = tuple(OKABE_ITO[i] for i in (3, 1, 4, 2, 0, 6, 5))
"""Of the key/value heads; those least like the colours of query and attention come first."""

atlas = Picture(
    "atlas",
    markup="attention/picture.html",
    styles=(*player.STYLES, "attention/picture.css"),
    scripts=SCRIPTS,
    events=(*STATES, *TRIGGERS),
    constants={"MX_GROUPS": CATEGORIES},
)
"""Shows payloads of `app.attention.payload.attention_parts`."""
