"""What the page next_word sends: a run, the alternatives of its steps, and the runs beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.next_word.messages import BranchEntry, Sliders
from app.next_word.stages import StageBlock
from app.shared.messages import PictureName
from app.shared.run_payload import RunLike, run_parts
from app.wire import Parts


def next_word_parts(
    trace: RunLike,
    *,
    run: str,
    picture: PictureName = "next_word",
    stages: StageBlock | None = None,
    sampling: Sliders | None = None,
    branches: Sequence[BranchEntry] = (),
    current: str | None = None,
    follow: int = 0,
    answered: float | None = None,
    **growth: Any,
) -> Parts:
    """Tokens of a run, with alternatives.

    Args:
        stages: alternatives, from `stage_block` or `recorded_block`.
        sampling: where the sliders stand; `None` = no sliders.
        branches: all runs of the session; current: the one that is shown, by default this one.
        follow: a number that changes when the playhead should jump to the end and follow.
        answered: `n` of the branch that was asked for last.
        growth: as for `run_parts`.

    Raises:
        ValueError: as `run_parts`.
    """
    beside: dict[str, Any] = {
        "sampling": sampling,
        "branches": list(branches),
        "current": current or run,
        "follow": follow,
        "answered": answered,
        "stages": None,
        "labels": {},
    }
    arrays: dict[str, np.ndarray] = {}
    if stages is not None:
        beside["stages"] = {"key": stages.key, "from": stages.start, "to": stages.stop, "names": list(stages.names)}
        beside["labels"] = {str(token): label for token, label in stages.labels.items()}
        arrays = {"alt_ids": stages.ids, "stage_probs": stages.probs, "stage_kept": stages.survivors}
    return run_parts(trace, picture=picture, run=run, **growth) | Parts(beside, arrays)
