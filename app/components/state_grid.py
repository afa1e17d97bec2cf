"""The state grid of the page `reach`: the text, the grid with its three readings, what was found."""

from app.components.picture import Picture

SCRIPTS = (
    "player/base.js", "player/store.js", "player/popover.js", "player/surface.js",
    "state_grid/picture.js", "state_grid/hops.js", "state_grid/strip.js", "state_grid/side.js", "state_grid/page.js",
)  # fmt: skip
EVENTS = ("ask", "act")
"""Two sticky values: `ask {run, n, reading, source, target, replacement, word, cut, window, layer}`, what the visitor
wants to see next (the payload that answers it carries the same `n`), or `ask {run, n, at {t, layer, head}}`, where the
hand was on the page before; and `act {run, what, n}`, a button: write,
stop, again."""

state_grid = Picture(
    "state_grid", markup="state_grid/state_grid.html", styles=("player/player.css", "state_grid/state_grid.css"),
    scripts=SCRIPTS, events=EVENTS,
)  # fmt: skip
"""Shows payloads of `reach_payload.pack_reach`."""
