"""A network with interventions in it for good: a model of its own that can be written with, read with and measured.

What only a call is given (`intervening.intervene`) is forgotten with the call. Here the network itself has it, so that
everything that takes a model works on the changed one: generation with its rings, traces, influence, routes.
The weights are shared, and the model that it is taken from is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from mistral_core.analysis.intervening import Intervening, intervene
from mistral_core.analysis.interventions import Intervention
from mistral_core.hooks import watching_first
from mistral_core.model import Transformer


class Changed(Transformer):
    """What a changed network has beside its kind.

    Attributes:
        kind: of the network. changes: in the order in which they are made. edits: what makes them.
    """

    kind: ClassVar[type[Transformer]] = Transformer
    changes: tuple[Intervention, ...]
    edits: Intervening

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """As its kind computes, under the interventions; who watches the call sees what they make."""
        with watching_first(self.edits.anew()):  # another thread's pass has positions of its own
            logits: Tensor = super().forward(*args, **kwargs)
            return logits


def kind_of(model: Transformer) -> type[Transformer]:
    """The kind of network that a model is, changed or not."""
    return model.kind if isinstance(model, Changed) else type(model)


def changes_of(model: Transformer) -> tuple[Intervention, ...]:
    """The interventions that a model has in it."""
    return model.changes if isinstance(model, Changed) else ()


def change(model: Transformer, changes: Sequence[Intervention]) -> Transformer:
    """Puts interventions into a network that nobody else has, after those that it has.

    Raises:
        ValueError: an intervention that it cannot have, or one that needs a text (a mean).
    """
    if not changes:
        return model
    made = (*changes_of(model), *changes)
    edits = intervene(model, made)
    model.__class__ = _changed(kind_of(model))
    vars(model).update(changes=made, edits=edits)
    return model


_KINDS: dict[type[Transformer], type[Changed]] = {}


def _changed(kind: type[Transformer]) -> type[Changed]:
    """One class for each kind."""
    if kind not in _KINDS:
        _KINDS[kind] = type(f"Changed{kind.__name__}", (Changed, kind), {"kind": kind})
    return _KINDS[kind]
