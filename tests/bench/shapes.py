"""Larger networks with random weights: decoding as in `decode`, where weights no longer fit into the processor.

Time does not depend on what the weights are. Float32, one thread, a window of 128.
"""

from __future__ import annotations

import gc
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mistral_core.checkpoint import registry
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from tests.bench import decode
from tests.bench.large import padded

MIDDLE = MistralConfig(
    dim=768,
    n_layers=12,
    n_heads=12,
    n_kv_heads=4,
    head_dim=64,
    hidden_dim=2048,
    vocab_size=22016,
    norm_eps=1e-5,
    rope_theta=10_000.0,
    sliding_window=128,
)
SHAPES = {
    "109_million": MIDDLE,
    "1_100_million": replace(MIDDLE, dim=2048, n_layers=22, n_heads=32, hidden_dim=5632, vocab_size=32000),
}
AIMS = {"109_million": 1.4, "1_100_million": 1.1}
PROMPT = tuple(range(3, 67))


def one(name: str, *, rounds: int, length: int) -> dict[str, Any]:
    """The contest on one shape, its weights in a folder that goes away."""
    bundled = registry.bundled_root() / registry.DEFAULT_MODEL / "tokenizer.model"
    with tempfile.TemporaryDirectory() as place:
        tokenizer = Path(place) / "tokenizer.model"
        tokenizer.write_bytes(padded(bundled.read_bytes(), SHAPES[name].vocab_size))
        folder = Path(place) / "m"
        save_hugging_face(random_model(SHAPES[name], seed=0), folder, tokenizer, dtype=torch.bfloat16)
        gc.collect()
        loaded, theirs = load_model(folder), decode.huggingface_model(folder)
        found = decode.contest(loaded.model, loaded.tokenizer, theirs, PROMPT, rounds=rounds, length=length, slices=1)
    return {**found, "aim": AIMS[name], "aim_met": found["ratio_recorded"]["wall"]["median"] >= AIMS[name]}


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `shapes`; the larger one, which takes 9 GB and minutes, is left out of a quick run."""
    torch.set_num_threads(1)
    found = {"109_million": one("109_million", rounds=3 if quick else 8, length=16)}
    return found if quick else {**found, "1_100_million": one("1_100_million", rounds=4, length=8)}
