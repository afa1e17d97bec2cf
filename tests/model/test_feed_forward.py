"""SwiGLU against the formula."""

from __future__ import annotations

import numpy as np
import torch

from mistral_core.feed_forward import FeedForward
from tests.conftest import TINY
from tests.model import reference


def test_equals_the_formula():
    torch.manual_seed(0)
    layer = FeedForward(TINY).double().requires_grad_(False)
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (2, 4, TINY.dim)))
    got, weights = layer(x), reference.weights_of(layer)
    for row in range(2):
        for position in range(4):
            expected = reference._feed_forward(weights, "", x[row, position].numpy(), lambda *_: None)
            np.testing.assert_allclose(got[row, position], expected, rtol=1e-12, atol=1e-13)


def test_silu_is_on_the_gate_and_not_on_the_value():
    """One feature in, one through: w1 = 2, w3 = -3, w2 = 5 gives 5 * silu(2x) * (-3x)."""
    layer = FeedForward(TINY).double().requires_grad_(False)
    for name, value in (("w1", 2.0), ("w2", 5.0), ("w3", -3.0)):
        weight = getattr(layer, name).weight
        weight.zero_()
        weight[0, 0] = value
    x = torch.zeros(1, 1, TINY.dim, dtype=torch.float64)
    x[..., 0] = 0.7
    gate = 1.4 / (1 + np.exp(-1.4))
    assert abs(float(layer(x)[0, 0, 0]) - 5 * gate * -2.1) < 1e-14


def test_positions_do_not_mix():
    torch.manual_seed(0)
    layer = FeedForward(TINY).requires_grad_(False)
    x = torch.randn(1, 5, TINY.dim)
    changed = x.clone()
    changed[:, 2] += 1
    same = (layer(x) == layer(changed)).all(-1)[0]
    assert same.tolist() == [True, True, False, True, True]
