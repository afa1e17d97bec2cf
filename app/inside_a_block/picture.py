"""The picture of one token in one layer: a diagram of the block, every box with the true numbers."""

from app.shared.picture import Picture

STATES = ("ack", "need", "at", "look")
"""Sticky values: `ack {run, to, parts}`, `need {run, from, n}`, `at {run, t, layer, head}`, and what is looked at."""

token_picture = Picture("inside_a_block", events=STATES)
"""Shows payloads of `app.inside_a_block.payload.token_parts`."""
