"""The player: the text, the state grid, the ring and the timeline of one run, stepped in the browser."""

from app.components.picture import Picture

SHARED = tuple(f"player/{name}.js" for name in ("base", "store", "text", "timeline", "surface", "playhead"))
"""Joined first in every picture that steps through a run."""
STYLES = ("player/player.css", "player/panels.css")
SCRIPTS = (
    *SHARED, *(f"player/{name}.js" for name in ("popover", "bars", "grid", "ring", "panels", "player", "serve")),
)  # fmt: skip
STATES = ("ack", "need", "at", "sampling")
"""Sticky values: `ack {run, to, stages_key, stages_to}`, `need {run, from, n}`, `at {run, t, layer, head}`
and `sampling {temperature, top_k, top_p}`."""
TRIGGERS = ("branch", "open")
"""One-shot values: `branch {run, position, token_id, n}` and `open {run}`."""

player = Picture(
    "player", markup="player/player.html", styles=STYLES, scripts=SCRIPTS, events=(*STATES, *TRIGGERS)
)  # fmt: skip
"""Shows payloads of `player_payload.pack_growth`."""
