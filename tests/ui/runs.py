"""Runs that tests of the application show, and what arrives of a payload."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from app.wire import Parts, pack, unpack
from mistral_core.config import MistralConfig
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import LOGITS, PATTERN, Trace, layer_hook

N, VOCAB, LAYERS, HEADS = 23, 50, 3, 4


def make_trace(window: int | None = 5, n: int = N) -> Trace:
    """A run with made-up numbers: attention rows that sum to 1, logits from a fixed generator."""
    rng = np.random.default_rng(3)
    config = MistralConfig(
        dim=16,
        n_layers=LAYERS,
        n_heads=HEADS,
        n_kv_heads=2,
        head_dim=4,
        hidden_dim=8,
        vocab_size=VOCAB,
        norm_eps=1e-5,
        rope_theta=1e4,
        sliding_window=window,
    )
    arrays: dict[str, np.ndarray] = {}
    for layer in range(LAYERS):
        weights = rng.random((n, HEADS, window or n))
        for q in range(n):
            weights[q, :, q + 1 :] = 0
        arrays[layer_hook(layer, PATTERN)] = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
    arrays[LOGITS] = rng.normal(0, 3, (n, VOCAB)).astype(np.float32)
    ids = rng.integers(0, VOCAB, n)
    probability = np.full(n, np.nan)
    rank = np.full(n, -1)
    texts = tuple(["<script>", " wörd", "\n", "🙂", ""][i % 5] for i in range(n))
    return Trace(
        config=config,
        model_name="tiny",
        model_hash="abc",
        token_ids=ids,
        positions=np.arange(n),
        token_texts=texts,
        token_labels=texts,
        text="".join(texts),
        n_prompt=3,
        probability=probability,
        rank=rank,
        settings=asdict(SamplingSettings(temperature=0.7)),
        arrays=arrays,
    )


def arrived(parts: Parts) -> Parts:
    """The parts as the browser gets them."""
    return unpack(pack(parts))
