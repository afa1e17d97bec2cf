"""Whether a text has room for the edge of what can be felt, and what can be done where it has not."""

from __future__ import annotations

from app.reach.messages import ShortText
from app.reach.question import Choice
from app.shared.windows import window_options
from mistral_core.config import MistralConfig

WRITE_ON = 2000
"""Tokens that a visitor is offered to have written, at most."""


def too_short(config: MistralConfig, choice: Choice, length: int, *, goes_on: bool = True) -> ShortText | None:
    """What could be done about a text in which no change can pass the edge; `None` = there is room for one.

    Args:
        config: of the model. length: of the text. goes_on: more of it can be written.
    """
    shape = choice.shape(config)
    reach = shape.exact_reach()
    if reach is None or length > reach + 1:
        return None
    widest = max(window for window in shape.windows if window is not None)
    wanted = choice.source + reach + 1 + widest - length
    narrower = [w for w in window_options(config) if w < widest and config.n_layers * (w - 1) < length // 2]
    return {
        "leaves": length > widest,
        "more": wanted if goes_on and wanted <= WRITE_ON else 0,
        "narrower": max(narrower, default=0),
    }
