"""Runs of a session: what names one, how it is spelled in a URL, and how a branch follows from it.

A run is decided by its model and its `GenerationRequest`, so its name is a short hash of both:
the same request has the same name in every session, and a URL that spells the request is enough
to make it again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

from mistral_core.checkpoint.registry import is_bundled, resolve_browser
from mistral_core.sampling import SamplingSettings

if TYPE_CHECKING:
    from mistral_core.request import GenerationRequest
    from mistral_core.serving.engine import Job
    from mistral_core.trace.trace import Trace

SAMPLING_FIELDS = tuple(field.name for field in fields(SamplingSettings))
DEFAULT_SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95)
DEFAULT_NEW_TOKENS = 200
PACE = 60.0
"""Tokens a second that are written unless another pace is chosen: fast enough to read, slow enough to watch."""
MAX_NEW_TOKENS = 2000
"""As the engine's `Limits`, which is not imported here before it is needed."""
MAX_SEED_ON_SCREEN = 2**53 - 1
"""A field for numbers in a browser counts no further. A larger seed comes from an address or a file only."""
SHORT = {"temperature": "temp", "top_k": "topk", "top_p": "topp", "min_p": "minp", "repetition_penalty": "rep"}
"""How a URL calls the sampling settings."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """A run as a visitor asks for it: the text and the settings, not yet token numbers.

    Attributes:
        forced: (position, token id) pairs: where branches were taken.
        turns: of a chat, what was said before `text`: the visitor and the model by turns; `None` = no chat, the text
            itself is gone on with.
    """

    model: str
    text: str
    sampling: SamplingSettings = DEFAULT_SAMPLING
    seed: int = 0
    new_tokens: int = DEFAULT_NEW_TOKENS
    forced: tuple[tuple[int, int], ...] = ()
    turns: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Ten hexadecimal digits that stand for this run."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    def branch(self, position: int, token_id: int) -> RunSpec:
        """The run in which another token stands at `position`."""
        earlier = tuple(pair for pair in self.forced if pair[0] < position)
        return replace(self, forced=(*earlier, (position, token_id)))

    def request(self, prompt_ids: tuple[int, ...]) -> GenerationRequest:
        """For the engine. A bundled model leaves words unsaid, whatever a recording did that is gone on from.

        Raises:
            ValueError: settings out of bounds, or no such model.
        """
        from mistral_core.request import GenerationRequest

        return GenerationRequest(
            prompt_ids=prompt_ids,
            max_new_tokens=self.new_tokens,
            sampling=self.sampling,
            seed=self.seed,
            forced=self.forced,
            unsaid=is_bundled(resolve_browser(self.model)),
        )

    def query(self) -> dict[str, str]:
        """As the parameters of a URL; what has its default is left out."""
        query = {"model": self.model, "text": self.text, "seed": str(self.seed), "n": str(self.new_tokens)}
        for name in SAMPLING_FIELDS:
            if getattr(self.sampling, name) != getattr(DEFAULT_SAMPLING, name):
                query[SHORT[name]] = repr(getattr(self.sampling, name))  # the shortest text that gives the number back
        if self.forced:
            query["forced"] = ",".join(f"{position}:{token}" for position, token in self.forced)
        if self.turns is not None:
            query["chat"] = json.dumps(self.turns, ensure_ascii=False, separators=(",", ":"))
        return query


@dataclass(kw_only=True)
class Record:
    """A run that a session holds: being written, finished, or opened from a recording.

    Attributes:
        spec: `None` for a recording that was opened, until it is branched.
        job: the engine's, for a run made here. trace: for a recording.
        parent: name of the run that it branched from, and where.
    """

    name: str
    label: str
    spec: RunSpec | None = None
    job: Job | None = None
    trace: Trace | None = None
    parent: str | None = None
    branched_at: int | None = None
    branched_to: str = ""

    @property
    def model(self) -> str:
        """The name of the model that writes it, or wrote it; "" for a recording that is gone."""
        if self.spec is not None:
            return self.spec.model
        return self.trace.model_name if self.trace is not None else ""
