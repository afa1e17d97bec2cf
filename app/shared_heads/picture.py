"""The picture of the page `shared_heads`: heads, the keys they share, and what one key/value head is good for."""

from app.shared.picture import Picture

STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to}`, `need {run, from, n}` and `at {run, t, layer, head}`."""
TRIGGERS = ("layer", "take", "stop")
"""One-shot values: `layer {run, layer}`, `take {run, layer, kv_head, takes}` and `stop {run}`."""

shared_heads_picture = Picture("shared_heads", events=(*STATES, *TRIGGERS))
"""Shows payloads of `app.shared_heads.payload.shared_heads_parts`."""
