"""The models that experiments run, by their names."""

from __future__ import annotations

from collections.abc import Callable

from mistral_core.checkpoint.load import LoadedModel, load_model
from mistral_core.checkpoint.registry import available_models

Load = Callable[[str], LoadedModel | None]
"""A model by its name; `None` = it is not there."""


def load(name: str) -> LoadedModel | None:
    """A model of the repository, or one that was fetched, in float32."""
    folder = available_models().get(name)
    return None if folder is None else load_model(folder)


def needed(load: Load, name: str) -> LoadedModel:
    """A model without which an experiment cannot run.

    Raises:
        ValueError: it is not there.
    """
    loaded = load(name)
    if loaded is None:
        raise ValueError(f"the model {name} is not there; it comes with the repository, so fetch that anew")
    return loaded
