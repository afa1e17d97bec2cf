"""The ring beside a list that never forgets: what every slot holds, at every step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mistral_core.hooks import recording
from mistral_core.kv_cache import EMPTY, KVCache
from mistral_core.model import random_model
from tests.conftest import TINY, TINY_STD

WINDOWS = [1, 2, 5, (1, 4, None), (3, 7)]


def dense_keys(model, tokens):
    """Rotated keys and values of every position, from a pass without a ring: per layer `[pos, n_kv, head_dim]`."""
    layers = range(model.config.n_layers)
    names = [f"layers.{i}.attention.hook_{kind}" for i in layers for kind in ("rot_k", "v")]
    with recording(names) as seen:
        model(torch.tensor([tokens]))
    return [(seen[f"layers.{i}.attention.hook_rot_k"][0], seen[f"layers.{i}.attention.hook_v"][0]) for i in layers]


def addresses(kv_cache: KVCache) -> list[int]:
    return [t.data_ptr() for ring in kv_cache.rings for t in (ring.keys, ring.values, ring.positions)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("chunk", [1, 2, 5, 13])
def test_every_slot_of_every_layer_at_every_step(window, chunk):
    """Slot p % W holds position p, the last one written there; past five windows; no byte is added."""
    model = random_model(TINY.with_window(window), seed=1, std=TINY_STD, dtype=torch.float64)
    tokens = np.random.default_rng(0).integers(0, 300, 37).tolist()
    exact = dense_keys(model, tokens)
    kv_cache = KVCache(model.config, max_context=37, dtype=torch.float64)
    size, places = kv_cache.nbytes, addresses(kv_cache)
    for start in range(0, 37, chunk):
        model(torch.tensor([tokens[start : start + chunk]]), kv_cache=kv_cache)
        n_seen = min(start + chunk, 37)
        assert kv_cache.n_seen.tolist() == [n_seen]
        for layer, ring in enumerate(kv_cache.rings):
            n_slots = model.config.windows[layer] or 37
            assert ring.positions.shape == (1, n_slots)
            for slot in range(n_slots):
                written = [p for p in range(n_seen) if p % n_slots == slot]
                assert int(ring.positions[0, slot]) == (written[-1] if written else EMPTY)
                for stored, kept in zip((ring.keys, ring.values), exact[layer], strict=True):
                    expected = kept[written[-1]] if written else torch.zeros_like(kept[0])
                    torch.testing.assert_close(stored[0, :, slot], expected, rtol=0, atol=1e-12)
        assert kv_cache.nbytes == size
        assert addresses(kv_cache) == places


@pytest.mark.parametrize("window", [1, 4, None])
@pytest.mark.parametrize("n_tokens", [1, 3, 4, 5, 11])
def test_unrotate_gives_the_order_of_the_text(window, n_tokens):
    model = random_model(TINY.with_window(window), seed=1, std=TINY_STD, dtype=torch.float64)
    tokens = list(range(20, 20 + n_tokens))
    kv_cache = KVCache(model.config, max_context=12, dtype=torch.float64)
    for token in tokens:
        model(torch.tensor([[token]]), kv_cache=kv_cache)
    kept = min(n_tokens, window or 12)
    for ring, (keys, values) in zip(kv_cache.rings, dense_keys(model, tokens), strict=True):
        got_keys, got_values, positions = ring.unrotate()
        assert positions.tolist() == list(range(n_tokens - kept, n_tokens))
        torch.testing.assert_close(got_keys, keys[n_tokens - kept :].transpose(0, 1), rtol=0, atol=1e-12)
        torch.testing.assert_close(got_values, values[n_tokens - kept :].transpose(0, 1), rtol=0, atol=1e-12)


def test_an_empty_ring_unrotates_to_nothing():
    keys, values, positions = KVCache(TINY).rings[0].unrotate()
    assert (keys.shape, values.shape, positions.shape) == ((2, 0, 6), (2, 0, 6), (0,))


def test_stored_keys_are_rotated(tiny_model64):
    """The same token at two positions has the same value and another key; unrotated they would be the same."""
    kv_cache = KVCache(TINY, dtype=torch.float64)
    tiny_model64(torch.tensor([[9, 9]]), kv_cache=kv_cache)
    ring = kv_cache.rings[0]
    torch.testing.assert_close(ring.values[0, :, 0], ring.values[0, :, 1], rtol=0, atol=1e-13)
    assert (ring.keys[0, :, 0] - ring.keys[0, :, 1]).abs().max() > 0.01


def test_rows_of_different_lengths():
    kv_cache = KVCache(TINY, batch=3)
    plan = kv_cache.plan(torch.tensor([[0, 1, 2, 3, 4, 5, 6], [-1, -1, 0, -1, 1, -1, -1], [-1] * 7]))[5]
    assert kv_cache.n_seen.tolist() == [7, 2, 0]
    written = list(
        zip(plan.rows.tolist(), plan.columns.tolist(), plan.slots.tolist(), plan.positions.tolist(), strict=True)
    )
    assert written == [(0, 2, 2, 2), (0, 3, 3, 3), (0, 4, 4, 4), (0, 5, 0, 5), (0, 6, 1, 6), (1, 2, 0, 0), (1, 4, 1, 1)]
    assert kv_cache.plan(torch.tensor([[7], [2], [-1]]))[5].slots.tolist() == [2, 2]
    assert kv_cache.n_seen.tolist() == [8, 3, 0]


def test_no_slot_is_written_twice_by_one_chunk():
    """Writing a slot twice in one indexed assignment has no defined winner."""
    for window in (1, 3, 5):
        kv_cache = KVCache(TINY.with_window(window))
        for length in (1, 4, 11, 2):
            start = int(kv_cache.n_seen[0])
            plan = kv_cache.plan(torch.arange(start, start + length)[None])[window]
            assert len(set(plan.slots.tolist())) == len(plan.slots) == min(length, window)


@pytest.mark.parametrize(
    "positions", [[[1]], [[0, 2]], [[1, 0]], [[0, 0]], [[-1, 1]], [[0, -1, 2]], [[4]]], ids=lambda p: str(p[0])
)
def test_positions_that_do_not_continue_are_refused(positions):
    kv_cache = KVCache(TINY)
    with pytest.raises(ValueError, match=r"do not continue rows that have seen \[0\]"):
        kv_cache.plan(torch.tensor(positions))
    assert kv_cache.n_seen.tolist() == [0]


def test_another_number_of_rows_is_refused():
    with pytest.raises(ValueError, match="2 rows; this KVCache was allocated for 1"):
        KVCache(TINY).plan(torch.tensor([[0], [0]]))


@pytest.mark.parametrize("max_context", [None, 0, -3])
@pytest.mark.parametrize("window", [None, (3, None)])
def test_a_layer_without_a_window_needs_a_context(window, max_context):
    with pytest.raises(ValueError, match=f"max_context is {max_context}"):
        KVCache(TINY.with_window(window), max_context=max_context)


@pytest.mark.parametrize("window", [None, (3, None, 3)])
def test_a_full_layer_refuses_to_overwrite(window):
    model = random_model(TINY.with_window(window), seed=1)
    kv_cache = KVCache(model.config, max_context=6)
    model(torch.tensor([[3] * 5]), kv_cache=kv_cache)
    with pytest.raises(ValueError, match="7 tokens do not fit into max_context 6"):
        model(torch.tensor([[3, 3]]), kv_cache=kv_cache)
    model(torch.tensor([[3]]), kv_cache=kv_cache)
    with pytest.raises(ValueError, match="do not fit"):
        model(torch.tensor([[3]]), kv_cache=kv_cache)
    assert kv_cache.n_seen.tolist() == [6]


def test_a_window_needs_no_context_and_its_size_follows_from_it_alone():
    by_hand = 3 * (2 * 2 * 5 * 6 * 4 + 5 * 8)  # layers x (keys, values: heads x slots x head_dim x 4 B; positions 8 B)
    assert KVCache(TINY).nbytes == KVCache(TINY, max_context=10**9).nbytes == by_hand
    assert KVCache(TINY, batch=4, dtype=torch.bfloat16).nbytes == 4 * 3 * (2 * 2 * 5 * 6 * 2 + 5 * 8)


def test_storage_has_the_dtype_that_was_asked_for():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        model = random_model(TINY, seed=1, dtype=dtype)
        kv_cache = KVCache(TINY, dtype=dtype)
        model(torch.tensor([[3, 4, 5]]), kv_cache=kv_cache)
        assert {ring.keys.dtype for ring in kv_cache.rings} == {dtype}


def test_rings_for_which_there_is_no_memory_are_refused_with_their_size():
    config = dataclasses.replace(
        TINY, n_layers=1000, n_heads=4096, n_kv_heads=4096, head_dim=2**14, sliding_window=2**24
    )
    with pytest.raises(
        ValueError, match=r"rings of 1000 layers .* windows of at most 16777216 .* TiB.* smaller window"
    ):
        KVCache(config)
