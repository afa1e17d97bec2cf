"""The same weights in another shape: another window, fewer layers, another dtype, a part knocked out.

Windows have no weights, and a network's first layers are a network, so a variant shares the
memory of the model it is taken from; only another dtype makes a copy. The model itself is
never changed: it may be serving somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from mistral_core.analysis.interventions import Intervention
from mistral_core.analysis.spelled_changes import in_rings, interventions_of
from mistral_core.checkpoint.changed import change, changes_of, kind_of
from mistral_core.checkpoint.fast import FastTransformer
from mistral_core.checkpoint.narrow import NARROW, widened
from mistral_core.checkpoint.registry import Named
from mistral_core.config import Window
from mistral_core.model import Transformer


def with_windows(model: Transformer, window: Window | tuple[Window, ...], sinks: int = 0) -> Transformer:
    """The model with another window, or one for each layer, and the first `sinks` positions kept beside it.

    The weights are shared.
    """
    return _variant(model, model.config.n_layers, window, None, sinks)


def first_layers(model: Transformer, n_layers: int) -> Transformer:
    """The first `n_layers` blocks between the same embedding, norm and output; the weights are shared.

    Raises:
        ValueError: the model has fewer layers, or none are asked for.
    """
    if not 1 <= n_layers <= model.config.n_layers:
        raise ValueError(f"n_layers is {n_layers}; this model has 1 to {model.config.n_layers} layers to keep")
    return _variant(model, n_layers, model.config.windows[:n_layers], None)


def in_dtype(model: Transformer, dtype: torch.dtype) -> Transformer:
    """The model computing in another dtype; the weights are shared where it is the same.

    Of weights kept in fewer bytes (`narrow.py`) another dtype takes the numbers that they stand for.
    """
    same = kind_of(model) in NARROW.values() and dtype == model.dtype
    return _variant(model, model.config.n_layers, model.config.sliding_window, None if same else dtype)


def with_changes(model: Transformer, changes: Sequence[Intervention]) -> Transformer:
    """The model in which these interventions are made in every call; the weights are shared.

    Raises:
        ValueError: an intervention that this model cannot have, or one that needs a text (a mean).
    """
    return change(_variant(model, model.config.n_layers, model.config.sliding_window, None), changes)


def as_kind(model: Transformer, kind: type[Transformer]) -> Transformer:
    """The model as another kind of network, with whatever is broken in it; the weights are shared."""
    return _variant(model, model.config.n_layers, model.config.sliding_window, None, kind=kind)


def as_named(model: Transformer, named: Named) -> Transformer:
    """The model with the window and the changes that a name says (`registry.parts_of`); the weights are shared.

    Raises:
        ValueError: a change that this model cannot have.
    """
    if named.window is not None:
        model = with_windows(model, named.window, named.sinks)
    changes = [in_rings(one, model.config) for one in interventions_of(named.changes)]
    return with_changes(model, changes) if changes else model


def _variant(
    model: Transformer,
    n_layers: int,
    window: Window | tuple[Window, ...],
    dtype: torch.dtype | None,
    sinks: int | None = None,
    kind: type[Transformer] | None = None,
) -> Transformer:
    sinks = model.config.sinks if sinks is None else sinks
    config = replace(model.config, n_layers=n_layers, sliding_window=window, sinks=sinks)
    kind, weights = kind or kind_of(model), model.state_dict()  # a fast model's variant is fast
    if dtype is not None and kind in NARROW.values():
        kind, weights = FastTransformer, widened(weights, dtype)
    with torch.device("meta"):
        variant = kind(config)
    state = {name: weights[name] if dtype is None else weights[name].to(dtype) for name in variant.state_dict()}
    variant.load_state_dict(state, assign=True)
    return change(variant.eval().requires_grad_(False), changes_of(model))
