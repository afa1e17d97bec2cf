"""Runs of a session: what names one, how its URL reads, and how a branch follows from it.

A run is decided by its model and its `GenerationRequest`, so its name is a short hash of both:
the same request has the same name in every session, and a URL that spells the request is enough
to make it again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from mistral_core.sampling import SamplingSettings

if TYPE_CHECKING:
    from mistral_core.generation import GenerationRequest
    from mistral_core.serving.engine import Job
    from mistral_core.trace import Trace

SAMPLING_FIELDS = tuple(field.name for field in fields(SamplingSettings))
DEFAULT_SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95)
DEFAULT_NEW_TOKENS = 200
_SHORT = {"temperature": "temp", "top_k": "topk", "top_p": "topp", "min_p": "minp", "repetition_penalty": "rep"}


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """A run as a visitor asks for it: the text and the settings, not yet token numbers.

    Attributes:
        forced: (position, token id) pairs: where branches were taken.
    """

    model: str
    text: str
    sampling: SamplingSettings = DEFAULT_SAMPLING
    seed: int = 0
    new_tokens: int = DEFAULT_NEW_TOKENS
    forced: tuple[tuple[int, int], ...] = ()

    @property
    def name(self) -> str:
        """Ten hexadecimal digits that stand for this run."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    def branch(self, position: int, token_id: int) -> RunSpec:
        """The run in which another token stands at `position`."""
        earlier = tuple(pair for pair in self.forced if pair[0] < position)
        return replace(self, forced=(*earlier, (position, token_id)))

    def request(self, prompt_ids: tuple[int, ...]) -> GenerationRequest:
        """For the engine.

        Raises:
            ValueError: settings out of bounds.
        """
        from mistral_core.generation import GenerationRequest

        return GenerationRequest(
            prompt_ids=prompt_ids,
            max_new_tokens=self.new_tokens,
            sampling=self.sampling,
            seed=self.seed,
            forced=self.forced,
        )

    def query(self) -> dict[str, str]:
        """As the parameters of a URL; what has its default is left out."""
        found = {"model": self.model, "text": self.text, "seed": str(self.seed), "n": str(self.new_tokens)}
        for name in SAMPLING_FIELDS:
            if getattr(self.sampling, name) != getattr(DEFAULT_SAMPLING, name):
                found[_SHORT[name]] = f"{getattr(self.sampling, name):g}"
        if self.forced:
            found["forced"] = ",".join(f"{position}:{token}" for position, token in self.forced)
        return found


def spec_from_query(query: Mapping[str, str], default_model: str) -> RunSpec | None:
    """Reads what `RunSpec.query` wrote; `None` where the URL names no text.

    Raises:
        ValueError: a value that is no number or out of bounds, in a sentence that names it.
    """
    if not query.get("text"):
        return None
    sampling = {name: _number(query, short, float) for name, short in _SHORT.items() if short in query}
    if "top_k" in sampling:
        sampling["top_k"] = _number(query, _SHORT["top_k"], int)
    return RunSpec(
        model=query.get("model") or default_model,
        text=query["text"],
        sampling=replace(DEFAULT_SAMPLING, **sampling),
        seed=_number(query, "seed", int) if "seed" in query else 0,
        new_tokens=_number(query, "n", int) if "n" in query else DEFAULT_NEW_TOKENS,
        forced=_forced(query.get("forced", "")),
    )


def position_from_query(query: Mapping[str, str]) -> dict[str, int] | None:
    """Token, layer and head of a deep link; `None` where the URL names none.

    Raises:
        ValueError: a value that is no whole number.
    """
    if "t" not in query:
        return None
    at = {"t": _number(query, "t", int), "layer": _number(query, "layer", int) if "layer" in query else 0}
    if query.get("head", "mean") != "mean":
        at["head"] = _number(query, "head", int)
    return at


def _number(query: Mapping[str, str], name: str, kind: type) -> Any:
    try:
        value = kind(query[name])
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"The address says {name}={query[name][:40]}, but that must be {what}.") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"The address says {name}={query[name][:40]}, but that must be 0 or more.")
    return value


def _forced(text: str) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [tuple(int(part) for part in pair.split(":")) for pair in text.split(",") if pair]
        return tuple(sorted((position, token) for position, token in pairs))
    except ValueError:
        raise ValueError(f"The address says forced={text[:40]}; write position:token pairs, as in 37:412.") from None


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
