"""What the page window sends: the text, queries and keys of a reading, its change, and the countable case.

Nothing here imports torch or Streamlit.

Source: the numbers are those of `mistral_core.analysis.mask_reading` and `mistral_core.analysis.countable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.shared.messages import Code, Place, Work
from app.shared.run_payload import RunLike, model_shape, tokens_of
from app.window.messages import WindowHeader
from app.window.question import Choice, widest_choice
from app.wire import Parts
from mistral_core.config import MistralConfig, Window

MOST_TOKENS = 384
"""Tokens of a text that are read and shown: a mask is a square."""
BUDGET = 6 * 2**20
"""Bytes of queries and keys that are sent at once; above, one layer goes, and another one when it is asked for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one reading gave.

    Attributes:
        windows: of its layers. layers: whose queries and keys are here, from 0.
        error: largest difference of the weights derived from these to the model's own.
        against: what `largest` and `kl` are measured against; "" = nothing.
    """

    windows: tuple[Window, ...]
    layers: tuple[int, ...]
    queries: np.ndarray
    keys: np.ndarray
    error: float
    against: Literal["", "trained", "W"] = ""
    largest: np.ndarray | None = None
    kl: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """The countable case with one window: see `mistral_core.analysis.countable.Countable`."""

    window: int
    reach: int
    paper: int
    pattern: np.ndarray
    felt: np.ndarray


def layers_sent(config: MistralConfig, length: int, layer: int) -> tuple[int, ...]:
    """All layers if their queries and keys are within the budget, else the one that is looked at."""
    one = 4 * length * (config.n_heads + config.n_kv_heads) * config.head_dim
    return tuple(range(config.n_layers)) if one * config.n_layers <= BUDGET else (min(layer, config.n_layers - 1),)


def window_parts(
    trace: RunLike,
    choice: Choice,
    measured: Measured | None,
    cases: Sequence[Case],
    *,
    run: str,
    asked: int = 0,
    status: Literal["running", "done"] = "done",
    message: str = "",
    can_measure: bool = True,
    at: Place | None = None,
    reading: Work | None = None,
    codes: Sequence[Code] = (),
) -> Parts:
    """The text and what is known of it.

    Args:
        measured: `None` = not read yet, or not to be read. cases: with W and with W + 1.
        reading: of work under way: steps done, in all, and what is done. codes: functions that the picture shows.

    Raises:
        ValueError: a window that cannot be chosen.
    """
    choice, length = choice.inside(trace.config), min(len(trace), MOST_TOKENS)
    header: WindowHeader = {
        "picture": "window",
        "run": run,
        "asked": asked,
        "status": status,
        "message": message,
        "n_prompt": min(trace.n_prompt, length),
        "total": len(trace),
        "model": model_shape(trace),
        "widest": widest_choice(trace.config),
        "can_measure": can_measure,
        "tokens": tokens_of(trace, 0, length),
        "at": at,
        "choice": {"window": choice.window, "plus": choice.plus},
        "windows": list(measured.windows) if measured else [],
        "layers": list(measured.layers) if measured else [],
        "error": measured.error if measured else None,
        "against": measured.against if measured else "",
        "reading": reading,
        "cases": [{"window": case.window, "reach": case.reach, "paper": case.paper} for case in cases],
        "codes": list(codes),
    }
    arrays = {
        "case_pattern": np.stack([case.pattern for case in cases]).astype(np.float32),
        "case_felt": np.stack([case.felt for case in cases]).astype(np.float32),
    }
    if measured is not None:
        named = {name: getattr(measured, name) for name in ("queries", "keys", "largest", "kl")}
        arrays |= {name: np.asarray(array, np.float32) for name, array in named.items() if array is not None}
    return Parts(header, arrays)
