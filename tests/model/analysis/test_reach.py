"""The theory of the state grid against a search that knows nothing but the mask."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis import reach
from mistral_core.analysis.reach import (
    Cut,
    backward_cone,
    backward_edge,
    check_cuts,
    corridor,
    cut_edge,
    cut_layer,
    cut_wall,
    first_row,
    forward_cone,
    forward_edge,
    hops,
    reachable,
    reaching,
    rings_left,
)
from mistral_core.config import MISTRAL_7B
from mistral_core.kv_cache import KVCache
from mistral_core.mask import allowed
from tests.conftest import TINY

LENGTH = 23
WINDOWS = [(5, 5, 5), (1, 1), (2, 2, 2, 2), (3, 1, 4), (6, 2), (None, 2), (4, None, 2), (None,), (40, 3)]


def shaped(windows):
    return replace(TINY, n_layers=len(windows), sliding_window=windows)


def edges_of(config, length, cut=lambda layer, query, key: False):
    """`[layer][query]` = the keys it sees, from the model's own mask, less what `cut` takes away."""
    positions = torch.arange(length)[None]
    masks = [allowed(positions, positions, window)[0] for window in config.windows]
    return [
        [[k for k in range(length) if mask[q, k] and not cut(layer, q, k)] for q in range(length)]
        for layer, mask in enumerate(masks)
    ]


def search(edges, source):
    """Cells that a change at (0, source) reaches, layer by layer, as sets."""
    rows = [{source}]
    for layer in edges:
        rows.append({query for query, keys in enumerate(layer) if rows[-1] & set(keys)})
    return rows


def search_back(edges, target):
    rows = [{target}]
    for layer in reversed(edges):
        rows.append({key for query in rows[-1] for key in layer[query]})
    return rows[::-1]


def grid(rows, length=LENGTH):
    return np.array([[column in row for column in range(length)] for row in rows])


@pytest.mark.parametrize("windows", WINDOWS)
def test_cones_and_corridors_are_what_the_mask_lets_through(windows):
    config = shaped(windows)
    edges = edges_of(config, LENGTH)
    forward = {s: grid(search(edges, s)) for s in range(LENGTH)}
    backward = {t: grid(search_back(edges, t)) for t in range(LENGTH)}
    for s in range(LENGTH):
        assert np.array_equal(forward_cone(config, s, LENGTH), forward[s])
        assert np.array_equal(backward_cone(config, s, LENGTH), backward[s])
        assert np.array_equal(reachable(config, LENGTH, s), forward[s])
        assert np.array_equal(reaching(config, LENGTH, s), backward[s])
    for s, t in itertools.product(range(0, LENGTH, 3), range(0, LENGTH, 4)):
        assert np.array_equal(corridor(config, s, t, LENGTH), forward[s] & backward[t])


def test_a_corridor_at_the_exact_reach_is_one_path_and_one_further_is_empty():
    config = shaped((5, 3, 4))
    path = corridor(config, 2, 2 + 9)
    assert [np.flatnonzero(row).tolist() for row in path] == [[2], [6], [8], [11]]
    assert not corridor(config, 2, 2 + 10).any()


def random_cuts(seed, n_layers):
    rng = np.random.default_rng(seed)
    cuts = []
    for _ in range(4):
        key, query = sorted(rng.choice(LENGTH, 2, replace=False).tolist())
        layer = [None, *range(n_layers)][rng.integers(n_layers + 1)]
        cuts.append(cut_edge(key, query, layer))
        wide = int(rng.integers(1, LENGTH - query + 1))
        cuts.append(Cut(queries=(query, query + wide), keys=(max(0, key - 2), key + 1), layer=layer))
    return [*cuts, cut_wall(int(rng.integers(1, LENGTH - 1)), LENGTH, int(rng.integers(n_layers)))]


