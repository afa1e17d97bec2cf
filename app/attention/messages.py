"""What goes to and comes from the picture of the page attention, beside what all have (`app/shared/messages.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np

from app.shared.messages import Ack, At, Need, OfRun, RunArrays, RunHeader
from app.wire import Dims


class ExtrasHeader(TypedDict):
    """What is derived from the whole of a run at one length; the arrays beside those of the run belong to it."""

    key: Annotated[str, "names run, length and what is contained; what has the same key is the same"]
    notes: Annotated[list[str], "one sentence for each thing that was left out"]
    measures: Annotated[list[str], "what the rows of the array `measures` are; empty = none could be computed"]
    queries: Annotated[dict[str, list[int]], "by measure, how many queries of each layer it is a mean of"]


class EdgeOfFinding(TypedDict):
    """One key of one query, and what it does."""

    kind: Annotated[Literal["watched", "decisive"], "much looked at, or looked at less and yet it matters"]
    query: Annotated[int, "position"]
    key: Annotated[int, "position"]
    attention: Annotated[float, "mean weight over all layers and heads"]
    kl: Annotated[float, "change of the prediction when no layer sees the key, nats"]


class FindingSaid(TypedDict):
    """There is no search, none is possible here, or it failed."""

    state: Annotated[Literal["idle", "impossible", "failed"], "of the search"]
    text: Annotated[str, "a sentence; may be empty"]


class FindingRunning(TypedDict):
    """The search is under way."""

    state: Annotated[Literal["running"], "of the search"]
    done: Annotated[int, "steps"]
    total: Annotated[int, "steps in all"]
    doing: Annotated[str, "what is done now; may be empty"]


class FindingDone(TypedDict):
    """What the search gave."""

    state: Annotated[Literal["done"], "of the search"]
    edges: Annotated[list[EdgeOfFinding], "the watched one, then the decisive one; empty = there is no disagreement"]
    text: Annotated[str, "a sentence on the result"]
    length: Annotated[int, "tokens that the run had when it was searched"]
    more: Annotated[bool, "whether the run has grown since"]
    reach: Annotated[bool, "whether there is a page that follows the change"]


Finding = FindingSaid | FindingRunning | FindingDone


class AttentionHeader(RunHeader):
    """A run, the state of the search in it, and what is derived from it if the browser lacks that."""

    finding: Annotated[Finding, "of the search for a disagreement"]
    extras: Annotated[ExtrasHeader | None, "null = the browser has them, or they are not ready"]


class AttentionArrays(RunArrays):
    """Those of the run, and those of the extras; shares are value x 65535."""

    measures: NotRequired[
        Annotated[
            np.ndarray, Dims("<f4", "kinds", "n_layers", "n_heads"), "numbers of the heads; NaN = not defined here"
        ]
    ]
    mean: NotRequired[Annotated[np.ndarray, Dims("<u2", "length", "offsets"), "mean weight, by key offset"]]
    max: NotRequired[Annotated[np.ndarray, Dims("<u2", "length", "offsets"), "largest weight, by key offset"]]
    rollout: NotRequired[Annotated[np.ndarray, Dims("<u2", "length", "reach_offsets"), "rollout, by key offset"]]
    without_first: NotRequired[
        Annotated[
            np.ndarray,
            Dims("<u2", "queries", "n_layers", "n_heads", "offsets"),
            "weights scaled anew without position 0, of the queries that see it",
        ]
    ]
    scores: NotRequired[
        Annotated[
            np.ndarray,
            Dims("<f4", "length", "n_layers", "n_heads", "offsets"),
            "before the softmax; minus infinity = masked",
        ]
    ]


class Find(OfRun):
    """One-shot. The search for a disagreement is to begin (`find`) or to end (`cancel`)."""


class ReadScores(OfRun):
    """One-shot. The text is to be read again for its scores."""


class FollowChange(OfRun):
    """One-shot. The page that follows a change is to be opened."""


HEADER, ARRAYS = AttentionHeader, AttentionArrays
EVENTS: Mapping[str, type] = {
    "ack": Ack,
    "need": Need,
    "at": At,
    "find": Find,
    "cancel": Find,
    "scores": ReadScores,
    "reach": FollowChange,
}
"""By name, what the picture says."""
