"""Attention against independent expansions: groups, windows, ring reads, the order of write and read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mistral_core.attention import Attention, read_and_write
from mistral_core.hooks import recording, replacing
from mistral_core.kv_cache import KVCache
from mistral_core.mask import allowed
from mistral_core.rope import rotation
from tests.conftest import TINY
from tests.model import reference

HOOKS = ("q", "k", "v", "rot_q", "rot_k", "attn_scores", "pattern", "z", "result")


def layer_of(config, dtype=torch.float64, seed=0) -> Attention:
    torch.manual_seed(seed)
    attention = Attention(config, config.windows[0]).to(dtype).requires_grad_(False)
    for parameter in attention.parameters():
        parameter.normal_(0, 0.4)
    for name in HOOKS:
        getattr(attention, f"hook_{name}").name = name
    return attention


def run(attention: Attention, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return attention(x, rotation(positions, attention.head_dim, TINY.rope_theta, x.dtype), positions)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("n_kv_heads", [1, 2, 3, 6])
@pytest.mark.parametrize("window", [1, 4, 17, None])
def test_groups_equal_keys_copied_to_every_head(n_kv_heads, window):
    """An expansion of its own: keys repeated head by head, then one attention per head by torch's fused kernel."""
    config = dataclasses.replace(TINY, n_kv_heads=n_kv_heads).with_window(window)
    attention, positions = layer_of(config), torch.arange(17)[None].expand(2, 17)
    x = noise(2, 17, config.dim)
    with recording(HOOKS[3:5]) as seen:
        got = run(attention, x, positions)
    v = attention.wv(x).unflatten(-1, (n_kv_heads, -1))
    heads = []
    for head in range(config.n_heads):
        group = head * n_kv_heads // config.n_heads
        q, k = seen["rot_q"][:, :, head], seen["rot_k"][:, :, group]
        visible = allowed(positions, positions, window)
        heads.append(F.scaled_dot_product_attention(q, k, v[:, :, group], attn_mask=visible))
    expected = torch.cat(heads, dim=-1) @ attention.wo.weight.T
    assert (got - expected).abs().max() <= 1e-13 * expected.abs().max()


def test_consecutive_query_heads_share_a_key_head():
    """Changing the keys and values of head 1 of 2 changes query heads 3, 4, 5 of 6 and no other."""
    attention = layer_of(TINY)
    x, positions = noise(1, 9, TINY.dim), torch.arange(9)[None]

    def spoil(v: torch.Tensor) -> torch.Tensor:
        v = v.clone()
        v[:, :, 1] += 1
        return v

    with recording(["z"]) as plain:
        run(attention, x, positions)
    collected = {}
    with replacing({"v": spoil, "z": lambda z: collected.setdefault("z", z)}):
        run(attention, x, positions)
    same = (plain["z"] == collected["z"]).all(-1).all(1)[0]
    assert same.tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("window", [1, 3, None])
def test_pattern_rows_sum_to_one_and_are_zero_outside(window):
    attention, positions = layer_of(TINY.with_window(window)), torch.arange(12)[None]
    with recording(["pattern", "attn_scores"]) as seen:
        run(attention, noise(1, 12, TINY.dim), positions)
    visible = allowed(positions, positions, window)[:, None].expand_as(seen["pattern"])
    torch.testing.assert_close(seen["pattern"].sum(-1), torch.ones(1, 6, 12, dtype=torch.float64))
    assert (seen["pattern"][~visible] == 0).all()
    assert (seen["pattern"][visible] > 0).all()
    assert (seen["attn_scores"][~visible] == -torch.inf).all()
    assert torch.isfinite(seen["attn_scores"][visible]).all()


def test_padding_rows_are_finite_and_unseen():
    """A row that is nothing but padding gives numbers, not NaN, and other rows do not notice what it holds."""
    attention = layer_of(TINY)
    positions = torch.stack((torch.arange(6), torch.full((6,), -1)))
    x = noise(2, 6, TINY.dim)
    got = run(attention, x, positions)
    assert torch.isfinite(got).all()
    x[1] *= 100
    assert torch.equal(run(attention, x, positions)[0], got[0])


