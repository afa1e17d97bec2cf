"""The picture `museum`: the mistakes, the open one's picture, the text read both ways, and what verify says."""

from app.shared.picture import Picture

EVENTS = ("ask", "act")
"""Two sticky values: `ask {run, n, mistake}`, what is opened (the payload that answers carries the same `n`), and
`act {run, what, n}`, a button: stop, again, verify, stop_verify."""

museum_picture = Picture("museum", events=EVENTS)
"""Shows payloads of `app.museum.payload.museum_parts`."""
