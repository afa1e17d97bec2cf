"""One score taken apart, against the same score computed from each part of the stream by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.inside import bytes_a_token, read_inside
from mistral_core.analysis.interventions import Add, KnockOut
from mistral_core.analysis.score_split import split_score, wavelengths
from mistral_core.checkpoint.variants import with_changes
from mistral_core.model import random_model
from tests.conftest import TINY
from tests.model import reference

LENGTH = 17
SHAPES = [((5, 5, 5), 0), ((3, 1, None), 0), (None, 0), ((4, 4, 4), 2)]
IDS = np.random.default_rng(7).integers(3, 300, LENGTH).tolist()


@pytest.mark.parametrize(("windows", "sinks"), SHAPES, ids=str)
def test_both_sums_are_the_score(windows, sinks):
    model = random_model(replace(TINY, sliding_window=windows, sinks=sinks), seed=7, std=0.4)
    inside = read_inside(model, IDS, LENGTH - 1, chunk=6)
    for layer in range(3):
        for position in (0, 5, LENGTH - 1):
            for key in inside.seen(layer, position).tolist():
                split = split_score(model, inside, layer, position, 5, key)
                assert split.error < 1e-4
                assert split.parts == ("embedding", "layer 1", "layer 2", "layer 3")[: layer + 1]
                assert split.by_layer.shape == (layer + 1, layer + 1) and len(split.by_pair) == 3


def test_a_part_is_what_its_vector_makes_alone():
    """Query of what layer 1 added, key of the embedding: normalised with the stored divisor, projected, turned."""
    model = random_model(TINY, seed=7, std=0.4, dtype=torch.float64)
    inside = read_inside(model, IDS, LENGTH - 1)
    weights, layer, position, key, head = reference.weights_of(model), 2, 12, 10, 5
    split = split_score(model, inside, layer, position, head, key)

    def made(part, at, matrix, row):
        gain = weights["layers.2.attention_norm.weight"]
        x = part / inside.of(layer, "attention_norm.hook_scale", at)[0] * gain
        rows = weights[f"layers.2.attention.{matrix}.weight"][row * 6 : row * 6 + 6]
        return reference.rope(rows @ x, at, TINY.rope_theta)

    first = inside.of(0, "hook_resid_post", position) - inside.of(0, "hook_resid_pre", position)
    by_hand = made(first, position, "wq", head) @ made(inside.at("hook_embed", key), key, "wk", 1) / math.sqrt(6)
    assert split.by_layer[1, 0] == pytest.approx(by_hand, abs=1e-12)
    assert split.error < 1e-12


def test_pairs_that_turn_fast_lose_sight_of_each_other():
    """A pair's share is `|q||k| cos(angle between them + distance x frequency)`: turned for other positions by hand."""
    model = random_model(TINY, seed=7, std=0.4, dtype=torch.float64)
    inside = read_inside(model, IDS, LENGTH - 1)
    split = split_score(model, inside, 1, 12, 2, 9)
    q, k = inside.of(1, "attention.hook_q", 12)[2], inside.of(1, "attention.hook_k", 9)[0]
    for pair, turn in enumerate(2 * np.pi / wavelengths(6, TINY.rope_theta)):
        a, b = complex(*q[2 * pair : 2 * pair + 2]), complex(*k[2 * pair : 2 * pair + 2])
        share = abs(a) * abs(b) * math.cos(np.angle(a) - np.angle(b) + (12 - 9) * turn) / math.sqrt(6)
        assert split.by_pair[pair] == pytest.approx(share, abs=1e-12)


def test_a_changed_network_sums_too():
    model = with_changes(random_model(TINY, seed=7, std=0.4), [KnockOut(part="mlp", layer=0)])
    inside = read_inside(model, IDS, LENGTH - 1)
    split = split_score(model, inside, 2, 12, 1, 10)
    assert split.error < 1e-4 and "rest" not in split.parts


def test_what_was_put_into_the_stream_is_a_part_of_its_own():
    put_in = Add(row=1, positions=(12, 13), vector=(3.0,) * TINY.dim)
    model = with_changes(random_model(TINY, seed=7, std=0.4), [put_in])
    inside = read_inside(model, IDS, LENGTH - 1)
    split = split_score(model, inside, 2, 12, 1, 10)
    assert split.parts[-1] == "rest" and split.error < 1e-4
    assert np.abs(split.by_layer[-1, :-1]).max() > 0.01  # it is in the query at 12 and not in the key at 10
    assert np.abs(split.by_layer[:, -1]).max() < 1e-4


def test_a_score_that_is_not_there_is_refused():
    model = random_model(TINY, seed=7, std=0.4)
    inside = read_inside(model, IDS, LENGTH - 1)
    with pytest.raises(ValueError, match="position 3 is not seen from 12 in layer 1; seen are 8, 9, 10, 11, 12"):
        split_score(model, inside, 1, 12, 0, 3)
    part = read_inside(model, IDS, 12, budget=3 * bytes_a_token(TINY, LENGTH))
    with pytest.raises(ValueError, match="what token 8 made is not kept"):
        split_score(model, part, 1, 12, 0, 8)
