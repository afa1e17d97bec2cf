"""What a state is made of, against sums worked term by term from the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis import contributions as module
from mistral_core.analysis.contributions import contributions, proximity
from mistral_core.analysis.influence import read
from mistral_core.hooks import recording
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH = 17


@pytest.fixture(params=[((5, 5, 5), 0), ((3, 1, 4), 0), ((4, None, 2), 0), ((4, 4, 4), 2)], scope="module")
def model(request):
    windows, sinks = request.param
    config = replace(TINY, sliding_window=windows, sinks=sinks)
    return random_model(config, seed=11, std=0.4, dtype=torch.float64)


def terms_by_hand(model, ids, layer, query):
    """`{(head, key): vector}` and the stream, from the weights and the recorded pattern and values."""
    names = [f"layers.{layer}.{hook}" for hook in ("attention.hook_pattern", "attention.hook_v", "hook_resid_pre")]
    with recording(names) as seen, torch.inference_mode():
        model(torch.tensor([ids]))
    pattern, values, before = (seen[name][0] for name in names)
    wo = model.layers[layer].attention.wo.weight
    fetched = {}
    for head in range(TINY.n_heads):
        for key in range(query + 1):
            own = wo[:, head * TINY.head_dim : (head + 1) * TINY.head_dim]
            fetched[head, key] = pattern[head, query, key] * (own @ values[key, head // 3])
    return fetched, before[query]


@pytest.mark.parametrize("block", [1, 10**9])
def test_shares_are_those_of_terms_that_sum_to_the_state(model, draw_tokens, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    ids = draw_tokens(LENGTH, 3)
    parts = contributions(model, ids)
    assert parts.error < 1e-12
    states = read(model, ids).states
    for layer, query in ((0, 0), (0, 9), (1, 12), (2, 16)):
        fetched, before = terms_by_hand(model, ids, layer, query)
        total = before + sum(fetched.values())
        near = {of: max(0.0, float(total.abs().sum() - (term - total).abs().sum())) for of, term in fetched.items()}
        stream = max(0.0, float(total.abs().sum() - (before - total).abs().sum()))
        everything = stream + sum(near.values())
        assert parts.stream[layer, query] == pytest.approx(stream / everything, abs=1e-9)
        for (head, key), value in near.items():
            measured = parts.attention[layer][query, head]
            share = measured[query - key] if query - key < len(measured) else 0.0
            assert share == pytest.approx(value / everything, abs=1e-9)
        mlp = states[layer + 1, query] - total
        of_mlp, of_rest = (
            max(0.0, float(states[layer + 1, query].abs().sum() - (states[layer + 1, query] - part).abs().sum()))
            for part in (mlp, total)
        )
        assert parts.mlp[layer, query] == pytest.approx(of_mlp / (of_mlp + of_rest), abs=1e-9)


def test_edges_sum_to_1_and_hold_nothing_before_the_text(model, draw_tokens):
    parts = contributions(model, draw_tokens(LENGTH, 3))
    for layer in range(3):
        edges = parts.edges(layer)
        np.testing.assert_allclose(edges.sum(1), 1, rtol=1e-12)
        queries, offsets = np.indices(edges.shape)
        assert (edges[offsets > queries] == 0).all()
        np.testing.assert_allclose(parts.mean_pattern[layer].sum(1), 1, rtol=1e-12)


def test_in_float32_the_terms_still_sum_to_the_state(tiny_model, draw_tokens):
    assert 0 < contributions(tiny_model, draw_tokens(40, 1)).error < 1e-4


def test_proximity_is_the_whole_length_for_the_sum_itself_and_none_for_what_leads_away():
    total = torch.tensor([2.0, -1.0])
    terms = torch.stack((total, torch.zeros(2), -total, total / 2))
    assert proximity(terms, total).tolist() == [3.0, 0.0, 0.0, 1.5]


def test_a_text_that_is_too_long_is_refused(tiny_model, draw_tokens, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    with pytest.raises(ValueError, match=r"at most 26 tokens"):
        contributions(tiny_model, draw_tokens(40))
