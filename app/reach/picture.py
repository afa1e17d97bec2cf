"""The picture of the page `reach`: the text, the state grid with its three readings, and what they say."""

from app.shared.picture import Picture

EVENTS = ("ask", "act")
"""Two sticky values: `ask {run, n, reading, source, target, replacement, word, cut, window, layer}`, what the visitor
wants to see next (the payload that answers it carries the same `n`), or `ask {run, n, at {t, layer, head}}`, where the
hand was on the page before; and `act {run, what, n}`, a button: write, stop, again."""

reach_picture = Picture("reach", events=EVENTS)
"""Shows payloads of `app.reach.payload.reach_parts`."""
