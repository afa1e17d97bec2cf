"""RMSNorm against the loops, in every dtype, and what it does to length and scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mistral_core.hooks import recording
from mistral_core.norm import RMSNorm
from tests.model import reference


def norm_with(gain: np.ndarray, eps: float, dtype: torch.dtype) -> RMSNorm:
    norm = RMSNorm(len(gain), eps)
    norm.weight.data = torch.from_numpy(gain)
    return norm.to(dtype).requires_grad_(False)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_equals_the_formula(size):
    rng = np.random.default_rng(1)
    gain, x = rng.normal(1, 0.3, 7), rng.normal(0, size, (2, 3, 7))
    norm = norm_with(gain, 1e-5, torch.float64)
    norm.hook_scale.name, norm.hook_normalized.name = "scale", "normalized"
    with recording(["scale", "normalized"]) as seen:
        got = norm(torch.from_numpy(x))
    for row in range(2):
        for position in range(3):
            scale, normalized, out = reference.rms_norm(x[row, position], gain, 1e-5)
            np.testing.assert_allclose(seen["scale"][row, position, 0], scale, rtol=1e-13)
            np.testing.assert_allclose(seen["normalized"][row, position], normalized, rtol=1e-13)
            np.testing.assert_allclose(got[row, position], out, rtol=1e-13)


def test_a_zero_vector_stays_zero_and_finite():
    norm = norm_with(np.ones(4), 1e-5, torch.float32)
    assert torch.equal(norm(torch.zeros(1, 1, 4)), torch.zeros(1, 1, 4))


def test_half_precision_is_computed_in_float32():
    """4096 numbers of 300: their squares would overflow float16, and a bfloat16 mean would stop growing."""
    x = torch.full((1, 1, 4096), 300.0)
    for dtype in (torch.float16, torch.bfloat16):
        norm = norm_with(np.ones(4096), 1e-5, dtype)
        got = norm(x.to(dtype))
        assert got.dtype == dtype
        assert torch.allclose(got.float(), torch.ones_like(x), atol=1e-2)


def test_the_gain_multiplies_after_the_cast():
    """Mistral's own order: the quotient is rounded to bfloat16 first. Multiplying before would round otherwise."""
    rng = np.random.default_rng(3)
    x, gain = torch.from_numpy(rng.normal(size=(1, 1, 512))).bfloat16(), rng.normal(1, 0.3, 512)
    norm = norm_with(gain, 1e-5, torch.bfloat16)
    wide = x.float()
    quotient = wide / torch.sqrt((wide**2).mean() + 1e-5)
    assert torch.equal(norm(x), quotient.bfloat16() * norm.weight)
    assert not torch.equal(norm(x), (quotient * norm.weight.float()).bfloat16())


def test_float64_is_not_narrowed():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 64)))
    norm = norm_with(np.ones(64), 1e-5, torch.float64)
    exact = x / torch.sqrt((x**2).mean() + 1e-5)
    assert (norm(x) - exact).abs().max() < 1e-14
