"""The whole network: every named tensor, positions, refusals, and what reaches what."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mistral_core.hooks import recording
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer, random_model
from mistral_core.trace.trace import hook_shapes, layer_hook
from tests.conftest import TINY, TINY_STD
from tests.model import reference


def all_names(config) -> list[str]:
    shapes = hook_shapes(config)
    return [*shapes["model"], *(layer_hook(i, name) for i in range(config.n_layers) for name in shapes["layer"])]


def test_hook_names_are_exactly_the_glossary(tiny_model):
    assert len(set(tiny_model.hook_names)) == len(tiny_model.hook_names)
    assert set(tiny_model.hook_names) == set(all_names(TINY))


@pytest.mark.parametrize("window", [1, 5, None, (2, None, 7)])
def test_every_named_tensor_equals_the_loops(window, draw_tokens):
    model = random_model(TINY.with_window(window), seed=3, std=TINY_STD, dtype=torch.float64)
    tokens = draw_tokens(13)
    expected = reference.forward(reference.weights_of(model), model.config, tokens)
    with recording(model.hook_names) as seen:
        model(torch.tensor([tokens]))
    assert set(seen.values) == set(expected)
    for name, value in expected.items():
        assert tuple(seen[name].shape[1:]) == value.shape, name
        np.testing.assert_allclose(
            seen[name][0], value, atol=1e-12 * max(1, np.abs(value[np.isfinite(value)]).max()), rtol=0, err_msg=name
        )


def test_result_is_off_unless_asked_for(tiny_model, draw_tokens, monkeypatch):
    """Nobody pays for it by accident: watching everything else makes no per-head product."""
    products = []
    product = torch.einsum
    monkeypatch.setattr(torch, "einsum", lambda *args: products.append(args[0]) or product(*args))
    tokens = torch.tensor([draw_tokens(5)])
    with recording([name for name in tiny_model.hook_names if not name.endswith("hook_result")]):
        tiny_model(tokens)
    assert products == []
    with recording(["layers.1.attention.hook_result", "layers.1.hook_attn_out"]) as seen:
        tiny_model(tokens)
    assert len(products) == 1
    summed = seen["layers.1.attention.hook_result"].sum(2)
    torch.testing.assert_close(summed, seen["layers.1.hook_attn_out"], rtol=1e-5, atol=1e-5)


def test_last_only_is_the_last_column(tiny_model64, draw_tokens):
    tokens = torch.tensor([draw_tokens(9, 1), draw_tokens(9, 2)])
    whole, last = tiny_model64(tokens), tiny_model64(tokens, last_only=True)
    assert last.shape == (2, 1, TINY.vocab_size)
    torch.testing.assert_close(last, whole[:, -1:], rtol=1e-12, atol=1e-12)


def test_a_pass_without_a_ring_is_causal(tiny_model, draw_tokens):
    """A known fault: a dense path in which later tokens reach earlier ones."""
    first, second = draw_tokens(12), draw_tokens(12)
    second[7] = (second[7] + 1) % 300
    a, b = (tiny_model(torch.tensor([text]))[0] for text in (first, second))
    assert torch.equal(a[:7], b[:7])
    assert not torch.equal(a[7], b[7])


def test_reach_is_the_sum_of_windows_minus_one():
    """W = 3, 2, 1 reach 2 + 1 + 0 = 3 back: bitwise nothing beyond, something at the edge."""
    model = random_model(TINY.with_window((3, 2, 1)), seed=3, std=TINY_STD, dtype=torch.float64)
    tokens = list(range(10, 22))
    changed = [*tokens[:4], 99, *tokens[5:]]
    a, b = (model(torch.tensor([text]))[0] for text in (tokens, changed))
    differs = (a != b).any(-1)
    assert model.config.exact_reach() == 3
    assert differs.nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_positions_are_relative(tiny_model64, draw_tokens):
    """The same text 1,000 positions later gives the same logits: only differences enter."""
    tokens = torch.tensor([draw_tokens(9)])
    torch.testing.assert_close(
        tiny_model64(tokens, positions=torch.arange(1000, 1009)[None]), tiny_model64(tokens), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("filler", [-1, 300, -100])
def test_any_token_value_is_fine_where_the_position_is_padding(tiny_model, draw_tokens, filler):
    tokens = draw_tokens(5)
    padded = torch.tensor([[*tokens, filler, filler]])
    positions = torch.tensor([[0, 1, 2, 3, 4, -1, -1]])
    got = tiny_model(padded, positions=positions)[0, :5]
    torch.testing.assert_close(got, tiny_model(torch.tensor([tokens]))[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("bad", "named"), [([3, 300], "300"), ([-1, 3], "-1")])
def test_token_ids_outside_the_vocabulary_are_refused(tiny_model, bad, named):
    with pytest.raises(ValueError, match=f"token id {named} is outside the vocabulary; ids go from 0 to 299"):
        tiny_model(torch.tensor([bad]))


def test_no_tokens_are_refused(tiny_model):
    with pytest.raises(ValueError, match="at least one"):
        tiny_model(torch.zeros(1, 0, dtype=torch.long))


def test_a_kv_cache_for_other_windows_is_refused(tiny_model):
    """It was once silently left unused: logits as if every chunk began the text."""
    for window in (4, 6, (5, 5, 4)):
        with pytest.raises(ValueError, match="windows"):
            tiny_model(torch.tensor([[3, 4]]), kv_cache=KVCache(TINY.with_window(window)))
    assert tiny_model(torch.tensor([[3, 4]]), kv_cache=KVCache(TINY.with_window((5,)))).shape == (1, 2, 300)


def test_a_refused_call_leaves_the_kv_cache_as_it_was(tiny_model):
    kv_cache = KVCache(TINY)
    tiny_model(torch.tensor([[3, 4]]), kv_cache=kv_cache)
    before = [ring.keys.clone() for ring in kv_cache.rings]
    with pytest.raises(ValueError):
        tiny_model(torch.tensor([[3, 999]]), kv_cache=kv_cache)
    with pytest.raises(ValueError):
        tiny_model(torch.tensor([[3, 4]]), positions=torch.tensor([[7, 8]]), kv_cache=kv_cache)
    assert kv_cache.n_seen.tolist() == [2]
    assert all(torch.equal(ring.keys, old) for ring, old in zip(kv_cache.rings, before, strict=True))


def test_tied_output_is_the_embedding():
    model = Transformer(dataclasses.replace(TINY, tied_embeddings=True))
    assert model.output is None
    assert "output.weight" not in model.state_dict()


def test_hooks_hold_no_parameters_and_the_model_no_state(tiny_model):
    names = set(tiny_model.state_dict())
    assert not any("hook" in name for name in names)
    assert list(tiny_model.named_buffers()) == []
    assert len(names) == 3 + 9 * TINY.n_layers


def test_random_model_repeats_and_obeys_its_seed():
    first, again, other = (random_model(TINY, seed=seed).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert first["norm.weight"].mean() == pytest.approx(1, abs=0.05)
