"""Mean, maximum and rollout by offset, against full matrices and a case worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mistral_core.analysis.flow import max_attention, mean_attention, rollout, square
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan, Trace, layer_hook
from tests.conftest import TINY
from tests.model.writing import written


def trace_of(patterns, windows):
    """A Trace that holds nothing but these patterns."""
    length = len(patterns[0])
    config = replace(TINY, n_layers=len(patterns), n_heads=patterns[0].shape[1], n_kv_heads=1, sliding_window=windows)
    return Trace(
        config=config,
        model_name="hand",
        model_hash="",
        token_ids=np.arange(length),
        positions=np.arange(length),
        token_texts=("",) * length,
        token_labels=("",) * length,
        text="",
        n_prompt=length,
        probability=np.full(length, np.nan),
        rank=np.full(length, -1),
        settings={},
        arrays={layer_hook(layer, "attention.hook_pattern"): pattern for layer, pattern in enumerate(patterns)},
    )


@pytest.fixture(scope="module", params=[(5, 5, 5), (3, 1, 4), (4, None, 2)])
def run_trace(request, tokenizer):
    model = random_model(replace(TINY, sliding_window=request.param), seed=2, std=0.4)
    asked = GenerationRequest(prompt_ids=tuple(range(3, 20)), max_new_tokens=3)
    return written(model, tokenizer, asked, plan=RecordingPlan()).trace()


def dense(band):
    """A band by offset as a square matrix, entry by entry."""
    length, width = band.shape
    out = np.zeros((length, length))
    for query in range(length):
        for offset in range(width):
            if offset <= query:
                out[query, query - offset] = band[query, offset]
            else:
                assert band[query, offset] == 0
    return out


def test_the_square_is_the_band_entry_by_entry(run_trace):
    for layer in range(3):
        pattern = run_trace.pattern(layer)
        shown = square(pattern)
        assert shown.shape == (TINY.n_heads, len(run_trace), len(run_trace))
        for head in range(TINY.n_heads):
            assert np.array_equal(shown[head], dense(pattern[:, head]).astype(np.float32))
        np.testing.assert_allclose(shown.sum(-1), 1, rtol=1e-5)


def test_mean_and_maximum_are_those_of_the_squares(run_trace):
    squares = np.concatenate([square(run_trace.pattern(layer)) for layer in range(3)])
    np.testing.assert_allclose(dense(mean_attention(run_trace)), squares.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(dense(max_attention(run_trace)), squares.max(0), rtol=1e-6)


@pytest.mark.parametrize("residual", [0.5, 0.0, 0.3, 1.0])
def test_rollout_is_the_product_of_the_matrices_and_ends_at_the_reach(run_trace, residual):
    bands = rollout(run_trace, residual)
    product = np.eye(len(run_trace))
    assert np.array_equal(dense(bands[0]), product)
    for layer in range(3):
        attention = square(run_trace.pattern(layer)).mean(0).astype(np.float64)
        product = ((1 - residual) * attention + residual * np.eye(len(product))) @ product
        np.testing.assert_allclose(dense(bands[layer + 1]), product, rtol=1e-5, atol=1e-9)
        reach = run_trace.config.exact_reach(layer + 1)
        assert bands[layer + 1].shape[1] == min(len(run_trace), len(run_trace) if reach is None else reach + 1)
    np.testing.assert_allclose(bands[-1].sum(1), 1, rtol=1e-6)


def test_rollout_of_two_layers_worked_by_hand():
    """Each query gives half to itself and half to the token before; the stream counts as much as attention."""
    pattern = np.zeros((3, 1, 2), np.float16)
    pattern[0, 0] = [1, 0]
    pattern[1:, 0] = [0.5, 0.5]
    trace = trace_of([pattern, pattern.copy()], 2)
    # mixed rows: [1], [3/4, 1/4], [3/4, 1/4]; twice: query 2 = 9/16 own, 3/16 + 3/16, 1/16 two back
    np.testing.assert_allclose(rollout(trace)[2], [[1, 0, 0], [9 / 16, 7 / 16, 0], [9 / 16, 6 / 16, 1 / 16]])


def test_a_residual_is_a_share(run_trace):
    with pytest.raises(ValueError, match=r"residual is 1.5"):
        rollout(run_trace, 1.5)


def test_attention_that_was_not_recorded_is_named(run_trace):
    with pytest.raises(KeyError, match=r"layers.0.attention.hook_pattern was not recorded"):
        mean_attention(replace(run_trace, arrays={}))
