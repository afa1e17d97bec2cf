"""A token that has left every ring, and what it still does: theory beside measurement.

Source: "Mistral 7B" section 2: what a token handed on before its slot was overwritten travels further.
"""

from __future__ import annotations

from dataclasses import dataclass

from mistral_core.analysis.influence import ForwardInfluence
from mistral_core.analysis.reach import first_row, rings_left
from mistral_core.config import MistralConfig


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """A token that has left every ring, and what it still does.

    Attributes:
        position: of the token. step: the step that looks back at it. distance: between them.
        traces_possible: whether later tokens could have carried it this far (theory).
        first_row: first row of the grid in which it can be felt at `step`; `None` = in none.
        kl: change of the next-token distribution at `step` in nats. before, after: of the actual next token.
    """

    position: int
    step: int
    distance: int
    traces_possible: bool
    first_row: int | None
    kl: float
    before: float
    after: float


def forgotten(config: MistralConfig, influence: ForwardInfluence, step: int) -> Forgotten:
    """What a replaced token that has left every ring still changes at `step`: theory beside measurement.

    Raises:
        ValueError: `step` is not in the text, or the token is still in a ring then.
    """
    source, length = influence.source, len(influence.kl)
    if not source <= step < length:
        raise ValueError(f"step {step} does not come after position {source} in a text of {length} tokens")
    if not all(left := rings_left(config, source, step)):
        layer = left.index(False)
        raise ValueError(
            f"at step {step} the token of position {source} still lies in the ring of layer {layer} "
            f"(window {config.windows[layer]}); choose a later step or an earlier token"
        )
    row = first_row(step - source, config)
    return Forgotten(
        position=source,
        step=step,
        distance=step - source,
        traces_possible=row is not None,
        first_row=row,
        kl=float(influence.kl[step]),
        before=float(influence.before[step]),
        after=float(influence.after[step]),
    )
