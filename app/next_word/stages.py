"""The alternatives of each step, and what each sampling stage makes of them: computed from logits, or as recorded.

What the sampling sliders change has its own key and its own range, so that moving a slider sends it alone.

Source: stages are those of `mistral_core.sampling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from app.shared.run_payload import RunLike
from mistral_core.trace.compact import TOP_IDS, TOP_KEPT, TOP_LABELS, TOP_PROBS, TOP_STAGES

TOP_K = 20
"""Alternatives shown for each step."""
LabelOf = Callable[[int], str]
"""Printable form of a token id."""


class StageLike(Protocol):
    """One sampling stage: `mistral_core.sampling.Stage`, or anything with these two."""

    @property
    def name(self) -> str: ...
    @property
    def probs(self) -> np.ndarray: ...


StagesOf = Callable[[np.ndarray, Sequence[int]], Sequence[StageLike]]
"""`(logits [vocab_size], ids read so far) -> stages`, the first being the model's own distribution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StageBlock:
    """The alternatives of the steps `[start, start + n)` and what each sampling stage makes of them.

    Attributes:
        key: names the settings that were applied; a new key replaces the old block on screen.
        start: first step.
        names: one per stage; the first is the model itself.
        ids: `[n, K]` int32 token ids, likeliest first by the model's own probability.
        probs: `[n, S, K]` float32 probability of each after each stage; 0 = cut.
        survivors: `[n, S]` int32, how many of all tokens a stage leaves.
        labels: printable form of every id in `ids`.
    """

    key: str
    start: int
    names: tuple[str, ...]
    ids: np.ndarray
    probs: np.ndarray
    survivors: np.ndarray
    labels: Mapping[int, str]

    @property
    def stop(self) -> int:
        """One past the last step."""
        return self.start + len(self.ids)

    def since(self, start: int) -> StageBlock:
        """The same without the steps before `start`."""
        skip = start - self.start
        ids = self.ids[skip:]
        return replace(
            self,
            start=start,
            ids=ids,
            probs=self.probs[skip:],
            survivors=self.survivors[skip:],
            labels={int(i): self.labels[int(i)] for i in np.unique(ids)},
        )

    def followed_by(self, other: StageBlock) -> StageBlock:
        """Both as one; the other one begins where this one ends."""
        return replace(
            self,
            ids=np.concatenate((self.ids, other.ids)),
            probs=np.concatenate((self.probs, other.probs)),
            survivors=np.concatenate((self.survivors, other.survivors)),
            labels={**self.labels, **other.labels},
        )


def stage_block(
    run: RunLike, stages_of: StagesOf, *, key: str, start: int, stop: int, label_of: LabelOf, top_k: int = TOP_K
) -> StageBlock:
    """Applies the sampling stages to the stored logits of the steps `[start, stop)`.

    Raises:
        ValueError: an empty or impossible range.
        KeyError: the run has no logits.
    """
    _check_range(start, stop, len(run))
    rows = np.asarray(run.logits[start:stop])
    k = min(top_k, rows.shape[-1])
    ids = np.stack([_likeliest(row, k) for row in rows]).astype(np.int32)
    names: tuple[str, ...] = ()
    probs, survivors = [], []
    history = [int(i) for i in run.token_ids[:stop]]
    for step, row in enumerate(rows):
        stages = stages_of(row, history[: start + step + 1])
        names = tuple(stage.name for stage in stages)
        rows_of = _distinct(stages)
        probs.append([row[ids[step]] for row in rows_of])
        survivors.append([np.count_nonzero(row) for row in rows_of])
    return StageBlock(
        key=key,
        start=start,
        names=names,
        ids=ids,
        probs=np.asarray(probs, np.float32),
        survivors=np.asarray(survivors, np.int32),
        labels={int(i): label_of(int(i)) for i in np.unique(ids)},
    )


def recorded_block(run: RunLike, start: int, stop: int) -> StageBlock:
    """The stage block that `mistral_core.trace.compact.distil` stored (its settings cannot be changed any more).

    Raises:
        KeyError: the run is not a distilled one.
    """
    _check_range(start, stop, len(run))
    ids = np.asarray(run[TOP_IDS][start:stop], np.int32)
    labels = run.settings[TOP_LABELS]
    return StageBlock(
        key="recorded",
        start=start,
        names=tuple(run.settings[TOP_STAGES]),
        ids=ids,
        probs=np.asarray(run[TOP_PROBS][start:stop], np.float32),
        survivors=np.asarray(run[TOP_KEPT][start:stop], np.int32),
        labels={int(i): labels[str(i)] for i in np.unique(ids)},
    )


def _distinct(stages: Sequence[StageLike]) -> list[np.ndarray]:
    """The probabilities after each stage; one that changed nothing is not computed again."""
    rows: list[np.ndarray] = []
    for before, stage in zip((None, *stages), stages, strict=False):
        left = getattr(stage, "logits", None)
        same = before is not None and left is not None and left is getattr(before, "logits", None)
        rows.append(rows[-1] if same else stage.probs)
    return rows


def _likeliest(logits: np.ndarray, k: int) -> np.ndarray:
    """Ids of the k largest, largest first, the lower id first on ties."""
    threshold = np.partition(logits, -k)[-k]
    candidates = np.flatnonzero(logits >= threshold)
    return candidates[np.argsort(-logits[candidates], kind="stable")][:k]


def _check_range(start: int, stop: int, length: int) -> None:
    if not 0 <= start < stop <= length:
        raise ValueError(f"steps {start} to {stop} are not in this run; choose a range inside 0 to {length}")
