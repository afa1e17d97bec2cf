"""Cutting routes, against a network without their edges; rank correlations against a definition by pairs of ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.influence import default_replacement, forward_influence
from mistral_core.analysis.reach import cut_edge
from mistral_core.analysis.route_check import (
    MEASURES,
    agreement,
    check_route,
    corridor_edges,
    rank_correlation,
    swap_influence,
)
from mistral_core.analysis.routes import RouteEdge, flow_graph
from mistral_core.mask import allowed
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH, SOURCE, TARGET = 14, 3, 10


@pytest.fixture(params=[(5, 5, 5), (4, None, 2)], scope="module")
def model(request):
    return random_model(replace(TINY, sliding_window=request.param), seed=11, std=0.4, dtype=torch.float64)


@pytest.fixture
def ids(draw_tokens):
    return draw_tokens(LENGTH, 3)


def search(config):
    """Sideways edges on a way from the source to the target, from the model's own mask."""
    positions = torch.arange(LENGTH)[None]
    seen = [allowed(positions, positions, window)[0] for window in config.windows]
    ahead = [{SOURCE}]
    for mask in seen:
        ahead.append({q for q in range(LENGTH) if any(mask[q, k] for k in ahead[-1])})
    back = [{TARGET}]
    for mask in reversed(seen):
        back.append({k for k in range(LENGTH) if any(mask[q, k] for q in back[-1])})
    cells = [a & b for a, b in zip(ahead, back[::-1], strict=True)]
    return {
        (layer, k, q)
        for layer, mask in enumerate(seen)
        for k in cells[layer]
        for q in cells[layer + 1]
        if mask[q, k] and k != q
    }


def test_the_edges_of_a_corridor_are_those_of_a_search(model):
    edges = corridor_edges(model.config, SOURCE, TARGET)
    assert len(edges) == len(set(edges))
    assert set(edges) == search(model.config)


def test_a_cut_route_leaves_what_the_network_without_its_edges_has(model, ids):
    graph = flow_graph(model, ids, TARGET)
    route = graph.strongest(SOURCE)
    check = check_route(model, ids, SOURCE, TARGET, route, n_random=3)
    cuts = [cut_edge(edge.source, edge.target, edge.layer) for edge in route if edge.sideways]
    replacement = default_replacement(ids, SOURCE)
    assert check.n_edges == len(cuts) > 0
    assert check.effect == pytest.approx(forward_influence(model, ids, SOURCE, replacement).kl[TARGET])
    without = forward_influence(model, ids, SOURCE, replacement, cuts=cuts)
    assert check.cut == pytest.approx(without.kl[TARGET])
    assert check.gone == pytest.approx(1 - check.cut / check.effect)
    assert len(check.random) == 3


def test_all_edges_of_the_corridor_take_the_whole_effect_with_them_bit_for_bit(model, ids):
    edges = [RouteEdge(layer=layer, source=key, target=query, share=1.0) for layer, key, query in
             corridor_edges(model.config, SOURCE, TARGET)]  # fmt: skip
    check = check_route(model, ids, SOURCE, TARGET, edges, n_random=2)
    assert check.effect > 0
    assert check.cut == 0
    assert check.gone == 1
    assert check.random == (0, 0), "of all edges only all can be drawn"


def test_random_routes_follow_the_seed(model, ids):
    route = flow_graph(model, ids, TARGET).strongest(SOURCE)
    one, again, other = (
        check_route(model, ids, SOURCE, TARGET, route, n_random=4, seed=seed).random for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_a_token_out_of_reach_has_no_effect_and_no_share(tiny_model64, draw_tokens):
    ids = draw_tokens(20, 3)
    check = check_route(tiny_model64, ids, 2, 2 + 13, (), n_random=1)
    assert check.effect == 0
    assert check.n_corridor == 0
    assert np.isnan(check.gone)


def test_edges_and_places_that_do_not_exist_are_refused(model, ids):
    with pytest.raises(ValueError, match="layer 0 has no edge from 3 to 10"):
        check_route(tiny := random_model(TINY, seed=1), ids, SOURCE, TARGET,
                    [RouteEdge(layer=0, source=3, target=10, share=1.0)])  # fmt: skip
    assert tiny.config == TINY
    with pytest.raises(ValueError, match="0 <= source < target"):
        check_route(model, ids, TARGET, SOURCE, ())


def test_every_token_is_swapped_as_if_alone(model, ids, monkeypatch):
    text = ids[: TARGET + 1]
    measured = swap_influence(model, text)
    monkeypatch.setattr("mistral_core.analysis.route_check.rows_at_once", lambda model, length: 1)
    np.testing.assert_allclose(swap_influence(model, text), measured, atol=1e-12)
    for source in (0, 5, TARGET):
        alone = forward_influence(model, text, source, default_replacement(text, source))
        assert measured[source] == pytest.approx(alone.kl[-1], abs=1e-12)


def test_four_measures_are_compared(model, ids):
    graph = flow_graph(model, ids, TARGET)
    compared = agreement(model, ids, graph)
    assert compared.by_measure.shape == (len(MEASURES), TARGET + 1)
    np.testing.assert_allclose(np.diag(compared.correlation), 1)
    np.testing.assert_allclose(compared.correlation, compared.correlation.T)
    assert compared.correlation[0, 1] == pytest.approx(rank_correlation(graph.flow[0], graph.rollout[0]))
    assert np.array_equal(compared.by_measure[0], graph.flow[0])


def test_rank_correlation_is_that_of_the_ranks_counted_by_hand():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 6, 12).astype(float), rng.normal(size=12)
        ranks = [
            [sum(other < one for other in row) + (sum(other == one for other in row) - 1) / 2 for one in row]
            for row in (a, b)
        ]
        assert rank_correlation(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert rank_correlation(np.array([1.0, 5.0, 7.0]), np.array([2.0, 3.0, 99.0])) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))
