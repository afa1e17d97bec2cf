"""Rotary positions against complex numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mistral_core.rope import inverse_frequencies, rotate, rotation
from tests.model import reference


def turned(x: torch.Tensor, positions: torch.Tensor, theta: float = 1e4) -> torch.Tensor:
    return rotate(x, rotation(positions, x.shape[-1], theta, x.dtype))


@pytest.mark.parametrize("theta", [100.0, 1e4, 1e6])
@pytest.mark.parametrize("head_dim", [2, 6, 128])
def test_equals_complex_multiplication(theta, head_dim):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4, 3, head_dim)))
    positions = torch.tensor([[0, 1, 17, 4095], [5, 2, 100_000, 31]])
    got = turned(x, positions, theta)
    for row in range(2):
        for column in range(4):
            for head in range(3):
                expected = reference.rope(x[row, column, head].numpy(), int(positions[row, column]), theta)
                np.testing.assert_allclose(got[row, column, head], expected, atol=1e-10)


def test_the_pairs_are_adjacent():
    """A vector along feature 0 turns into feature 1, not into feature d/2 as in the half-split layout."""
    x = torch.tensor([1.0, 0, 0, 0, 0, 0]).reshape(1, 1, 1, 6)
    got = turned(x, torch.tensor([[1]])).flatten()
    assert got.tolist() == pytest.approx([np.cos(1), np.sin(1), 0, 0, 0, 0])


def test_position_zero_changes_nothing_and_length_is_kept():
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 5, 2, 8)))
    assert torch.equal(turned(x[:, :1], torch.tensor([[0]])), x[:, :1])
    got = turned(x, torch.tensor([[3, 9, 27, 81, 50_000]]))
    torch.testing.assert_close(got.norm(dim=-1), x.norm(dim=-1), rtol=1e-13, atol=0)


def test_the_dot_product_depends_on_the_difference_alone():
    rng = np.random.default_rng(2)
    q, k = (torch.from_numpy(rng.normal(size=(1, 1, 1, 8))) for _ in range(2))
    near = (turned(q, torch.tensor([[12]])) * turned(k, torch.tensor([[5]]))).sum()
    far = (turned(q, torch.tensor([[90_007]])) * turned(k, torch.tensor([[90_000]]))).sum()
    other = (turned(q, torch.tensor([[13]])) * turned(k, torch.tensor([[5]]))).sum()
    assert abs(float(near - far)) < 1e-10
    assert abs(float(near - other)) > 1e-3


def test_angles_are_exact_at_far_positions():
    """float32 angles would be off by 0.003 radians at position 50,000; the result here is float32 rounding."""
    position = 50_000
    turn = rotation(torch.tensor([[position]]), 128, 1e4, torch.float32)
    assert turn.dtype == torch.complex64
    cos, sin = turn.real, turn.imag
    angles = [position / 1e4 ** (2 * i / 128) for i in range(64)]
    np.testing.assert_allclose(cos.flatten(), np.cos(angles), atol=1e-7)
    np.testing.assert_allclose(sin.flatten(), np.sin(angles), atol=1e-7)


def test_two_bases_do_not_share_a_table():
    """A known fault: tables kept between calls without the base in their key."""
    positions = torch.tensor([[7]])
    first = rotation(positions, 8, 1e4, torch.float64).clone()
    second = rotation(positions, 8, 1e6, torch.float64)
    assert not torch.allclose(first, second)
    assert torch.equal(rotation(positions, 8, 1e4, torch.float64), first)


def test_half_precision_is_turned_in_float32_and_cast_back():
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(1, 3, 2, 16))).bfloat16()
    positions = torch.tensor([[3, 300, 3000]])
    got = turned(x, positions)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, turned(x.double(), positions).float().bfloat16())


def test_frequencies_fall_from_one_to_almost_one_over_theta():
    frequencies = inverse_frequencies(128, 1e4)
    assert frequencies.dtype == torch.float64
    assert frequencies[0] == 1
    assert frequencies[-1] == pytest.approx(1e4 ** -(126 / 128), rel=1e-14)
    assert (frequencies.diff() < 0).all()
