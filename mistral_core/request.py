"""What is asked of a model: everything that decides a text.

Source: this project's own; randomness is a function of (seed, position), see `mistral_core/sampling.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from mistral_core.config import brief
from mistral_core.sampling import SamplingSettings, uniform

MAX_TOKENS = 2**24
"""Of a run: more than any published network reads; what is larger is a slip of the hand."""
DEFAULT_CHUNK = 256
"""Tokens of a prompt read at once; bounds the memory of the scores at chunk x (W + chunk)."""


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Everything that decides a text, given a model.

    Attributes:
        prompt_ids: tokens to read first, BOS included.
        max_new_tokens: how many to add at most; 0 = only read.
        sampling, seed: how each is chosen.
        stop: strings that end the text once they appear in what was written.
        chunk_size: tokens of the prompt read at once.
        forced: (position, token) pairs: there the token is set, not drawn.
        unsaid: whether no token is drawn that completes a word of `mistral_core.unsaid`; what is given
            or forced may.

    Raises:
        ValueError: an empty prompt or a number out of bounds.
    """

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    seed: int = 0
    stop: tuple[str, ...] = ()
    chunk_size: int = DEFAULT_CHUNK
    forced: tuple[tuple[int, int], ...] = ()
    unsaid: bool = False

    def __post_init__(self) -> None:
        if not self.prompt_ids:
            raise ValueError("the prompt has no tokens; give at least the begin-of-text token")
        if self.max_new_tokens < 0:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; it must be 0 (only read) or more")
        if self.max_new_tokens > MAX_TOKENS:
            raise ValueError(f"max_new_tokens is {brief(self.max_new_tokens)}; at most {MAX_TOKENS:,} can be written")
        if self.chunk_size < 1:
            raise ValueError(f"chunk_size is {brief(self.chunk_size)}; it must be at least 1")
        if any(not string for string in self.stop):
            raise ValueError("a stop string is empty; it would stop before the first token")
        last = len(self.prompt_ids) + self.max_new_tokens - 1
        for position, _ in self.forced:
            if not len(self.prompt_ids) <= position <= last:
                raise ValueError(
                    f"position {position} cannot be forced; tokens are chosen at {len(self.prompt_ids)} to {last}"
                )
        uniform(self.seed, 0)  # refuses a seed that does not fit

    @property
    def total(self) -> int:
        """Longest possible length in tokens."""
        return len(self.prompt_ids) + self.max_new_tokens

    def branch(self, position: int, token_id: int) -> GenerationRequest:
        """The request that differs from this one by its token at `position`; later forced tokens fall away."""
        earlier = tuple(pair for pair in self.forced if pair[0] < position)
        return replace(self, forced=(*earlier, (position, token_id)))

    def settings(self) -> dict[str, object]:
        """As JSON values, for the header of a Trace."""
        own = {k: v for k, v in asdict(self).items() if k not in ("prompt_ids", "sampling")}
        return {**asdict(self.sampling), **own, "stop": list(self.stop), "forced": [list(p) for p in self.forced]}
