"""What the picture of one token is sent: the run, and the numbers of the token that it looks at.

The run goes by growth. Numbers of boxes are joined to one array, and a header says where each box lies; so are the
terms of the numbers that are worked out.

Nothing here imports torch or Streamlit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from app.inside_a_block.messages import BoxHeader, EndingHeader, InsideHeader, SeenHeader, SplitHeader, WorkedHeader
from app.shared.run_payload import RunLike, run_parts
from app.wire import Parts
from mistral_core.config import MistralConfig

NUMBERS_BUDGET = 2 * 2**20
"""Bytes of a token's numbers that are worth sending for all layers; above it those of the asked layer go alone."""


class WorkedLike(Protocol):
    """What is read of `mistral_core.analysis.worked_cell.Worked`."""

    @property
    def box(self) -> str: ...
    @property
    def cell(self) -> tuple[int, ...]: ...
    @property
    def left(self) -> np.ndarray: ...
    @property
    def right(self) -> np.ndarray: ...
    @property
    def left_name(self) -> str: ...
    @property
    def right_name(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def steps(self) -> Sequence[tuple[str, float]]: ...
    @property
    def result(self) -> float: ...
    @property
    def stored(self) -> float: ...
    @property
    def error(self) -> float: ...
    @property
    def agrees(self) -> bool: ...


class SplitLike(Protocol):
    """What is read of `mistral_core.analysis.score_split.ScoreSplit`."""

    @property
    def score(self) -> float: ...
    @property
    def by_pair(self) -> np.ndarray: ...
    @property
    def parts(self) -> tuple[str, ...]: ...
    @property
    def by_layer(self) -> np.ndarray: ...
    @property
    def error(self) -> float: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Box:
    """The numbers of one box; layer -1 = behind the last."""

    layer: int
    box: str
    values: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What is known of a token.

    Attributes:
        header: without boxes, worked numbers and split, which stand here.
        seen: by layer, positions of the keys.
        worked: numbers, and whether each is the first one that is looked at.
        split: the layer, head and key of a score, and the score taken apart.
    """

    header: InsideHeader
    boxes: Sequence[Box] = ()
    seen: Sequence[SeenHeader] = ()
    layer: int = 0
    worked: Sequence[tuple[WorkedLike, bool]] = ()
    split: tuple[int, int, int, SplitLike] | None = None


def empty_header(config: MistralConfig, **given: Any) -> InsideHeader:
    """The header of an answer that has no numbers (yet).

    Args:
        given: its other fields: n, t, status, and perhaps text, changes, gap, ending, split_note.
    """
    header: InsideHeader = {
        "n": 0.0,
        "t": 0,
        "head": 0,
        "status": "failed",
        "text": "",
        "shape": {
            "dim": config.dim,
            "head_dim": config.head_dim,
            "hidden_dim": config.hidden_dim,
            "norm_eps": config.norm_eps,
            "rope_theta": config.rope_theta,
        },
        "changes": [],
        "gap": None,
        "boxes": [],
        "seen": [],
        "worked": [],
        "split": None,
        "split_note": "",
        "ending": None,
        "codes": [],
    }
    return {**header, **given}  # type: ignore[typeddict-item]


def answer_parts(answer: Answer) -> Parts:
    """The answer as it is sent."""
    arrays: dict[str, np.ndarray] = {}
    boxes, at = list[BoxHeader](), 0
    for one in answer.boxes:
        boxes.append({"layer": one.layer, "box": one.box, "shape": list(one.values.shape), "at": at})
        at += one.values.size
    if boxes:
        arrays["numbers"] = np.concatenate([one.values.astype(np.float32).ravel() for one in answer.boxes])
    worked, at = list[WorkedHeader](), 0
    for cell, first in answer.worked:
        worked.append(_worked(cell, answer.layer, first, at))
        at += len(cell.left)
    if worked:
        columns = [np.stack((cell.left, cell.right), 1).reshape(-1, 2) for cell, _ in answer.worked]
        arrays["terms"] = np.concatenate(columns).astype(np.float32)
    split: SplitHeader | None = None
    if answer.split is not None:
        layer, head, key, parted = answer.split
        score, error = _finite(parted.score), _finite(parted.error)
        split = {"layer": layer, "head": head, "key": key, "score": score, "parts": list(parted.parts), "error": error}
        arrays |= {"split_pairs": parted.by_pair.astype(np.float32), "split_layers": parted.by_layer.astype(np.float32)}
    header = {**answer.header, "boxes": boxes, "seen": list(answer.seen), "worked": worked, "split": split}
    return Parts({"inside": header}, arrays)


def token_parts(trace: RunLike, answer: Parts | None, *, run: str, box: str = "", **growth: Any) -> Parts:
    """Tokens of a run, and the answer to what is looked at.

    Args:
        answer: from `answer_parts`; `None` = the browser has it, or nothing was asked.
        box: that an address asks for.
        growth: as for `run_parts`.

    Raises:
        ValueError: as `run_parts`.
    """
    beside = Parts({"inside": None}) if answer is None else answer
    return run_parts(trace, picture="inside_a_block", run=run, **growth) | beside | Parts({"box": box})


def _worked(cell: WorkedLike, layer: int, first: bool, at: int) -> WorkedHeader:
    return {
        "layer": layer,
        "box": cell.box,
        "cell": list(cell.cell),
        "first": first,
        "left_name": cell.left_name,
        "right_name": cell.right_name,
        "labels": list(cell.labels),
        "steps": [(text, float(value)) for text, value in cell.steps],
        "result": cell.result,
        "stored": _finite(cell.stored),
        "error": _finite(cell.error),
        "agrees": cell.agrees,
        "at": at,
        "count": len(cell.left),
    }


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None


__all__ = ["Answer", "Box", "EndingHeader", "answer_parts", "empty_header", "token_parts"]
