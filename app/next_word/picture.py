"""The picture of the page `next_word`: text, state grid, ring and timeline of one run, stepped in the browser."""

from app.shared.picture import Picture

STATES = ("ack", "need", "at", "sampling")
"""Sticky values: `ack {run, to, stages_key, stages_to}`, `need {run, from, n}`, `at {run, t, layer, head}`
and `sampling {temperature, top_k, top_p}`."""
TRIGGERS = ("branch", "open")
"""One-shot values: `branch {run, position, token_id, n}` and `open {run}`."""

next_word_picture = Picture("next_word", events=(*STATES, *TRIGGERS))
"""Shows payloads of `app.next_word.payload.next_word_parts`."""
