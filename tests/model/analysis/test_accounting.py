"""Formulas of cost against counted tensors, hand-calculated numbers and the paper's."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mistral_core.analysis.accounting import (
    flops_per_token,
    kv_cache_bytes,
    ledger,
    parameter_count,
    ring_position_bytes,
    weight_bytes,
    without_gqa,
)
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer, random_model

torch.set_num_threads(1)
MIB = 2**20
TINY = MistralConfig(
    dim=16,
    n_layers=3,
    n_heads=4,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=24,
    vocab_size=40,
    norm_eps=1e-5,
    rope_theta=500.0,
    sliding_window=5,
)
SEED = MistralConfig(
    dim=256,
    n_layers=8,
    n_heads=8,
    n_kv_heads=2,
    head_dim=32,
    hidden_dim=896,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=1e4,
    sliding_window=16,
)


@pytest.mark.parametrize("tied", [False, True])
def test_parameters_are_those_of_the_network(tied):
    config = MistralConfig(**{**TINY.to_params(), "tied_embeddings": tied})
    model = Transformer(config)
    counts = parameter_count(config)
    prefixes = {
        "embedding": "tok_embeddings",
        "attention": ".attention.",
        "feed_forward": ".feed_forward.",
        "norms": "norm.weight",
        "output": "output",
    }
    for part, sign in prefixes.items():
        assert counts[part] == sum(p.numel() for name, p in model.named_parameters() if sign in name), part
    assert counts["total"] == sum(parameter.numel() for parameter in model.parameters())
    assert weight_bytes(config, 4) == sum(parameter.nbytes for parameter in model.parameters())


def test_published_counts():
    assert parameter_count(MISTRAL_7B)["total"] == 7_241_732_096
    assert parameter_count(SEED)["total"] == 8_917_248


def test_numbers_of_the_paper():
    """Section 2: at 32k tokens the rolling buffer saves 8 times the memory."""
    assert kv_cache_bytes(MISTRAL_7B, 4096) == 512 * MIB
    assert kv_cache_bytes(MISTRAL_7B, 32_768) == 512 * MIB
    rows = ledger(MISTRAL_7B, 32_768).rows
    assert [row.factor for row in rows] == [1, 4, 8, 32]
    assert [row.kv_cache_bytes // MIB for row in rows] == [512, 2048, 4096, 16384]
    assert [row.n_kv_heads for row in rows] == [8, 32, 8, 32]
    assert [row.slots for row in rows] == [32 * 4096, 32 * 4096, 32 * 32768, 32 * 32768]


@pytest.mark.parametrize("window", [5, None, (3, None), (1, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ring_bytes_are_those_of_the_ring(window, dtype):
    config, context, batch = TINY.with_window(window), 11, 2
    ring = KVCache(config, batch, max_context=context if None in config.windows else None, dtype=dtype)
    formula = kv_cache_bytes(config, context, dtype.itemsize, batch=batch, allocated=True)
    assert ring.nbytes == formula + ring_position_bytes(config, context, batch=batch)


def test_bytes_in_use_grow_until_the_window_is_full():
    per_slot = 3 * 2 * 2 * 6 * 4  # layers, keys and values, heads, width, bytes
    assert [kv_cache_bytes(TINY, context, 4) // per_slot for context in (1, 4, 5, 6, 500)] == [1, 4, 5, 5, 5]
    assert kv_cache_bytes(TINY, 2, 4, allocated=True) == 5 * per_slot
    assert kv_cache_bytes(TINY.with_window(None), 500, 4) == 500 * per_slot


def test_without_gqa_keys_values_and_their_matrices_grow():
    rows = ledger(TINY, context=3).rows
    assert rows[1].parameters - rows[0].parameters == 3 * 2 * 16 * 6 * (4 - 2)
    assert rows[1].parameters == parameter_count(without_gqa(TINY))["total"]
    assert rows[1].factor == 2
    assert rows[2].factor == 1, "before the window is full it saves nothing"
    assert rows[1].flops_per_token > rows[0].flops_per_token == rows[2].flops_per_token


@pytest.mark.parametrize("tied", [False, True])
def test_flops_are_those_that_torch_counts(tied):
    """One token decoded on a ring, counted by torch's own counter (matrix products only)."""
    config = MistralConfig(**{**TINY.to_params(), "tied_embeddings": tied})
    model, ring = random_model(config), KVCache(config)
    with torch.inference_mode():
        model(torch.arange(7)[None], kv_cache=ring)
        with FlopCounterMode(display=False) as counter:
            model(torch.tensor([[7]]), kv_cache=ring)
    assert flops_per_token(config, context=8) == counter.get_total_flops()


@pytest.mark.parametrize("context", [0, -1])
def test_a_context_of_nothing_is_refused(context):
    for call in (kv_cache_bytes, ledger, flops_per_token):
        with pytest.raises(ValueError, match=f"context is {context}; it must be a whole number of at least 1"):
            call(TINY, context)
    with pytest.raises(ValueError, match="bytes_per_number is 0"):
        weight_bytes(TINY, 0)
