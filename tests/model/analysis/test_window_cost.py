"""Costs of a window: what is counted in a run against the formula, the mask, and the ledger."""

import pytest
import torch

from mistral_core.analysis.accounting import kv_cache_bytes
from mistral_core.analysis.window_cost import Cost, measure_costs, ratios, scores_needed, shape
from mistral_core.mask import allowed
from mistral_core.model import random_model
from tests.conftest import TINY


@pytest.mark.parametrize(("length", "window"), [(1, 3), (3, 3), (40, 7), (40, None), (5, 99)])
def test_scores_needed_are_the_pairs_of_the_mask(length, window):
    positions = torch.arange(length)[None]
    assert scores_needed(length, window) == int(allowed(positions, positions, window).sum())


def test_a_run_is_counted_as_the_formula_says():
    full, windowed = (random_model(TINY.with_window(window)) for window in (None, 5))
    said = []
    pairs = measure_costs(full, windowed, [4, 33], chunk=8, repeats=2, report=lambda *args: said.append(args))
    for length, pair in zip((4, 33), pairs, strict=True):
        for cost, window in zip(pair, (None, 5), strict=True):
            assert (cost.length, cost.window, len(cost.seconds)) == (length, window, 2)
            assert cost.needed == scores_needed(length, window) <= cost.computed
            config = TINY.with_window(window)
            assert cost.kv_bytes == kv_cache_bytes(config, length, 4, allocated=True)
    assert len(said) == 4


def test_ratios_are_of_the_same_repeat():
    full = Cost(length=9, window=None, seconds=(4.0, 9.0), kv_bytes=1, needed=1, computed=1)
    windowed = Cost(length=9, window=3, seconds=(2.0, 3.0), kv_bytes=1, needed=1, computed=1)
    assert ratios((full, windowed)) == [2.0, 3.0]


def test_the_stated_shape_has_grouped_queries():
    config = shape(64)
    assert config.n_kv_heads < config.n_heads and config.windows == (64, 64)


def test_nothing_is_measured_without_repeats():
    model = random_model(TINY)
    with pytest.raises(ValueError, match="0 repeats"):
        measure_costs(model, model, [4], chunk=4, repeats=0)
