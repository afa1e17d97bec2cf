"""The picture of the residual stream: layers x positions, trajectories, contributions, and a patch by hand."""

from app.shared.picture import Picture

EVENTS = ("at", "ask", "held")
"""Three sticky values: `at {run, t, layer, head}`, where the playhead rests; `ask {run, n, pins, lender, cell}`, what
the visitor wants besides (the payload that answers it carries the same `n`); `held {run, lens, words, pinned, patch}`,
keys of what the browser has, so that it is not sent again."""

residual_picture = Picture("residual", events=EVENTS)
"""Shows payloads of `app.residual.payload.residual_parts`."""
