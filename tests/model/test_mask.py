"""Visibility, enumerated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mistral_core.mask import allowed


def by_hand(query: int, key: int, window: int | None) -> bool:
    """Whether `key` is in the list of positions a query sees, written out."""
    if query < 0:
        return False
    oldest = 0 if window is None else max(0, query - window + 1)
    return key in list(range(oldest, query + 1))


@pytest.mark.parametrize("window", [1, 2, 3, 7, 100, None])
def test_every_pair(window):
    rng = np.random.default_rng(0)
    queries, keys = rng.integers(-1, 12, (2, 9)), rng.integers(-1, 12, (2, 14))  # any order, empty slots among them
    got = allowed(torch.from_numpy(queries), torch.from_numpy(keys), window)
    for row in range(2):
        expected = [[by_hand(q, k, window) for k in keys[row].tolist()] for q in queries[row].tolist()]
        assert got[row].tolist() == expected


@pytest.mark.parametrize("window", [1, 4, 9])
def test_a_full_query_sees_exactly_the_window(window):
    """W keys, itself included; the early one-file reference of Mistral masked W + 1."""
    positions = torch.arange(20)[None]
    seen = allowed(positions, positions, window)[0].sum(-1)
    assert seen.tolist() == [min(q + 1, window) for q in range(20)]


def test_the_order_of_the_keys_does_not_matter():
    queries, keys = torch.tensor([[6, 7]]), torch.arange(8)[None]
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(allowed(queries, keys[:, order], 3), allowed(queries, keys, 3)[:, :, order])


def test_a_ring_at_its_wrap():
    """W = 4 after position 5: slots hold 4, 5, 2, 3; position 5 sees all of them, 6 no longer sees 2."""
    ring = torch.tensor([[4, 5, 2, 3]])
    assert allowed(torch.tensor([[5]]), ring, 4)[0, 0].tolist() == [True, True, True, True]
    assert allowed(torch.tensor([[6]]), ring, 4)[0, 0].tolist() == [True, True, False, True]
