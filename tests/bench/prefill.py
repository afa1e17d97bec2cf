"""Reading a long prompt: ours in chunks, transformers' in one pass and in chunks of its own.

A network of the bundled size with a window of 128 and random weights, float32, one thread, nothing recorded; all give
logits of every position, as `Run` needs them for probabilities. A one-shot pass compares every token with every other
before it masks most of them away; chunks do not, whoever feeds them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mistral_core.checkpoint import registry
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from tests.bench import decode, texts

SHAPE = MistralConfig(
    dim=288,
    n_layers=6,
    n_heads=6,
    n_kv_heads=2,
    head_dim=48,
    hidden_dim=768,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=10_000.0,
    sliding_window=128,
)
LENGTHS = (512, 2048, 8192)
CHUNK = 128
"""Of transformers': its window, the best of 128, 256 and 512."""
AIM_ONE_SHOT, AIM_CHUNKED = 6.4, 1.0


def seconds(read: Callable[[], Any]) -> float:
    """Of one reading."""
    began = time.perf_counter()
    with torch.inference_mode():
        read()
    return time.perf_counter() - began


def in_chunks(theirs: Any, ids: torch.Tensor) -> None:
    """transformers' network with its sliding cache, fed a window at a time."""
    from transformers import DynamicCache

    past = DynamicCache(config=theirs.config)
    for part in ids.split(CHUNK, dim=1):
        theirs(input_ids=part, past_key_values=past, use_cache=True)


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `prefill`."""
    torch.set_num_threads(1)
    tokenizer = registry.bundled_root() / registry.DEFAULT_MODEL / "tokenizer.model"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "m"
        save_hugging_face(random_model(SHAPE, seed=0), folder, tokenizer)
        loaded, theirs = load_model(folder), decode.huggingface_model(folder)
    found: dict[str, Any] = {}
    for length in LENGTHS[: 2 if quick else 3]:
        ids = torch.randint(3, SHAPE.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
        prompt = tuple(ids[0].tolist())
        ways: dict[str, Callable[[], Any]] = {
            "ours": lambda prompt=prompt: texts.start(loaded.model, loaded.tokenizer, prompt, 0),
            "one_shot": lambda ids=ids: theirs(input_ids=ids, use_cache=False),
            "chunked": lambda ids=ids: in_chunks(theirs, ids),
        }
        best = {name: min(seconds(read) for _ in range(2 if length > 2048 else 4)) for name, read in ways.items()}
        found[str(length)] = {
            "seconds": best,
            "one_shot_over_ours": best["one_shot"] / best["ours"],
            "chunked_over_ours": best["chunked"] / best["ours"],
        }
    return {"tokens": found, "aims": {"one_shot_at_8192": AIM_ONE_SHOT, "chunked": AIM_CHUNKED}}
