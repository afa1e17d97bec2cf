"""The models that a server offers by name, as an engine loads them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mistral_core.analysis.progress import Report, silent
from mistral_core.checkpoint import registry
from mistral_core.config import MistralConfig
from mistral_core.memory import free_bytes

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.checkpoint.narrow import Weights

_frozen = threading.Event()


def load_named(
    name: str,
    report: Report = silent,
    *,
    trained: Callable[[str], LoadedModel],
    weights: Callable[[MistralConfig], Weights] = lambda shape: weights_for(shape, free_bytes()),
) -> LoadedModel:
    """A model that a browser may name, on one thread: two would wait for each other on a busy machine.

    After the first load everything alive is frozen out of garbage collection: with torch imported
    a full collection stops all threads for 160 ms.

    Args:
        trained: gives the model whose weights another one shares. weights: how those of a shape are kept.

    Raises:
        ValueError: no such model, or its files are damaged.
    """
    import torch

    from mistral_core.checkpoint.configuration import load_config
    from mistral_core.checkpoint.load import load_model
    from mistral_core.checkpoint.variants import as_named

    torch.set_num_threads(1)
    named = registry.parts_of(name)
    if named.model != name:  # the same weights in memory, with another window, or something broken
        own = trained(named.model)
        model = as_named(own.model, named)
        return replace(own, model=model, config=model.config, name=name)
    folder = registry.resolve_browser(name)
    loaded = load_model(folder, weights=weights(load_config(folder)), report=report)
    if not _frozen.is_set():
        _frozen.set()
        gc.collect()
        gc.freeze()
    return loaded


def weights_for(shape: MistralConfig, free: int | None) -> Weights:
    """How the weights of a network can be kept: in float32, or in fewer bytes where memory is short.

    int8 where nothing else fits: loading says then, if even that does not.

    Args:
        free: bytes; `None` = it is not known, and taken for enough.
    """
    from mistral_core.analysis.accounting import loading_bytes

    fits = [kind for kind, size in loading_bytes(shape).items() if free is None or size <= free]
    return cast("Weights", fits[0] if fits else "int8")