def test_bfloat16_softmax_is_float32():
    """600 equal scores: each weight is 1/600 rounded once; a bfloat16 sum of 600 ones would stall at 256."""
    attention = layer_of(TINY.with_window(None), torch.bfloat16)
    attention.wq.weight.zero_()
    with recording(["pattern"]) as seen:
        run(attention, noise(1, 600, TINY.dim).bfloat16(), torch.arange(600)[None])
    assert torch.equal(seen["pattern"][0, 0, -1], torch.full((600,), 1 / 600).bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_asking_for_the_result_changes_nothing_that_follows(dtype):
    """Watching must not disturb: the layer's output is the same bits with and without it."""
    attention = layer_of(TINY, dtype)
    x, positions = noise(1, 9, TINY.dim).to(dtype), torch.arange(9)[None]
    plain = run(attention, x, positions)
    with recording(["result", "z"]) as seen:
        watched = run(attention, x, positions)
    assert torch.equal(watched, plain)
    assert seen["result"].shape == (1, 9, TINY.n_heads, TINY.dim)
    bound = {torch.float32: 1e-5, torch.float64: 1e-13, torch.bfloat16: 0.05}[dtype]
    assert (seen["result"].sum(2) - plain).abs().max() <= bound * plain.abs().max()


def test_replacing_the_result_replaces_the_output():
    attention = layer_of(TINY)
    x, positions = noise(1, 9, TINY.dim), torch.arange(9)[None]
    with recording(["z"]) as seen:
        run(attention, x, positions)

    def without_head_2(result: torch.Tensor) -> torch.Tensor:
        result = result.clone()
        result[:, :, 2] = 0
        return result

    with replacing({"result": without_head_2}):
        got = run(attention, x, positions)
    z = seen["z"].clone()
    z[:, :, 2] = 0
    torch.testing.assert_close(got, attention.wo(z.flatten(-2)), rtol=1e-12, atol=1e-13)


def test_a_chunk_reads_then_writes_and_decode_writes_then_reads():
    """W = 2, positions 0, 1 stored. The chunk 2, 3 must still find key 1; the token 4 must find its own."""
    config = TINY.with_window(2)
    kv_cache = KVCache(config, dtype=torch.float64)
    ring = kv_cache.rings[0]

    def feed(*positions: int):
        at = torch.tensor([positions])
        k = (at[..., None, None] * 10.0).double().expand(1, len(positions), 2, 6)
        plan = kv_cache.plan(at)[2]
        keys, values, seen = read_and_write(ring, k, k + 1, at, plan)
        assert torch.equal(values, keys + 1) or int(seen.min()) < 0
        return seen[0].tolist(), keys[0, 0, :, 0].tolist()

    assert feed(0, 1) == ([-1, -1, 0, 1], [0, 0, 0, 10])
    assert feed(2, 3) == ([0, 1, 2, 3], [0, 10, 20, 30])
    assert feed(4) == ([4, 3], [40, 30])
    assert ring.positions.tolist() == [[4, 3]]


def test_equals_the_loops_head_by_head():
    attention = layer_of(TINY)
    x = noise(1, 11, TINY.dim)
    weights = {f"layers.0.attention.{name}": value for name, value in reference.weights_of(attention).items()}
    kept, seen = {}, {}
    expected = reference._attention(
        weights, TINY, 0, list(x[0].numpy()), lambda name, value: kept.setdefault(name, []).append(value), seen
    )
    with recording(HOOKS) as got:
        out = run(attention, x, torch.arange(11)[None])
    np.testing.assert_allclose(out[0], np.array(expected), atol=1e-12)
    for name in ("q", "k", "v", "rot_q", "rot_k", "z", "result"):
        np.testing.assert_allclose(got[name][0], np.array(kept[f"attention.hook_{name}"]), atol=1e-12, err_msg=name)
    for name in ("attn_scores", "pattern"):
        np.testing.assert_allclose(got[name][0], seen[f"layers.0.attention.hook_{name}"], atol=1e-12, err_msg=name)
