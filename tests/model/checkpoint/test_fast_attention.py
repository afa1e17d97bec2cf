"""Attention in blocks against `Attention.attend`, which makes all scores at once."""

import gc
from dataclasses import replace

import pytest
import torch

from mistral_core.attention import Attention, hidden_keys
from mistral_core.checkpoint import fast_attention
from mistral_core.checkpoint.fast_attention import QUERIES, BlockAttention, blocks_of
from mistral_core.hooks import recording, replacing
from tests.conftest import TINY
from tests.model.checkpoint.test_fast import pair

CHUNKS = [[QUERIES + 1], [130, 7, 1, 200], [64, 65, 129, 3], [300]]
CLOSE = {torch.float32: 2e-6, torch.float64: 1e-13}


def read(model, ids, chunks):
    """Logits of a text that is read in chunks, and what the rings hold then."""
    kv_cache = model.empty_kv_cache(max_context=len(ids))
    logits = [model(part, kv_cache=kv_cache) for part in torch.tensor([ids]).split(chunks, 1)]
    return torch.cat(logits, 1), [tensor for ring in kv_cache.rings for tensor in (ring.keys, ring.values)]


@pytest.mark.parametrize("window", [1, 3, 20, 64, 150, None, (5, None, 40)])
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_text_in_chunks_is_that_of_the_plain_network(window, chunks, dtype, draw_tokens):
    ids = draw_tokens(sum(chunks))
    plain, fast = pair(window, dtype)
    assert all(isinstance(block.attention, BlockAttention) for block in fast.layers)
    (expected, theirs), (got, ours) = (read(model, ids, chunks) for model in (plain, fast))
    torch.testing.assert_close(got, expected, rtol=0, atol=30 * CLOSE[dtype])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other[:, :, : one.shape[2]], rtol=0, atol=30 * CLOSE[dtype])


@pytest.mark.parametrize("sinks", [1, 4])
def test_first_tokens_that_stay_in_sight_are_seen(sinks, draw_tokens):
    ids = draw_tokens(331)
    (expected, _), (got, _) = (read(model, ids, [130, 1, 200]) for model in pair(9, sinks=sinks))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_watching_changes_no_bit_and_shows_whole_tensors(dtype, draw_tokens):
    plain, fast = pair(20, dtype)
    ids, chunks = draw_tokens(330), [130, 200]
    names = [f"layers.{layer}.attention.hook_{what}" for layer in (0, 1) for what in ("attn_scores", "pattern", "z")]
    unwatched, rings = read(fast, ids, chunks)
    with recording(names) as ours:
        watched, watched_rings = read(fast, ids, chunks)
    assert torch.equal(unwatched, watched)
    assert all(torch.equal(one, other) for one, other in zip(rings, watched_rings, strict=True))
    with recording(names) as theirs:
        read(plain, ids, chunks)
    close = 1e-5 if dtype == torch.float32 else 0.05
    for name in names:
        for got, expected in zip(ours.values[name], theirs.values[name], strict=True):
            assert torch.equal(got.isinf(), expected.isinf())
            assert name.endswith("hook_z") or torch.equal(got == 0, expected == 0)
            torch.testing.assert_close(got, expected, rtol=close, atol=close)


@pytest.mark.parametrize("what", ["attn_scores", "pattern"])
def test_what_a_hook_puts_in_place_is_used_wherever_it_is(what, draw_tokens):
    """A key that no block is compared with gets all of the weight."""

    def to_the_first_key(value):
        new = torch.full_like(value, float("-inf") if what == "attn_scores" else 0.0)
        new[..., 0] = 1.0
        return new

    ids, found = torch.tensor([draw_tokens(200)]), []
    for model in pair(5):
        with replacing({f"layers.1.attention.hook_{what}": to_the_first_key}):
            found.append(model(ids))
    torch.testing.assert_close(*found, rtol=0, atol=1e-12)


