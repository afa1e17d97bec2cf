"""Which piece of which source comes next.

Each source is cut into pieces of `context` tokens (and one more, the last target). A pass over it
deals the pieces in a drawn order, all of them once, before the next pass cuts at other places and
draws another order: no text is seen twice while another was not seen at all.

Nothing is remembered between steps but how many pieces of each source were dealt. The order of a
pass is a function of (seed, source, pass) and the choice of the sources one of (seed, step), so a
run that is interrupted goes on with exactly the pieces that it would have met.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mistral_core.training.corpus import Corpus, Source
from mistral_core.training.settings import Mix, Settings


@dataclass(frozen=True)
class _Pass:
    """One pass over a source: where its pieces begin, in the order in which they are dealt."""

    number: int
    shards: np.ndarray
    offsets: np.ndarray


class Batches:
    """Deals batches of sequences.

    Args:
        corpus: what is read.
        settings: sizes, mixes and the seed.

    Attributes:
        dealt: pieces of each source so far; set it to go on from there.

    Raises:
        ValueError: a mix names a source that the corpus lacks, or a source that a mix uses is shorter
            than one sequence.
    """

    def __init__(self, corpus: Corpus, settings: Settings) -> None:
        self._sources, self._settings = corpus.sources, settings
        self.dealt = dict.fromkeys(corpus.sources, 0)
        self._passes: dict[str, _Pass] = {}
        for _, mix in settings.phases:
            for name, weight in self._weights(mix):
                self._require(name, weight)

    def next(self, step: int) -> Int[Tensor, "accumulation batch length"]:
        """The sequences of a step, each `context` + 1 tokens: inputs and, one further, targets."""
        settings = self._settings
        names, weights = zip(*self._weights(self.mix(step)), strict=True)
        shares = np.array(weights) / sum(weights)
        count = settings.batch * settings.accumulation
        chosen = np.random.default_rng([settings.seed, step]).choice(len(names), size=count, p=shares)
        rows = np.stack([self._deal(self._sources[names[index]]) for index in chosen])
        return torch.from_numpy(rows.astype(np.int64)).view(settings.accumulation, settings.batch, -1)

    def mix(self, step: int) -> Mix:
        """The mix in force at a step."""
        seen = step * self._settings.step_tokens
        return next(mix for start, mix in reversed(self._settings.phases) if start <= seen)

    def passes(self) -> dict[str, float]:
        """How often each source has been read so far."""
        pieces = {name: source.tokens / self._settings.context for name, source in self._sources.items()}
        return {name: count / pieces[name] for name, count in self.dealt.items()}

    def _weights(self, mix: Mix) -> list[tuple[str, float]]:
        if not mix:
            return [(name, float(source.tokens)) for name, source in self._sources.items()]
        return [(name, weight) for name, weight in mix if weight > 0]

    def _require(self, name: str, weight: float) -> None:
        if name not in self._sources:
            raise ValueError(f"a mix names {name!r}; this corpus has {', '.join(self._sources)}")
        longest = max((len(shard) for shard in self._sources[name].shards), default=0)
        if longest < self._settings.context + 1:
            raise ValueError(
                f"the text of {name} has {longest:,} tokens, fewer than the {self._settings.context + 1:,} of one "
                f"training sequence; give more text or a smaller --context"
            )

    def _deal(self, source: Source) -> np.ndarray:
        position = self.dealt[source.name]
        current = self._passes.get(source.name)
        per_pass = _pieces_per_pass(source, self._settings.context)
        if current is None or current.number != position // per_pass:
            current = self._passes[source.name] = self._pass(source, position // per_pass)
        self.dealt[source.name] += 1
        index = position % per_pass
        start = int(current.offsets[index])
        return source.shards[current.shards[index]][start : start + self._settings.context + 1]

    def _pass(self, source: Source, number: int) -> _Pass:
        context, name = self._settings.context, zlib.crc32(source.name.encode())
        draw = np.random.default_rng([self._settings.seed, name, number])
        shards, offsets = [], []
        for index, shard in enumerate(source.shards):
            pieces = _pieces(len(shard), context)
            spare = len(shard) - 1 - pieces * context  # tokens beyond the pieces: the cuts can move by so many
            first = int(draw.integers(spare + 1)) if pieces else 0
            offsets.append(first + np.arange(pieces) * context)
            shards.append(np.full(pieces, index))
        order = draw.permutation(sum(map(len, offsets)))
        return _Pass(number, np.concatenate(shards)[order], np.concatenate(offsets)[order])


def _pieces(length: int, context: int) -> int:
    """Pieces of a shard in one pass; one fewer than fit, where there are many, so that cuts can move by a piece."""
    fit = (length - 1) // context
    return fit - 1 if fit > 8 else fit


def _pieces_per_pass(source: Source, context: int) -> int:
    return sum(_pieces(len(shard), context) for shard in source.shards)
