"""What sharing keys and values saves in decoding: bytes and time of a step, on the model's own attention code.

The networks are alike except for their key/value heads. Their weights and the keys and values in their rings are
random, since neither time nor bytes depend on them; every slot is in use. A step reads each weight once, whatever the
batch, and the keys and values of every text:

    bytes read = weights + batch x context x 2 x n_layers x n_kv_heads x head_dim x bytes of a number

so sharing gains where the second part is large. The queries of a group are stacked (`Attention.attend`), and no key is
copied.

Source: Shazeer 2019 (arXiv 1911.02150) section 3.1; Ainslie et al. 2023 (arXiv 2305.13245).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from mistral_core.analysis import turns
from mistral_core.analysis.accounting import kv_cache_bytes, parameter_count
from mistral_core.analysis.progress import Report, silent
from mistral_core.config import MistralConfig
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer, random_model

KV_HEADS = (8, 4, 2, 1)
"""Of eight query heads: nothing shared first."""
NUMBER = 4
"""Bytes of a float32."""
MOST_REPEATS = 401
"""Timed steps of a network."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A decoding step of one shape.

    Attributes:
        n_kv_heads, batch, context: heads, texts, tokens before the step in each.
        weight_bytes: read, without the embedding, of which a step reads one row a text. kv_bytes: read.
        seconds: of each repeat, in the order in which they were run.
    """

    n_kv_heads: int
    batch: int
    context: int
    weight_bytes: int
    kv_bytes: int
    seconds: tuple[float, ...]

    @property
    def share(self) -> float:
        """Keys and values read over weights read."""
        return self.kv_bytes / self.weight_bytes

    @property
    def median(self) -> float:
        """Seconds of the median step."""
        return statistics.median(self.seconds)


def shape(n_kv_heads: int = 8, context: int = 64) -> MistralConfig:
    """The stated shape of the random networks: two layers, eight query heads of 32, a window of the whole context."""
    return MistralConfig(
        dim=256,
        n_layers=2,
        n_heads=8,
        n_kv_heads=n_kv_heads,
        head_dim=32,
        hidden_dim=512,
        vocab_size=256,
        norm_eps=1e-5,
        rope_theta=10_000.0,
        sliding_window=context,
    )


def full_cache(model: Transformer, batch: int, seed: int = 0) -> KVCache:
    """Rings with random keys and values in every slot, as after a text of just their length."""
    kv_cache = model.empty_kv_cache(batch)
    generator = torch.Generator().manual_seed(seed)
    for ring in kv_cache.rings:
        ring.keys.normal_(generator=generator)
        ring.values.normal_(generator=generator)
        ring.positions.copy_(torch.arange(ring.positions.shape[1]).expand_as(ring.positions))
    kv_cache.n_seen = torch.full((batch,), kv_cache.rings[0].positions.shape[1])
    return kv_cache


def measure_steps(
    batches: Sequence[int],
    contexts: Sequence[int],
    *,
    repeats: int,
    spend: float = 0.0,
    kv_heads: Sequence[int] = KV_HEADS,
    report: Report = silent,
) -> list[tuple[Step, ...]]:
    """Steps of every batch and context: for each the networks in turns, so that a busy moment meets all alike.

    Args:
        repeats: steps of each network, at least. spend: seconds that go into a pair, if `MOST_REPEATS` lets them: of a
            step of a millisecond a few repeats would measure what else the machine does.

    Returns:
        For each pair of batch and context a step of each of `kv_heads`; by the share of keys and values, rising.

    Raises:
        ValueError: no repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; a time needs at least 1")
    pairs = [(batch, context) for batch in batches for context in contexts]
    measured = []
    for done, (batch, context) in enumerate(pairs):
        report(done, len(pairs), f"{batch} texts of {context:,} tokens, {repeats} steps or more of each network")
        models = [random_model(shape(heads, context)) for heads in kv_heads]
        caches = [full_cache(model, batch) for model in models]
        seconds: list[list[float]] = [[] for _ in models]
        tokens = torch.zeros((batch, 1), dtype=torch.long)
        began = time.perf_counter()
        for repeat in range(MOST_REPEATS + 1):
            if repeat > repeats and time.perf_counter() - began >= spend:
                break
            for taken, model, kv_cache in zip(seconds, models, caches, strict=True):
                begun = time.perf_counter()
                with torch.inference_mode():
                    model(tokens, kv_cache=kv_cache)
                if repeat:  # the first is not counted: memory is taken in it
                    taken.append(time.perf_counter() - begun)
        measured.append(
            tuple(
                Step(
                    n_kv_heads=model.config.n_kv_heads,
                    batch=batch,
                    context=context,
                    weight_bytes=NUMBER * _read_weights(model.config),
                    kv_bytes=kv_cache_bytes(model.config, context, NUMBER, batch=batch),
                    seconds=tuple(taken),
                )
                for model, taken in zip(models, seconds, strict=True)
            )
        )
    report(len(pairs), len(pairs), "done")
    return sorted(measured, key=lambda steps: steps[0].share)


def _read_weights(config: MistralConfig) -> int:
    parts = parameter_count(config)
    return parts["total"] - parts["embedding"]


def gains(steps: Sequence[Step], n_kv_heads: int) -> list[float]:
    """Time of a step with nothing shared (the first) over that with so many key/value heads, repeat by repeat."""
    shared = next(step for step in steps if step.n_kv_heads == n_kv_heads)
    return turns.ratios(steps[0].seconds, shared.seconds)


def promised(steps: Sequence[Step], n_kv_heads: int) -> float:
    """The same from the bytes read alone."""
    shared = next(step for step in steps if step.n_kv_heads == n_kv_heads)
    return (steps[0].weight_bytes + steps[0].kv_bytes) / (shared.weight_bytes + shared.kv_bytes)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What fits into a memory budget.

    Attributes:
        n_kv_heads: heads. by_formula, allocated: the largest batch. nbytes: of the cache that was allocated for it.
    """

    n_kv_heads: int
    by_formula: int
    allocated: int
    nbytes: int


def largest_batches(
    config: MistralConfig, context: int, budget: int, kv_heads: Sequence[int] = KV_HEADS
) -> Iterator[Batch]:
    """The largest batch of texts of so many tokens whose keys and values fit, by formula and by allocating caches.

    Args:
        config: of any number of key/value heads; its window becomes `context`.
        budget: bytes. The formula counts keys and values, an allocated cache the positions of its slots as well.

    Raises:
        ValueError: not even one text fits.
    """
    for heads in kv_heads:
        own = replace(config, n_kv_heads=heads).with_window(context)
        one = KVCache(own).nbytes
        batch = budget // one
        if batch < 1:
            raise ValueError(
                f"one text takes {one:,} bytes, more than the budget of {budget:,}; give more, or shorten it"
            )
        while KVCache(own, batch + 1).nbytes <= budget:  # measured, whatever one alone takes
            batch += 1
        while (taken := KVCache(own, batch).nbytes) > budget:
            batch -= 1
        formula = budget // kv_cache_bytes(own, context, NUMBER)
        yield Batch(n_kv_heads=heads, by_formula=formula, allocated=batch, nbytes=taken)
