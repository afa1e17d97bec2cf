"""The picture of the page `start`: a text with one word to watch, a question about it, and the measured answer."""

from app.shared.picture import Picture

EVENTS = ("go",)
"""One-shot: `go {to}`, the page on which the visitor wants to go on: "ring" or "reach"."""

start_picture = Picture("start", events=EVENTS)
"""Shows payloads of `app.start.payload.start_parts`."""