def test_gradients_are_those_of_the_plain_network(draw_tokens):
    ids, gradients = torch.tensor([draw_tokens(200)]), []
    for model in pair(20):
        embedded = model.tok_embeddings(ids).detach().requires_grad_(True)
        with replacing({"hook_embed": lambda value, embedded=embedded: embedded + 0.0}):
            model(ids)[0, -1].square().sum().backward()
        gradients.append(embedded.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)
    assert gradients[0].abs().sum(-1)[0].count_nonzero() > 20


def attention_of(window):
    config = replace(TINY, sliding_window=window)
    plain, fast = Attention(config, window).double(), BlockAttention(config, window).double()
    fast.load_state_dict(plain.state_dict())
    return plain, fast


@pytest.mark.parametrize("seed", range(6))
def test_any_mask_is_obeyed_not_the_window_of_the_layer(seed):
    """A band in another order of the keys, wider or narrower than the window, with holes."""
    generator = torch.Generator().manual_seed(seed)
    n_queries, n_ring = 64 + int(torch.randint(1, 200, (), generator=generator)), 37
    plain, fast = attention_of(8)
    q = torch.randn(1, n_queries, TINY.n_heads, TINY.head_dim, generator=generator, dtype=torch.float64)
    keys, values = torch.randn(
        2, 1, TINY.n_kv_heads, n_ring + n_queries, TINY.head_dim, generator=generator, dtype=torch.float64
    )
    positions = torch.arange(n_queries)[None] + n_ring
    key_positions = torch.cat((torch.randperm(n_ring, generator=generator), positions[0]))[None]
    hidden = hidden_keys(positions, key_positions, 1 + 7 * seed)
    hidden |= torch.rand(hidden.shape, generator=generator) < 0.3
    hidden[0, 0].diagonal(n_ring).fill_(False)
    assert len(blocks_of(hidden)) > 1
    got, expected = (one.attend(q, keys, values, positions, key_positions, hidden) for one in (fast, plain))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-13)


def scores_made(window, n_ring, n_queries):
    """Share of the scores that are made."""
    positions = torch.arange(n_queries)[None] + n_ring
    key_positions = torch.arange(n_ring + n_queries)[None]
    hidden = hidden_keys(positions, key_positions, window)
    sizes = [
        len(range(*block.queries.indices(n_queries))) * len(range(*block.keys.indices(n_ring + n_queries)))
        for block in blocks_of(hidden)
    ]
    return sum(sizes) / hidden.numel()


@pytest.mark.parametrize(
    ("window", "n_ring", "n_queries", "share"),
    [
        (16, 16, 256, 79 / 272),
        (128, 128, 256, 191 / 384),
        (None, 0, 512, 9 / 16),
        (4096, 4096, 256, 1),
        (16, 16, 64, 1),
    ],
)
def test_how_many_scores_are_made(window, n_ring, n_queries, share):
    """Worked out by hand: a block of 64 queries meets 63 + W keys; without a window its own and all before."""
    assert scores_made(window, n_ring, n_queries) == pytest.approx(share, abs=0.02)


def test_several_texts_are_read_at_once_as_ever(draw_tokens):
    plain, fast = pair(5)
    ids = torch.tensor([draw_tokens(150), draw_tokens(150)])
    assert torch.equal(plain(ids), fast(ids))


def test_half_precision_whose_scores_may_overflow_is_left_alone(draw_tokens):
    plain, fast = pair(5, torch.float16)
    ids = torch.tensor([draw_tokens(150)])
    assert torch.equal(plain(ids), fast(ids))


def test_blocks_go_with_their_mask():
    gc.collect()
    before = len(fast_attention._blocks)
    positions = torch.arange(200)[None]
    hidden = hidden_keys(positions, positions, 5)
    assert blocks_of(hidden) is blocks_of(hidden) and len(fast_attention._blocks) == before + 1
    del hidden
    gc.collect()
    assert len(fast_attention._blocks) == before
