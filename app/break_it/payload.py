"""What the page break_it sends: the text, the map of knock-outs, and what the chosen changes do.

Nothing here imports torch or Streamlit.

Source: the numbers are those of `mistral_core.analysis.knock_out_map` and `analysis.intervening`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from app.break_it.messages import BreakHeader, ChangedFacts, Level, Writing
from app.break_it.question import Choice
from app.shared.messages import Work
from app.shared.run_payload import RunLike, model_shape, tokens_of
from app.wire import Parts
from mistral_core.analysis.spelled_changes import spelled


@dataclass(frozen=True, kw_only=True, eq=False)
class Mapped:
    """What every part does to one prediction.

    Attributes:
        token: whose probability is meant. log_prob: as it is, nats. follows: whether it follows in the text.
        arrays: changes and KL by part, as `BreakArrays` names them.
    """

    token: int
    log_prob: float
    follows: bool
    arrays: Mapping[str, np.ndarray]

    def strongest(self) -> str:
        """The head without which the token is least likely, as a URL has it."""
        heads = self.arrays["heads"]
        layer, head = np.unravel_index(int(np.argmin(heads)), heads.shape)
        return spelled("head", int(layer), int(head))


@dataclass(frozen=True, kw_only=True, eq=False)
class Changed:
    """What the changes do: numbers for the sentences, and KL and change of log-probability along the text."""

    facts: ChangedFacts
    kl: np.ndarray
    moved: np.ndarray


def break_parts(
    trace: RunLike,
    choice: Choice,
    mapped: Mapped | None = None,
    changed: Changed | None = None,
    *,
    run: str,
    asked: int = 0,
    status: Literal["running", "done"] = "done",
    message: str = "",
    can_measure: bool = True,
    chosen_for: bool = False,
    mapping: Work | None = None,
    changing: Work | None = None,
    stopped: bool = False,
    label: str = "",
) -> Parts:
    """The whole text and what is known of it.

    Args:
        choice: what was asked. mapped, changed: `None` = not measured, or not yet.
        chosen_for: the change was not chosen by the visitor. label: printable form of the token that is meant.
        mapping, changing: of work under way: steps done, in all, and what is done. stopped: the visitor ended it.

    Raises:
        ValueError: the choice lies outside the run.
    """
    length, config = len(trace), trace.config
    choice = choice.inside(config, length)
    header: BreakHeader = {
        "picture": "break_it",
        "run": run,
        "asked": asked,
        "status": status,
        "message": message,
        "n_prompt": trace.n_prompt,
        "model": model_shape(trace),
        "can_measure": can_measure,
        "tokens": tokens_of(trace, 0, length),
        "choice": {
            "target": choice.target,
            "level": cast(Level, choice.level),  # `inside` refuses all others
            "changes": None if choice.changes is None else list(choice.changes),
            "writing": cast(Writing, choice.writing),
        },
        "chosen_for": chosen_for,
        "explained": label,
        "follows": mapped.follows if mapped else choice.target < length - 1,
        "log_prob": mapped.log_prob if mapped else None,
        "mapping": mapping,
        "changing": changing,
        "stopped": stopped,
        "changed": changed.facts if changed else None,
    }
    arrays: dict[str, np.ndarray] = {}
    if mapped is not None:
        arrays |= {name: np.asarray(array, np.float32) for name, array in mapped.arrays.items()}
    if changed is not None:
        arrays |= {"kl": np.asarray(changed.kl, np.float32), "moved": np.asarray(changed.moved, np.float32)}
    return Parts(header, arrays)
