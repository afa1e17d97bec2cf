"""The right function and the wrong one, as the panels show them, the line lit that makes the difference."""

from __future__ import annotations

from app.shared.messages import Code
from app.shared.source import source_of
from mistral_core.museum.exhibits import Exhibit
from mistral_core.museum.mistakes import RIGHT

WRONG_LINES = {
    "window-plus-one": "window += 1",
    "write-before-read": "ring.write(k, v, plan)",
    "full-too-early": "positions >= n_slots - 1",
    "not-unrotated": "in_order = before.sort(dim=1).values",
    "other-order": "keys.flip(2)",
    "rope-by-slot": "slots_of(positions, *slots)",
    "rope-by-place": "positions.clamp(max=n_slots - 1)",
    "half-split": "low, high = x.chunk(2, dim=-1)",
    "wrong-theta": "default = 1_000_000.0",
    "repeat-order": "by_turns = torch.arange",
    "no-causal-mask": "return (key_positions < 0)",
    "wrong-end": "chunk[:, :n_slots]",
    "empty-slots": "& ~empty",
    "trim-after-wrap": "ring.positions[ring.positions >= length] = EMPTY",
}
"""By mistake, a fragment of the wrong function."""
RIGHT_LINES = {
    "rotation": "angles = positions.to(torch.float64)",
    "hidden_keys": "visible = allowed(positions, key_positions, window, sinks)",
    "rotate": "view_as_complex",
    "read_and_write": "ring.write(k, v, plan)",
    "attend": "scores = torch.bmm",
    "slots": "return slots_of(positions",
    "plan": "staying =",
    "go_back": "if not torch.equal(expected, positions)",
}
"""By the place of a substitute, a fragment of the right function."""
LIT = "it"


def codes_of(chosen: Exhibit) -> list[Code]:
    """The right function, then the wrong one.

    Raises:
        ValueError: a fragment above is no longer in its function.
    """
    given = chosen.substitution
    (place,) = (name for name in RIGHT if getattr(given, name) is not None)
    right = source_of(RIGHT[place], {LIT: RIGHT_LINES[place]})
    return [right, source_of(given.function, {LIT: WRONG_LINES[chosen.name]})]
