"""The picture of the page `break_it`: the text, the map of knock-outs, and both runs beside each other."""

from app.shared.picture import Picture

EVENTS = ("ask", "act")
"""Two sticky values: `ask {run, n, target, level, changes, writing}`, what the visitor wants to see next (the payload
that answers it carries the same `n`), or `ask {run, n, at {t, layer, head}}`, where the hand was on the page before;
and `act {run, what, n}`, a button: stop, again."""

break_picture = Picture("break_it", events=EVENTS)
"""Shows payloads of `app.break_it.payload.break_parts`."""
