"""Which piece of which source comes next.

Each source is cut into pieces of `context` tokens (and one more, the last target). A pass over it
deals the pieces in a drawn order, all of them once, before the next pass cuts at other places and
draws another order: no text is seen twice while another was not seen at all.

Without a mix sources come by their size. If one of them is then shorter than a sequence, all are read
as one stream, so that a folder of small files is as good as one large file.

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

STREAM = ""
"""The name of all sources together; no file can have it."""


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
        ValueError: a mix names a source that the corpus lacks or that is shorter than one sequence, or all
            sources together are.
    """

    def __init__(self, corpus: Corpus, settings: Settings) -> None:
        self._named, self._settings = corpus.sources, settings
        self._by_size = corpus.sources
        if any(_longest(source) <= settings.context for source in corpus.sources.values()):
            self._by_size = {STREAM: _one_stream(corpus.sources, settings.context)}
        self._sources = corpus.sources | self._by_size
        self.dealt = dict.fromkeys(self._sources, 0)
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
        read = {name: self.dealt[name] * self._settings.context / self._sources[name].tokens for name in self._sources}
        return {name: read[name] + read.get(STREAM, 0.0) for name in self._named}

    def _weights(self, mix: Mix) -> list[tuple[str, float]]:
        if not mix:
            return [(name, float(source.tokens)) for name, source in self._by_size.items()]
        return [(name, weight) for name, weight in mix if weight > 0]

    def _require(self, name: str, weight: float) -> None:
        if name not in (self._sources if name == STREAM else self._named):
            raise ValueError(f"a mix names {name!r}; this corpus has {', '.join(self._named)}")
        longest = _longest(self._sources[name])
        if longest < self._settings.context + 1:
            text = f"the text of {name}" if name != STREAM else "all the text"
            raise ValueError(
                f"{text} has {longest:,} tokens, fewer than the {self._settings.context + 1:,} of one training "
                f"sequence; give more text or a smaller --context"
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


def _longest(source: Source) -> int:
    return max((len(shard) for shard in source.shards), default=0)


def _one_stream(sources: dict[str, Source], context: int) -> Source:
    """All sources one behind the other; only what is shorter than a sequence is copied, long shards stay mapped."""
    shards = [shard for source in sources.values() for shard in source.shards]
    long = [shard for shard in shards if len(shard) > context]
    rest = np.concatenate([np.empty(0, "<u2"), *(shard for shard in shards if len(shard) <= context)])
    if len(rest) <= context and long:
        rest = np.concatenate((long.pop(), rest))
    parts = sources.values()
    return Source(
        STREAM, (*long, rest), sum(map(len, shards)), sum(s.bytes for s in parts), sum(s.documents for s in parts)
    )


def _pieces(length: int, context: int) -> int:
    """Pieces of a shard in one pass; one fewer than fit, where there are many, so that cuts can move by a piece."""
    fit = (length - 1) // context
    return fit - 1 if fit > 8 else fit


def _pieces_per_pass(source: Source, context: int) -> int:
    return sum(_pieces(len(shard), context) for shard in source.shards)
