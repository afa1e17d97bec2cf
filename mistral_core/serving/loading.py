"""The models of an engine: those in memory, and those on their way.

A model of some gigabytes takes minutes to read. It is read in a thread of its own, so that texts of other models go
on meanwhile; it says how far it is, and ends when nobody waits for it any more.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from mistral_core.analysis.progress import Report, silent
from mistral_core.compiled.choice import Step, choose_step
from mistral_core.model import Transformer
from mistral_core.serving.task import Task

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel

Load = Callable[[str, Report], "LoadedModel"]
"""Gives a model by name, and reports how far it is; what the report raises ends it."""


class Models:
    """Loads each model once.

    Args:
        load: reads one; it may ask this object for another one, which it is made from.
        most: kept in memory at once; the one that was used longest ago makes room.
        alike: as of `choose_step`.
    """

    def __init__(self, load: Load, most: int, alike: bool = False) -> None:
        self._load, self._most, self._alike = load, most, alike
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._coming: dict[str, Task[LoadedModel]] = {}
        self._steps: weakref.WeakKeyDictionary[Transformer, Step] = weakref.WeakKeyDictionary()
        self._one_at_a_time = threading.RLock()

    def get(self, name: str, report: Report = silent) -> LoadedModel:
        """The model, read now if need be: whoever asks waits, also for another one that is being read.

        Raises:
            ValueError: as `load`.
        """
        if (loaded := self._here(name)) is not None:
            return loaded
        with self._one_at_a_time:
            if name not in self._loaded:
                loaded = self._load(name, report)
                self._steps[loaded.model] = choose_step(loaded.model, alike=self._alike)
                self._loaded[name] = loaded
                while len(self._loaded) > self._most:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def ready(self, name: str) -> LoadedModel | None:
        """The model if it is in memory; else it is on its way from now on, and `None`.

        Raises:
            ValueError: it was to be read and could not; the next call tries again.
        """
        if (loaded := self._here(name)) is not None:
            self._coming.pop(name, None)
            return loaded
        task = self._coming.get(name)
        if task is None:
            self._coming[name] = Task(lambda report: self.get(name, report))
        elif not task.running:
            self._coming.pop(name, None)
            if task.result is not None:
                return task.result
            raise ValueError(task.error or f"{name} could not be read")
        return None

    def step_of(self, model: Transformer) -> Step | None:
        """How tokens of its texts are read; `None` = it was let go."""
        return self._steps.get(model)

    def step_said(self, name: str) -> str:
        """How tokens of a model's texts are read, as a sentence; "" = it is not in memory."""
        loaded = self._loaded.get(name)
        step = self.step_of(loaded.model) if loaded is not None else None
        return "" if step is None else step.said

    def how_far(self, name: str) -> str:
        """What is being done to have a model, as a sentence; "" = nothing."""
        task = self._coming.get(name)
        if task is None:
            return ""
        return f"Loading {name}" + (f": {task.done:,} of {task.total:,} tensors" if task.doing else "") + " …"

    def forget_all_but(self, wanted: Collection[str]) -> None:
        """Ends what is being read and nobody waits for."""
        for name in [name for name in [*self._coming] if name not in wanted]:
            if (task := self._coming.pop(name, None)) is not None:
                task.cancel()

    def _here(self, name: str) -> LoadedModel | None:
        try:
            self._loaded.move_to_end(name)
            return self._loaded[name]
        except KeyError:  # not there, or let go just now
            return None
