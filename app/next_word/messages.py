"""What goes to and comes from the picture of the page next_word, beside what all have (`app/shared/messages.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Ack, At, Need, RunArrays, RunHeader, TokenRange
from app.wire import Dims


class StageRange(TokenRange):
    """The steps `[from, to)` whose alternatives are contained."""

    key: Annotated[str, "names the settings that were applied; a new key replaces the old alternatives"]
    names: Annotated[list[str], "of the sampling stages; the first is the model itself"]


class Sliders(TypedDict):
    """The sampling settings that can be moved. As an event (`sampling`) sticky: the sliders were moved."""

    temperature: Annotated[float, "0 = greedy"]
    top_k: Annotated[int, "0 = off"]
    top_p: Annotated[float, "1 = off"]


class BranchEntry(TypedDict):
    """A run of the session, in the list of branches."""

    run: Annotated[str, "its name"]
    label: Annotated[str, "how the list calls it"]
    at: Annotated[int | None, "position at which it left its parent"]
    token: Annotated[str, "printable form of the token put there; may be empty"]
    parent: Annotated[str | None, "name of the run that it branched from"]


class NextWordHeader(RunHeader):
    """A run with its alternatives."""

    sampling: Annotated[Sliders | None, "where the sliders stand; null = there are none for this run"]
    branches: Annotated[list[BranchEntry], "all runs of the session, oldest first"]
    current: Annotated[str, "name of the run that is shown"]
    follow: Annotated[int, "grows when the playhead should jump to the end and follow"]
    answered: Annotated[float | None, "`n` of the branch that was asked for last"]
    stages: Annotated[StageRange | None, "null = no alternatives are contained"]
    labels: Annotated[dict[str, str], "printable form of every token in `alt_ids`, by its id"]


class NextWordArrays(RunArrays):
    """Those of the run, and the alternatives of the steps in `stages`."""

    alt_ids: NotRequired[Annotated[np.ndarray, Dims("<i4", "steps", "alternatives"), "token ids, likeliest first"]]
    stage_probs: NotRequired[
        Annotated[np.ndarray, Dims("<f4", "steps", "stages", "alternatives"), "probability after each stage; 0 = cut"]
    ]
    stage_kept: NotRequired[Annotated[np.ndarray, Dims("<i4", "steps", "stages"), "how many of all tokens are left"]]


class Branch(TypedDict):
    """One-shot. Another token is to stand at a position."""

    run: Annotated[str, "in which it was chosen"]
    position: Annotated[int, "where it is to stand"]
    token_id: Annotated[int, "of the other token"]
    n: Annotated[float, "the browser's clock; what is asked for later has a larger one"]


class Open(TypedDict):
    """One-shot. Another run of the session is to be shown."""

    run: Annotated[str, "its name"]


HEADER, ARRAYS = NextWordHeader, NextWordArrays
EVENTS: Mapping[str, type] = {"ack": Ack, "need": Need, "at": At, "sampling": Sliders, "branch": Branch, "open": Open}
"""By name, what the picture says."""
