"""Windows by layer, as published configurations have them, and what they let through.

    reach of k layers    sum of (W - 1) over them; one layer without a window makes it all of the text

Source: named beside each; the numbers are those of the files, layers and windows alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from mistral_core.config import Window


@dataclass(frozen=True, kw_only=True)
class Published:
    """The windows of a published model.

    Attributes:
        windows: of every layer; `None` = the whole text. source: the file, and the paper if there is one.
    """

    name: str
    windows: tuple[Window, ...]
    source: str


def alternating(n_layers: int, local: int, window: int, *, first: bool = True) -> tuple[Window, ...]:
    """`local` layers with a window, then one without, over and over.

    Args:
        first: whether the layers with a window come first.

    >>> alternating(5, 2, 8), alternating(3, 1, 8, first=False)
    ((8, 8, None, 8, 8), (None, 8, None))
    """
    round_: tuple[Window, ...] = (*[window] * local, None) if first else (None, *[window] * local)
    return tuple(round_[layer % len(round_)] for layer in range(n_layers))


def reach_by_layer(windows: tuple[Window, ...]) -> list[int | None]:
    """How many tokens back each state can depend on, after the first layer, the first two, ...; `None` = all.

    >>> reach_by_layer((3, 3, None, 3))
    [2, 4, None, None]
    """
    out: list[int | None] = []
    total: int | None = 0
    for window in windows:
        total = None if total is None or window is None else total + window - 1
        out.append(total)
    return out


PUBLISHED = (
    Published(
        name="Mistral 7B v0.1",
        windows=(4096,) * 32,
        source="mistralai/Mistral-7B-v0.1 config.json, sliding_window 4096; arXiv 2310.06825, table 1",
    ),
    Published(
        name="Mistral 7B v0.2 and v0.3",
        windows=(None,) * 32,
        source="mistralai/Mistral-7B-Instruct-v0.2 config.json, sliding_window null",
    ),
    Published(
        name="Gemma 2 2B",
        windows=alternating(26, 1, 4096),
        source="google/gemma-2-2b config.json, sliding_window 4096; every second layer global: arXiv 2408.00118",
    ),
    Published(
        name="Gemma 3 1B",
        windows=alternating(26, 5, 512),
        source="google/gemma-3-1b-pt config.json, sliding_window 512, sliding_window_pattern 6; arXiv 2503.19786",
    ),
    Published(
        name="gpt-oss-20b",
        windows=alternating(24, 1, 128),
        source="openai/gpt-oss-20b config.json, sliding_window 128, layer_types alternate",
    ),
    Published(
        name="Command R7B",
        windows=alternating(32, 3, 4096),
        source="CohereForAI/c4ai-command-r7b-12-2024 config.json, sliding_window 4096, sliding_window_pattern 4",
    ),
    Published(
        name="GPT-Neo 1.3B",
        windows=alternating(24, 1, 256, first=False),
        source="EleutherAI/gpt-neo-1.3B config.json, attention_types global and local by turns, window_size 256",
    ),
)
