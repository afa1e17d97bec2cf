"""What a window costs and saves, on the model's own code: time, bytes of keys and values, scores.

A text of random tokens is read in chunks through the rings, full and windowed; weights are random, since neither time
nor memory depends on them. Two numbers of scores are told apart:

    needed      pairs of a query and a key in its sight: n(n+1)/2 in full, n W - W(W-1)/2 with a window (n >= W)
    computed    what the products make: every query of a chunk against the slots of its ring and the chunk itself

Source of the formula: `mask.allowed`, summed; the paper's twofold speed at 16k with W = 4096 is a measurement of a
kernel ("Mistral 7B" section 2), the ratio of scores needed there is 2.29.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mistral_core.analysis import turns
from mistral_core.analysis.progress import Report, silent
from mistral_core.config import MistralConfig, Window
from mistral_core.hooks import watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of reading a text once.

    Attributes:
        length: tokens. window: `None` = full attention.
        seconds: each repeat, in the order in which they were run.
        kv_bytes: of the keys and values that are kept at the end.
        needed, computed: scores of one head of one layer.
    """

    length: int
    window: Window
    seconds: tuple[float, ...]
    kv_bytes: int
    needed: int
    computed: int


class _CountScores:
    """A sink that counts the scores of layer 0: those that are not masked, and all."""

    def __init__(self) -> None:
        self.needed = self.computed = 0

    def wants(self, name: str) -> bool:
        return name == "layers.0.attention.hook_attn_scores"

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        self.computed += value[:, 0].numel()
        self.needed += int(torch.isfinite(value[:, 0]).sum())
        return value


def scores_needed(length: int, window: Window) -> int:
    """Pairs of a query and a key in its sight.

    >>> scores_needed(16_384, None) / scores_needed(16_384, 4096)
    2.2857...
    >>> scores_needed(3, 4096)
    6
    """
    full = length * (length + 1) // 2
    if window is None or window >= length:
        return full
    return length * window - window * (window - 1) // 2


def measure_costs(
    model: Transformer, other: Transformer, lengths: Sequence[int], *, chunk: int, repeats: int, report: Report = silent
) -> list[tuple[Cost, Cost]]:
    """Both models at each length, in turns: what else the machine does meets both alike.

    The reading that counts the scores comes first and is not timed.

    Raises:
        ValueError: no repeat, or a chunk of nothing.
    """
    if repeats < 1 or chunk < 1:
        raise ValueError(f"{repeats} repeats of chunks of {chunk}; both must be at least 1")
    pairs, steps = [], len(lengths) * (repeats + 1)
    for index, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(length)
        tokens = torch.randint(model.config.vocab_size, (1, length), generator=generator)
        counted = [_counted(one, tokens, chunk) for one in (model, other)]
        seconds: tuple[list[float], list[float]] = ([], [])
        for repeat in range(repeats):
            report(index * (repeats + 1) + repeat + 1, steps, f"{length:,} tokens, repeat {repeat + 1}")
            for taken, one in zip(seconds, (model, other), strict=True):
                taken.append(_read(one, tokens, chunk)[0])
        made = [
            Cost(
                length=length,
                window=one.config.windows[0],
                seconds=tuple(taken),
                kv_bytes=kept,
                needed=sink.needed,
                computed=sink.computed,
            )
            for one, taken, (kept, sink) in zip((model, other), seconds, counted, strict=True)
        ]
        pairs.append((made[0], made[1]))
    return pairs


def _counted(model: Transformer, tokens: Tensor, chunk: int) -> tuple[int, _CountScores]:
    sink = _CountScores()
    with watching(sink):
        _, kv_cache = _read(model, tokens, chunk)
    return sum(ring.keys.nbytes + ring.values.nbytes for ring in kv_cache.rings), sink


def _read(model: Transformer, tokens: Tensor, chunk: int) -> tuple[float, KVCache]:
    """Seconds that reading takes, and the rings. A full layer is read from slots for what has come, as it grows."""
    kv_cache = model.empty_kv_cache(max_context=tokens.shape[1])
    begun = time.perf_counter()
    with torch.inference_mode():
        for part in tokens.split(chunk, 1):
            model(part, kv_cache=kv_cache, last_only=True)
    return time.perf_counter() - begun, kv_cache


def ratios(pair: tuple[Cost, Cost]) -> list[float]:
    """Seconds of the first over those of the second, repeat by repeat."""
    return turns.ratios(pair[0].seconds, pair[1].seconds)


def shape(window: Window, *, dim: int = 128, n_layers: int = 2) -> MistralConfig:
    """The stated shape of the random weights: heads of 32, four queries to a key; only attention should be felt."""
    return MistralConfig(
        dim=dim,
        n_layers=n_layers,
        n_heads=dim // 32,
        n_kv_heads=max(1, dim // 128),
        head_dim=32,
        hidden_dim=2 * dim,
        vocab_size=256,
        norm_eps=1e-5,
        rope_theta=10_000.0,
        sliding_window=window,
    )
