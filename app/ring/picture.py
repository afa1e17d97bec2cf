"""The picture of the page `ring`: all rings of one run, one ring large, one slot with its numbers."""

from app.shared.picture import Picture

STATES = ("ack", "need", "at")
"""Sticky values: `ack {run, to}`, `need {run, from, n}` and `at {run, t, layer, head}`."""
TRIGGERS = ("measure", "cancel", "live", "slot")
"""One-shot values: `measure {run, position, step, word}`, `cancel {run}`, `live {run}` and
`slot {run, layer, position}`."""

ring_picture = Picture("ring", events=(*STATES, *TRIGGERS))
"""Shows payloads of `app.ring.payload.ring_parts`."""
