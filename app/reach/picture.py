"""The state grid of the page `reach`: the text, the grid with its three readings, what was found."""

from app.next_word.picture import STYLES
from app.shared.picture import Picture

SCRIPTS = (
    "kit/base.js",
    "kit/store.js",
    "kit/popover.js",
    "kit/surface.js",
    "reach/picture.js",
    "reach/hops.js",
    "reach/strip.js",
    "reach/side.js",
    "reach/page.js",
)
EVENTS = ("ask", "act")
"""Two sticky values: `ask {run, n, reading, source, target, replacement, word, cut, window, layer}`, what the visitor
wants to see next (the payload that answers it carries the same `n`), or `ask {run, n, at {t, layer, head}}`, where the
hand was on the page before; and `act {run, what, n}`, a button: write,
stop, again."""

state_grid = Picture(
    "state_grid",
    markup="reach/picture.html",
    styles=(*STYLES, "reach/picture.css"),
    scripts=SCRIPTS,
    events=EVENTS,
)
"""Shows payloads of `reach_payload.pack_reach`."""
