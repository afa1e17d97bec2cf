"""The picture of the page `attention`: every head as a thumbnail, one head large, and arcs in the text."""

from app.shared.picture import Picture

STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to, extras}`, `need {run, from, n}`, `at {run, t, layer, head}`."""
TRIGGERS = ("find", "cancel", "scores", "reach")
"""One-shot values: start or stop the search for a disagreement, read the scores, open the page
that follows a change."""

attention_picture = Picture("attention", events=(*STATES, *TRIGGERS))
"""Shows payloads of `app.attention.payload.attention_parts`."""
