"""What a token made on its way, against the network written a second time; and which tokens are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.inside import bytes_a_token, kept_span, read_inside
from mistral_core.model import random_model
from tests.conftest import TINY
from tests.model import reference

LENGTH = 17
SHAPES = [((5, 5, 5), 0), ((3, 1, None), 0), (None, 0), ((4, 4, 4), 2)]


@pytest.fixture(params=SHAPES, ids=str)
def config(request):
    windows, sinks = request.param
    return replace(TINY, sliding_window=windows, sinks=sinks)


def reference_keys(config, layer, query):
    window = config.windows[layer]
    near = range(0 if window is None else max(0, query - window + 1), query + 1)
    return sorted({*near, *(range(min(config.sinks, query + 1)) if window is not None else ())})


@pytest.mark.parametrize("chunk", [1, 7, 256])
def test_every_row_is_that_of_the_second_network(config, chunk, draw_tokens):
    if config.sinks:
        config = replace(config, sinks=0)  # the second network has none
    model = random_model(config, seed=3, std=0.4, dtype=torch.float64)
    ids = draw_tokens(LENGTH, 5)
    inside = read_inside(model, ids, 4, chunk=chunk)
    assert (inside.first, inside.stop) == (0, LENGTH)
    seen = reference.forward(reference.weights_of(model), config, ids)
    checked = 0
    for name, rows in inside.rows.items():
        if name.endswith(("hook_attn_scores", "hook_pattern")):
            continue
        np.testing.assert_allclose(rows, seen[name], atol=1e-9, err_msg=name)
        checked += 1
    assert checked == 4 + 18 * config.n_layers
    for layer in range(config.n_layers):
        np.testing.assert_allclose(inside.keys[layer], seen[f"layers.{layer}.attention.hook_rot_k"], atol=1e-9)
        np.testing.assert_allclose(inside.values[layer], seen[f"layers.{layer}.attention.hook_v"], atol=1e-9)


def test_keys_that_are_seen_stand_in_the_order_of_the_text(config, draw_tokens):
    model = random_model(config, seed=3, std=0.4)
    inside = read_inside(model, draw_tokens(LENGTH, 5), 9, chunk=4)
    for layer in range(config.n_layers):
        for query in (0, 3, 9, LENGTH - 1):
            keys = reference_keys(config, layer, query)
            assert inside.seen(layer, query).tolist() == keys
            weights = inside.by_key(layer, "attention.hook_pattern", query)
            assert weights.shape == (config.n_heads, len(keys))
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
            q = inside.of(layer, "attention.hook_rot_q", query).astype(float)
            k = inside.keys[layer][keys].repeat(3, axis=1).astype(float)
            scores = np.einsum("hd,khd->hk", q, k) / TINY.head_dim**0.5
            stored = inside.by_key(layer, "attention.hook_attn_scores", query)
            np.testing.assert_allclose(scores, stored, atol=1e-4)


def test_of_a_long_text_what_the_budget_allows_is_kept_around_the_asked_token(config, draw_tokens):
    model = random_model(config, seed=3, std=0.4)
    ids = draw_tokens(40, 5)
    budget = 8 * bytes_a_token(config, 40)
    first, stop = kept_span(config, 40, 30, budget=budget)
    assert stop - first == 8 and first <= 30 < stop
    part, whole = read_inside(model, ids, 30, budget=budget, chunk=5), read_inside(model, ids, 30, chunk=5)
    assert (part.first, part.stop) == (first, stop)
    assert sum(rows.nbytes for rows in part.rows.values()) <= budget
    for layer in range(config.n_layers):
        np.testing.assert_array_equal(part.seen(layer, 30), whole.seen(layer, 30))
        for hook in ("attention.hook_attn_scores", "attention.hook_pattern"):
            np.testing.assert_allclose(part.by_key(layer, hook, 30), whole.by_key(layer, hook, 30), atol=1e-3)
    np.testing.assert_allclose(part.of(2, "hook_resid_post", 30), whole.of(2, "hook_resid_post", 30), atol=1e-3)
    with pytest.raises(ValueError, match=f"position {first - 1} is not kept; {first} to {stop - 1} are"):
        part.at("hook_embed", first - 1)


def test_spans_cover_the_asked_token_and_stay_in_the_text():
    for length, position in ((10, 0), (10, 9), (300, 0), (300, 150), (300, 299)):
        for count in (1, 2, 50, 1000):
            first, stop = kept_span(TINY, length, position, budget=max(count * bytes_a_token(TINY, length), 2**21))
            assert 0 <= first <= position < stop <= length


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match="position 7 is not in this text; it has 0 to 6"):
        kept_span(TINY, 7, 7)
    with pytest.raises(ValueError, match="one token of this text makes"):
        kept_span(TINY, 7, 3, budget=100)
    with pytest.raises(ValueError, match="the keys and values of"):
        kept_span(replace(TINY, n_kv_heads=6), 10**4, 9_999, budget=bytes_a_token(TINY, 100) * 2)
