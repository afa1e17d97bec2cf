"""Influence against distance: what single measurements give, gathered."""

from __future__ import annotations

import numpy as np
import pytest

from mistral_core.analysis.distance import distance_profile, held_within
from mistral_core.analysis.influence import default_replacement, forward_influence


def test_the_profile_is_what_single_measurements_give(tiny_model, draw_tokens):
    texts = [draw_tokens(20, 1), draw_tokens(9, 2)]
    found = distance_profile(tiny_model, texts, 14, 3, seed=4)
    assert [(text, source) for text, source, _ in found.replaced] == [(0, 1), (0, 6), (0, 10), (1, 1), (1, 2), (1, 4)]
    by_distance = {}
    for text, source, replacement in found.replaced:
        assert replacement == default_replacement(texts[text], source, 4)
        single = forward_influence(tiny_model, texts[text], source, replacement)
        for position in range(source, min(source + 15, len(texts[text]))):
            by_distance.setdefault(position - source, []).append((single.change[:, position], single.kl[position]))
    for distance, values in by_distance.items():
        grid, kl = np.array([one for one, _ in values]), np.array([one for _, one in values])
        assert found.count[distance] == len(values)
        for name, expected in {
            "change_mean": grid.mean(0),
            "change_median": np.median(grid, 0),
            "change_low": np.quantile(grid, 0.1, 0),
            "change_high": np.quantile(grid, 0.9, 0),
        }.items():
            np.testing.assert_allclose(getattr(found, name)[:, distance], expected, rtol=1e-12, atol=0, err_msg=name)
        assert found.kl_mean[distance] == pytest.approx(kl.mean(), rel=1e-12)
        assert found.kl_median[distance] == pytest.approx(np.median(kl), rel=1e-12)
        assert found.kl_max[distance] == kl.max()
    assert len(found.kl_mean) == max(by_distance) + 1 == 15
    assert (found.kl_max[13:] == 0).all()
    assert found.kl_max[12] > 0
    assert (found.change_mean[0, 1:] == 0).all()  # the embedding of no other token moves


def test_a_profile_ends_where_its_longest_text_ends(tiny_model, draw_tokens):
    assert len(distance_profile(tiny_model, [draw_tokens(6)], 14, 1).kl_mean) == 5
    with pytest.raises(ValueError, match="texts of at least four tokens"):
        distance_profile(tiny_model, [[3, 4, 5]], 4)


def test_the_means_of_each_text_are_those_of_the_text_alone(tiny_model, draw_tokens):
    texts = [draw_tokens(30), draw_tokens(9, seed=1)]
    both = distance_profile(tiny_model, texts, 12, 3)
    for text, ids in enumerate(texts):
        alone = distance_profile(tiny_model, [ids], 12, 3)
        reached = len(alone.kl_mean)
        np.testing.assert_allclose(both.kl_by_text[text, :reached], alone.kl_mean, rtol=1e-12)
        np.testing.assert_allclose(both.change_by_text[text, :reached], alone.change_mean[-1], rtol=1e-12)
        assert np.isnan(both.kl_by_text[text, reached:]).all()
    assert len(distance_profile(tiny_model, [texts[1]], 12, 3).kl_mean) < 13, "so that something was NaN"


def test_the_distance_that_holds_a_share():
    values = [100.0, 5.0, 3.0, 1.5, 0.4, 0.1]
    assert [held_within(values, share) for share in (0.5, 0.8, 0.81, 0.95, 0.99, 1.0)] == [1, 2, 3, 3, 4, 5]
    assert held_within(values, 0.9, include_own=True) == 0
    assert held_within(values, 0.92, include_own=True) == 1
    with pytest.raises(ValueError, match=r"share is 1.5"):
        held_within(values, 1.5)
    with pytest.raises(ValueError, match="of more than nothing"):
        held_within([7.0, 0.0], 0.9)