@pytest.mark.parametrize("windows", [(5, 5, 5), (3, 1, 4), (4, None, 2)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_left_after_cuts_is_what_a_search_finds(windows, seed, monkeypatch):
    monkeypatch.setattr(reach, "QUERIES_AT_ONCE", 4)  # several blocks
    config = shaped(windows)
    cuts = random_cuts(seed, config.n_layers)

    def taken(layer, query, key):
        return any(
            query in range(*cut.queries) and key in range(*cut.keys) and cut.layer in (None, layer) for cut in cuts
        )

    edges, whole = edges_of(config, LENGTH, taken), edges_of(config, LENGTH)
    assert edges != whole
    for position in range(LENGTH):
        assert np.array_equal(reachable(config, LENGTH, position, cuts), grid(search(edges, position)))
        assert np.array_equal(reaching(config, LENGTH, position, cuts), grid(search_back(edges, position)))


def test_a_layer_that_is_cut_moves_nothing_sideways_and_keeps_every_own_key():
    config = shaped((5, 5, 5))
    left = reachable(config, LENGTH, 4, [cut_layer(1, LENGTH)])
    assert [np.flatnonzero(row).tolist() for row in left] == [
        [4],
        list(range(4, 9)),
        list(range(4, 9)),
        list(range(4, 13)),
    ]


def test_a_wall_in_all_layers_lets_nothing_pass():
    left = reachable(shaped((5, 5, 5)), LENGTH, 4, [cut_wall(6, LENGTH)])
    assert left[:, :7].any()
    assert not left[:, 7:].any()


def test_cuts_that_cannot_be_made_are_refused_with_a_reason():
    with pytest.raises(ValueError, match="position 3 would lose its own key"):
        cut_edge(3, 3)
    with pytest.raises(ValueError, match=r"position 5 would lose its own key.*spare"):
        Cut(queries=(5, 9), keys=(2, 7))
    with pytest.raises(ValueError, match="keys are 4 up to 4"):
        Cut(queries=(5, 6), keys=(4, 4))
    with pytest.raises(ValueError, match="queries are 7 up to 7"):
        cut_wall(6, 7)
    with pytest.raises(ValueError, match=r"layer 3 cannot be cut.*0 to 2"):
        check_cuts(TINY, LENGTH, [cut_edge(1, 2, 3)])
    with pytest.raises(ValueError, match="position 23; this text has positions 0 to 22"):
        reachable(TINY, LENGTH, 0, [cut_edge(1, 23)])


@pytest.mark.parametrize("windows", WINDOWS)
def test_edges_and_hops_against_every_choice_of_layers(windows):
    config, far = shaped(windows), LENGTH - 1
    for row in range(config.n_layers + 1):
        assert forward_edge(config, row) == config.exact_reach(row)
        seen = np.flatnonzero(forward_cone(config, 0, LENGTH)[row])
        assert seen.max() == min(far, far if forward_edge(config, row) is None else forward_edge(config, row))
        back = far - np.flatnonzero(backward_cone(config, far, LENGTH)[row])
        assert back.max() == min(far, far if backward_edge(config, row) is None else backward_edge(config, row))
    widths = [far if window is None else window - 1 for window in config.windows]
    arrival = [np.flatnonzero(column) for column in forward_cone(config, 0, LENGTH).T]
    for distance in range(LENGTH):
        choices = [
            len(chosen)
            for size in range(len(widths) + 1)
            for chosen in itertools.combinations(widths, size)
            if sum(chosen) >= distance
        ]
        assert hops(distance, config) == (min(choices) if choices else None)
        assert first_row(distance, config) == (int(arrival[distance][0]) if len(arrival[distance]) else None)


def test_the_numbers_of_the_paper_and_of_the_bundled_shape():
    assert forward_edge(MISTRAL_7B, 32) == 32 * 4095
    assert backward_edge(MISTRAL_7B, 31) == 4095
    bundled = replace(TINY, n_layers=8, sliding_window=16)
    assert [hops(d, bundled) for d in (0, 1, 15, 16, 22, 119, 120, 121)] == [0, 1, 1, 2, 2, 8, 8, None]


@pytest.mark.parametrize("windows", [(5, 5, 5), (3, 1, 4)])
def test_a_token_has_left_exactly_the_rings_that_no_longer_hold_it(windows):
    config = shaped(windows)
    kv_cache = KVCache(config)
    for step in range(12):
        plans = kv_cache.plan(torch.tensor([[step]]))
        for ring, window in zip(kv_cache.rings, config.windows, strict=True):
            made = torch.zeros(1, 1, config.n_kv_heads, config.head_dim)
            ring.write(made, made, plans[window])
        for position in range(step + 1):
            held = [position in ring.positions[0].tolist() for ring in kv_cache.rings]
            assert rings_left(config, position, step) == tuple(not one for one in held)


def test_positions_rows_and_distances_that_do_not_exist():
    with pytest.raises(ValueError, match="source 23 is not in the text"):
        forward_cone(TINY, 23, LENGTH)
    with pytest.raises(ValueError, match="target -1 is not in the text"):
        backward_cone(TINY, -1, LENGTH)
    with pytest.raises(ValueError, match="row 4 is not in the grid"):
        forward_edge(TINY, 4)
    with pytest.raises(ValueError, match="nothing travels backwards"):
        hops(-1, TINY)
    with pytest.raises(ValueError, match="position 5 is not among the 0 to 4"):
        rings_left(TINY, 5, 4)


def test_theory_is_drawn_without_torch():
    code = "import sys, mistral_core.analysis.reach; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
