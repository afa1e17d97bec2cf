"""The picture of the page `window`: the mask of a running model with its scores, and a case that can be counted."""

from app.shared.picture import Picture

EVENTS = ("ask", "at")
"""Two sticky values: `ask {run, n, window, plus, layer}`, another window or a layer whose numbers have not come (the
payload that answers it carries the same `n`), and `at {run, t, layer, head}`, where the eye has come to rest."""

window_picture = Picture("window", events=EVENTS)
"""Shows payloads of `app.window.payload.window_parts`."""
