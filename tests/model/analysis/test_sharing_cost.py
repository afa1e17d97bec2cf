"""Shared keys and values: bytes counted by hand, steps through the model's own code, and gains."""

import pytest
import torch

from mistral_core.analysis.sharing_cost import Step, full_cache, gains, largest_batches, measure_steps, promised, shape
from mistral_core.kv_cache import KVCache
from mistral_core.model import random_model


def step(heads, share, seconds):
    return Step(n_kv_heads=heads, batch=1, context=1, weight_bytes=1000, kv_bytes=int(1000 * share), seconds=seconds)


def test_bytes_are_those_of_the_tensors():
    (steps,) = measure_steps([3], [16], repeats=2, kv_heads=(8, 2))
    for one in steps:
        model = random_model(shape(one.n_kv_heads, 16))
        cache = full_cache(model, 3)
        assert one.kv_bytes == sum(ring.keys.nbytes + ring.values.nbytes for ring in cache.rings)
        read = sum(p.nbytes for name, p in model.named_parameters() if name != "tok_embeddings.weight")
        assert one.weight_bytes == read and len(one.seconds) == 2
    assert steps[0].share == pytest.approx(steps[0].kv_bytes / steps[0].weight_bytes)
    with pytest.raises(ValueError, match="repeats is 0"):
        measure_steps([1], [16], repeats=0)


def test_a_full_cache_is_read_as_after_a_text_of_its_length():
    model = random_model(shape(2, 16))
    cache = full_cache(model, 2)
    out = model(torch.zeros((2, 1), dtype=torch.long), kv_cache=cache)
    assert torch.isfinite(out).all() and cache.n_seen.tolist() == [17, 17]
    assert cache.rings[0].positions[0].sort().values.tolist() == list(range(1, 17))


def test_gains_follow_from_the_seconds():
    near = (step(8, 0.1, (1.0, 1.1, 1.2)), step(2, 0.025, (1.0, 1.1, 1.0)))
    far = (step(8, 8.0, (4.0, 4.0, 4.4)), step(2, 2.0, (2.0, 1.0, 2.2)))
    assert gains(far, 2) == pytest.approx([2.0, 4.0, 2.0]) and gains(near, 2) == pytest.approx([1.0, 1.0, 1.2])
    assert promised(far, 2) == pytest.approx(9 / 3)


def test_the_largest_batch_fits_and_one_more_does_not():
    budget = 2**23
    fits = {one.n_kv_heads: one for one in largest_batches(shape(), 64, budget)}
    for heads, one in fits.items():
        config = shape(heads, 64)
        assert KVCache(config, one.allocated).nbytes == one.nbytes <= budget < KVCache(config, one.allocated + 1).nbytes
        assert one.by_formula >= one.allocated
    assert fits[4].allocated / fits[8].allocated == pytest.approx(2, abs=0.3)
    with pytest.raises(ValueError, match="more than the budget of 10; give more"):
        list(largest_batches(shape(), 64, 10))
