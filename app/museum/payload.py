"""What the museum of mistakes sends: the stories, a text read both ways, and what is drawn.

Nothing here imports torch or Streamlit.

Source: the numbers are those of `mistral_core.museum` (`reading`, `pictures`, `caught`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.museum.messages import Checked, Drawing, MuseumHeader, ReadBothWays, Story
from app.shared.messages import Code, Work
from app.shared.run_payload import RunLike, model_shape, tokens_of
from app.wire import Parts

LEVELS = 65535
_TYPES = {"read": np.uint16, "turned": np.float32, "angle": np.float32}


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """A text read both ways, and what is drawn of the mistake.

    Attributes:
        facts: numbers and words. error, kl: along the text.
        drawing: which picture. right, wrong: its arrays, as `mistral_core.museum.pictures.Drawn` names them.
    """

    facts: ReadBothWays
    error: np.ndarray
    kl: np.ndarray
    drawing: Drawing
    right: Mapping[str, np.ndarray]
    wrong: Mapping[str, np.ndarray]


def museum_parts(
    trace: RunLike,
    stories: Sequence[Story],
    mistake: str,
    measured: Measured | None = None,
    checked: Checked | None = None,
    *,
    run: str,
    length: int,
    growing: bool = False,
    asked: int = 0,
    message: str = "",
    can_measure: bool = True,
    at: int | None = None,
    reading: Work | None = None,
    stopped: bool = False,
    checking: Work | None = None,
    checkable: str = "",
    codes: Sequence[Code] = (),
) -> Parts:
    """The stories and what is known of the open one.

    Args:
        length: tokens that are read. measured, checked: `None` = not yet.
        reading, checking: of work under way. checkable: why verify cannot be asked. at: where the hand was.
    """
    windows = [window for window in trace.config.windows if window is not None]
    header: MuseumHeader = {
        "picture": "museum",
        "run": run,
        "asked": asked,
        "status": "running" if growing else "done",
        "message": message,
        "n_prompt": min(trace.n_prompt, length),
        "model": model_shape(trace),
        "can_measure": can_measure,
        "tokens": tokens_of(trace, 0, length),
        "unread": len(trace) - length,
        "at": None if at is None else min(at, length - 1),
        "window": min(windows) if windows else None,
        "stories": list(stories),
        "mistake": mistake,
        "measured": measured.facts if measured else None,
        "reading": reading,
        "stopped": stopped,
        "drawing": measured.drawing if measured else None,
        "checked": checked,
        "checking": checking,
        "checkable": checkable,
        "codes": list(codes),
    }
    return Parts(header, _arrays(measured) if measured else {})


def _arrays(measured: Measured) -> dict[str, np.ndarray]:
    arrays = {"error": measured.error.astype(np.float32), "kl": measured.kl.astype(np.float32)}
    for side, given in (("right", measured.right), ("wrong", measured.wrong)):
        for name, array in given.items():
            values = np.round(array * LEVELS) if name == "read" else array
            arrays[f"{name}_{side}"] = values.astype(_TYPES.get(name, np.int32))
    return arrays
