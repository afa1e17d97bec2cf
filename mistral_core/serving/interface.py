"""What an engine is to the pages: whoever has these methods can write their texts.

`engine.Engine` writes in this process; `remote.front.RemoteEngine` has processes of other machines write.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mistral_core.config import MistralConfig
from mistral_core.request import GenerationRequest
from mistral_core.serving.figures import Figures, Holding
from mistral_core.serving.job import Job, Progress
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel


@runtime_checkable
class WritingEngine(Protocol):
    """What the pages ask of an engine; each method as `mistral_core.serving.engine.Engine` says it."""

    figures: Figures

    def submit(
        self,
        session: str,
        model_name: str,
        request: GenerationRequest,
        *,
        parent: Trace | None = None,
        pace: float | int = math.inf,
        paused: bool = False,
    ) -> Job: ...

    def poll(self, job: Job) -> Progress: ...

    def pause(self, job: Job) -> None: ...

    def resume(self, job: Job, tokens: float | int = math.inf) -> None: ...

    def step(self, job: Job) -> None: ...

    def cancel(self, job: Job) -> None: ...

    def held(self, job: Job) -> int: ...

    def price(self, config: MistralConfig, total: int) -> int: ...

    def holding(self) -> Holding: ...

    def step_said(self, name: str) -> str: ...

    def model(self, name: str) -> LoadedModel: ...

    def close(self) -> None: ...
