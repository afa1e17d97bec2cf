"""Routes of the flow graph, against an enumeration of all paths."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.flow import rollout
from mistral_core.analysis.routes import flow_graph
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan
from tests.conftest import TINY
from tests.model.writing import written

TARGET = 8


@pytest.fixture(params=[(5, 5, 5), (5, 2, 4), (4, None, 2)], scope="module")
def model(request):
    return random_model(replace(TINY, sliding_window=request.param), seed=11, std=0.4, dtype=torch.float64)


@pytest.fixture
def graph(model, draw_tokens):
    return flow_graph(model, draw_tokens(11, 3), TARGET)


def all_paths(graph):
    """Every path (p0, p1, p2, p3 = target) with its weight and its weakest edge."""
    paths = {}
    for path in itertools.product(range(TARGET + 1), repeat=3):
        cells = (*path, TARGET)
        shares = []
        for layer, (key, query) in enumerate(itertools.pairwise(cells)):
            band = graph.edges[layer]
            offset = query - key
            shares.append(band[query, offset] if 0 <= offset < band.shape[1] else 0.0)
        if min(shares) > 0:
            paths[cells] = (np.prod(shares), min(shares))
    return paths


def cells_of(edges):
    return (edges[0].source, *(edge.target for edge in edges))


def test_the_flow_of_a_cell_is_the_sum_over_its_paths(graph):
    paths = all_paths(graph)
    for row in range(4):
        for position in range(TARGET + 1):
            below = {}
            for cells, (weight, _) in paths.items():
                if cells[row] == position:
                    below[cells] = weight
            # a cell's flow leaves out what is below it: paths through it, each counted once by its upper part
            upper = {cells[row:]: weight for cells, weight in below.items()}
            expected = 0.0
            for part in upper:
                shares = [graph.edges[row + i][q, q - k] for i, (k, q) in enumerate(itertools.pairwise(part))]
                expected += float(np.prod(shares))
            assert graph.flow[row, position] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(graph.flow.sum(1), 1)
    np.testing.assert_allclose(graph.rollout.sum(1), 1)


@pytest.mark.parametrize("source", [0, 3, 7, 8])
def test_the_strongest_and_the_widest_path_are_the_best_of_all(graph, source):
    paths = {cells: value for cells, value in all_paths(graph).items() if cells[0] == source}
    if not paths:
        assert graph.strongest(source) == ()
        assert graph.last_threshold(source) == 0
        assert graph.route(source, 1e-9) == ()
        return
    assert cells_of(graph.strongest(source)) == max(paths, key=lambda cells: paths[cells][0])
    widest = max(weakest for _, weakest in paths.values())
    assert graph.last_threshold(source) == pytest.approx(widest, rel=1e-12)
    assert graph.route(source, graph.last_threshold(source))
    assert graph.route(source, min(1.0, widest * 1.001)) == ()


@pytest.mark.parametrize("threshold", [0.02, 0.1, 0.3])
def test_a_route_is_every_edge_of_every_path_above_the_threshold(graph, threshold):
    above = [cells for cells, (_, weakest) in all_paths(graph).items() if weakest >= threshold]
    for source in range(TARGET + 1):
        expected = {
            (i, k, q) for cells in above if cells[0] == source for i, (k, q) in enumerate(itertools.pairwise(cells))
        }
        route = graph.route(source, threshold)
        assert {(edge.layer, edge.source, edge.target) for edge in route} == expected
        assert all(edge.share >= threshold for edge in route)
    kept = {(edge.layer, edge.source, edge.target) for edge in graph.above(threshold)}
    assert kept >= {(i, k, q) for cells in above for i, (k, q) in enumerate(itertools.pairwise(cells))}


def test_rollout_at_the_target_is_that_of_a_recorded_run(model, tokenizer, draw_tokens):
    ids = draw_tokens(TARGET + 1, 3)
    request = GenerationRequest(prompt_ids=tuple(ids), max_new_tokens=0)
    bands = rollout(written(model, tokenizer, request, plan=RecordingPlan()).trace())
    graph = flow_graph(model, ids, TARGET)
    row = np.zeros(TARGET + 1)
    for offset, share in enumerate(bands[-1][TARGET]):
        row[TARGET - offset] = share
    np.testing.assert_allclose(graph.rollout[0], row, rtol=1e-6, atol=1e-12)


def test_a_long_text_is_read_as_far_as_it_reaches_and_no_further(tiny_model64, draw_tokens, monkeypatch):
    ids = draw_tokens(40, 2)
    graph = flow_graph(tiny_model64, ids, 30)
    assert graph.first == 18
    monkeypatch.setattr(type(TINY), "exact_reach", lambda config: None)
    whole = flow_graph(tiny_model64, ids, 30)
    assert whole.first == 0
    assert not whole.flow[0][:18].any()
    np.testing.assert_allclose(graph.flow[0], whole.flow[0][18:], atol=1e-9)
    assert [edge.source for edge in graph.strongest(19)] == [edge.source for edge in whole.strongest(19)]
    with pytest.raises(ValueError, match=r"source 17 cannot reach the prediction at 30; .* 18 to 30"):
        graph.route(17, 0.1)


def test_a_threshold_is_a_share(graph):
    with pytest.raises(ValueError, match=r"threshold is 0.0"):
        graph.above(0.0)
    with pytest.raises(ValueError, match=r"threshold is 2.0"):
        graph.route(3, 2.0)
