"""Windows that a text can be read or written with, other than those of the training."""

from __future__ import annotations

from collections.abc import Sequence

from mistral_core.checkpoint.registry import WIDEST_IMPOSED
from mistral_core.config import MistralConfig, Window

WINDOWS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, WIDEST_IMPOSED)
"""Those wider than 64 only for models that see farther themselves."""


def window_options(config: MistralConfig) -> list[int]:
    """Windows to choose from, the model's own left out if all its layers have the same."""
    own = set(config.windows)
    widest = 1024 if None in own else max(window for window in own if window is not None)
    return [window for window in WINDOWS if window <= max(64, widest) and own != {window}]


def in_words(windows: Sequence[Window]) -> str:
    """What a model was trained with, after "trained".

    >>> in_words((16, 16)), in_words((None,)), in_words((None, 8))
    ('with a window of 16', 'without a window', 'with windows of 8 and without')
    """
    sizes = sorted({window for window in windows if window is not None})
    if not sizes:
        return "without a window"
    named = (
        f"a window of {sizes[0]:,}"
        if len(sizes) == 1 and None not in windows
        else ("windows of " + " and ".join(f"{size:,}" for size in sizes))
    )
    return f"with {named}" + (" and without" if None in windows else "")
