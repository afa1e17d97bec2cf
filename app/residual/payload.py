"""What the residual stream's picture is sent: the text, and of the lens what the browser lacks.

Nothing here imports torch or Streamlit.

Source: the numbers are those of `mistral_core.analysis.logit_lens`, `attribution` and `patched_cell`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from app.residual.messages import Block, LensFacts, PatchFacts, ResidualHeader
from app.shared.messages import Place, Work
from app.shared.run_payload import RunLike, model_shape, tokens_of
from app.wire import Parts

Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lensed:
    """The lens of some positions, as `ResidualArrays` names it; `stream` is what it was read from."""

    facts: LensFacts
    arrays: Mapping[str, np.ndarray]
    labels: Labels
    stream: Any = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Worded:
    """What parts promote at some positions."""

    facts: Block
    arrays: Mapping[str, np.ndarray]
    labels: Labels


@dataclass(frozen=True, kw_only=True, eq=False)
class Followed:
    """Pinned tokens in every cell."""

    facts: Block
    arrays: Mapping[str, np.ndarray]
    labels: Labels


@dataclass(frozen=True, kw_only=True, eq=False)
class Patched:
    """Another text's lens, and what one of its cells does in this text."""

    facts: PatchFacts
    arrays: Mapping[str, np.ndarray]
    labels: Labels


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What is known by now."""

    lens: Lensed | None = None
    words: Worded | None = None
    pinned: Followed | None = None
    patch: Patched | None = None
    held: Mapping[str, Any] = field(default_factory=dict)

    def missing(self) -> list[Lensed | Worded | Followed | Patched]:
        """What the browser does not have."""
        known = {"lens": self.lens, "words": self.words, "pinned": self.pinned, "patch": self.patch}
        return [one for name, one in known.items() if one is not None and self.held.get(name) != one.facts["key"]]


def residual_parts(
    trace: RunLike,
    measured: Measured,
    *,
    run: str,
    at: Place,
    pins: tuple[int, ...] = (),
    asked: int = 0,
    status: Literal["running", "done"] = "done",
    message: str = "",
    can_measure: bool = True,
    working: Work | None = None,
) -> Parts:
    """The whole text and what is known of its stream.

    Args:
        at: where the playhead is. working: of work under way: steps done, in all, and what is done.
    """
    labels: dict[str, str] = {}
    arrays: dict[str, np.ndarray] = {}
    for one in measured.missing():
        labels |= one.labels
        arrays |= {name: _narrow(array) for name, array in one.arrays.items()}
    header: ResidualHeader = {
        "picture": "residual",
        "run": run,
        "asked": asked,
        "status": status,
        "message": message,
        "n_prompt": trace.n_prompt,
        "model": model_shape(trace),
        "can_measure": can_measure,
        "tokens": tokens_of(trace, 0, len(trace)),
        "at": at,
        "pins": list(pins),
        "labels": labels,
        "lens": measured.lens.facts if measured.lens else None,
        "words": measured.words.facts if measured.words else None,
        "pinned": measured.pinned.facts if measured.pinned else None,
        "patch": measured.patch.facts if measured.patch else None,
        "working": working,
    }
    return Parts(header, arrays)


def _narrow(array: np.ndarray) -> np.ndarray:
    """As it travels."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    return array.astype(np.int32 if np.issubdtype(array.dtype, np.integer) else np.float32)
