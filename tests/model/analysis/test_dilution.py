"""Dilution: kernels against counted random walks, mixing weights against a network whose weights are made by hand."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.dilution import barrier, evenly, kernel, layers_for, mixing, width
from mistral_core.analysis.reach import hops
from mistral_core.config import MISTRAL_7B
from mistral_core.model import random_model
from tests.conftest import TINY, TINY_STD


def walked(window: int, layers: int) -> np.ndarray:
    """Every path of a walker that steps 0 to W-1 back in each layer, counted one by one."""
    ends = Counter(sum(path) for path in itertools.product(range(window), repeat=layers))
    return np.array([ends[back] for back in range(layers * (window - 1) + 1)]) / window**layers


@pytest.mark.parametrize(("window", "layers"), [(2, 1), (3, 4), (5, 3)])
def test_without_residuals_the_kernel_is_a_random_walk(window, layers):
    made = kernel([1.0] * layers, [evenly(window)] * layers, layers * (window - 1) + 1)
    np.testing.assert_allclose(made, walked(window, layers), atol=1e-15)
    assert width(made) == pytest.approx((layers * (window**2 - 1) / 12) ** 0.5)


def test_the_width_grows_with_the_root_of_the_layers_and_the_reach_with_the_layers():
    one, four = (kernel([1.0] * k, [evenly(32)] * k, k * 31 + 1) for k in (1, 4))
    assert width(four) / width(one) == pytest.approx(2.0)
    assert (len(np.flatnonzero(four)) - 1) / (len(np.flatnonzero(one)) - 1) == 4


def test_with_residuals_layers_are_passed_over():
    """A layer is used or not: all ways to choose which, each a random walk of the chosen layers."""
    window, shares = 3, (0.5, 0.2, 0.7)
    expected = np.zeros(7)
    for used in itertools.product((0, 1), repeat=3):
        weight = np.prod([share if on else 1 - share for share, on in zip(shares, used, strict=True)])
        walk = walked(window, sum(used)) if any(used) else np.ones(1)
        expected[: len(walk)] += weight * walk
    made = kernel(shares, [evenly(window)] * 3, 7)
    np.testing.assert_allclose(made, expected, atol=1e-15)
    assert made.sum() == pytest.approx(1.0)


def test_the_far_part_falls_by_the_mixing_weight_a_window():
    """At exactly h windows back h layers must all take it over, each with weight share / W."""
    share, window, layers = 0.1, 4, 5
    made = kernel([share] * layers, [evenly(window)] * layers, layers * (window - 1) + 1)
    assert made[-1] == pytest.approx((share / window) ** layers)
    assert barrier(share, window) == pytest.approx(3 * 2)  # ln 0.01 / ln 0.1 = 2 windows
    with pytest.raises(ValueError, match="share is 1"):
        barrier(1.0, 16)


def test_a_network_whose_attention_adds_nothing_mixes_nothing():
    model = random_model(replace(TINY, sliding_window=4), std=TINY_STD, dtype=torch.float64)
    texts = [list(range(5, 40)), list(range(60, 90))]
    assert all(0.02 < share < 0.98 for share in mixing(model, texts).share)
    for layer in model.layers:
        layer.attention.wo.weight.zero_()
    assert mixing(model, texts).share.tolist() == [0.0] * TINY.n_layers


def test_uniform_attention_looks_evenly_and_is_weighed_by_its_norm():
    """Zero queries give every visible key the same weight; the share is then worked out by hand from the weights."""
    model = random_model(replace(TINY, sliding_window=4, n_layers=1), std=TINY_STD, dtype=torch.float64)
    model.layers[0].attention.wq.weight.zero_()
    ids = list(range(5, 30))
    seen = mixing(model, [ids])
    np.testing.assert_allclose(seen.looks[0][:5], [0.25] * 4 + [0.0], atol=1e-12)
    stream = model.tok_embeddings.weight[ids]
    attention = model.layers[0].attention
    values = model.layers[0].attention_norm(stream[None])[0] @ attention.wv.weight.T
    expected = []
    for query in range(3, len(ids)):
        mean = values[query - 3 : query + 1].mean(0).view(2, 1, 6).expand(2, 3, 6).reshape(-1)
        added = (attention.wo.weight @ mean).norm()
        expected.append(float(added / (added + stream[query].norm())))
    assert seen.share[0] == pytest.approx(np.mean(expected), rel=1e-9)


def test_texts_must_be_longer_than_the_window():
    with pytest.raises(ValueError, match="not longer than the widest window, 5"):
        mixing(random_model(TINY), [[1, 2, 3]])


@pytest.mark.parametrize(("length", "window"), [(1, 2), (2, 2), (100, 7), (32_768, 4096), (131_041, 4096)])
def test_the_depth_is_the_number_of_hops(length, window):
    expected = hops(length - 1, replace(MISTRAL_7B, sliding_window=window, n_layers=200))
    assert layers_for(length, window) == expected


def test_a_window_of_one_moves_nothing():
    with pytest.raises(ValueError, match="window is 1"):
        layers_for(10, 1)
