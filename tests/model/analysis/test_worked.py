"""Worked numbers, against the stored tensors of networks of every shape, and against sums written out here."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.inside import read_inside
from mistral_core.analysis.interventions import KnockOut, Shorten
from mistral_core.analysis.worked import default_cell, worked
from mistral_core.analysis.worked_cell import BY_KEY, STORED, rounding_of
from mistral_core.checkpoint.variants import with_changes
from mistral_core.model import random_model
from tests.conftest import TINY
from tests.model import reference

LENGTH = 17
SHAPES = [((5, 5, 5), 0), ((3, 1, None), 0), (None, 0), ((4, 4, 4), 2)]


def read(config, seed=7, dtype=torch.float64, length=LENGTH, chunk=6):
    model = random_model(config, seed=seed, std=0.4, dtype=dtype)
    ids = np.random.default_rng(seed).integers(3, 300, length).tolist()
    return model, read_inside(model, ids, length - 1, chunk=chunk)


def cells_of(inside, layer, position, box, draw):
    """Three cells: the first looked at, and two drawn."""
    config, seen = inside.config, inside.seen(layer, position)
    if box == "mask":
        drawn = [(int(key),) for key in draw.integers(0, position + 1, 2)]
    elif box in BY_KEY:
        drawn = [(int(draw.integers(config.n_heads)), int(draw.choice(seen))) for _ in range(2)]
    else:
        name = STORED[box]
        shape = (inside.at if box in ("final_norm", "logits") else lambda n, p: inside.of(layer, n, p))(
            name, position
        ).shape
        drawn = [tuple(int(draw.integers(size)) for size in shape) for _ in range(2)]
    return [default_cell(inside, layer, position, box, int(draw.integers(config.n_heads))), *drawn]


@pytest.mark.parametrize(("windows", "sinks"), SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_every_worked_number_is_the_stored_one(windows, sinks, dtype):
    model, inside = read(replace(TINY, sliding_window=windows, sinks=sinks), dtype=dtype)
    draw = np.random.default_rng(1)
    for layer in range(3):
        for position in (0, 4, 11, LENGTH - 1):
            for box in STORED:
                for cell in cells_of(inside, layer, position, box, draw):
                    one = worked(model, inside, layer, position, box, cell)
                    assert one.agrees, (box, layer, position, cell, one)
                    assert one.error <= (1e-9 if dtype == torch.float64 else 1e-4), (box, cell)
                    assert len(one.left) == len(one.right) == len(one.labels or one.left)


def test_terms_are_those_of_the_second_network():
    """The terms of a query's number, written out from the weights by their published names."""
    model, inside = read(TINY)
    weights, layer, position, head, feature = reference.weights_of(model), 1, 11, 4, 3
    one = worked(model, inside, layer, position, "q", (head, feature))
    x = inside.of(layer, "hook_resid_pre", position)
    _, _, normed = reference.rms_norm(x, weights["layers.1.attention_norm.weight"], TINY.norm_eps)
    row = weights["layers.1.attention.wq.weight"][head * TINY.head_dim + feature]
    np.testing.assert_allclose(one.left, normed, atol=1e-12)
    np.testing.assert_allclose(one.right, row, atol=1e-12)
    assert one.result == pytest.approx(float(normed @ row))


def test_a_number_that_is_not_what_its_inputs_make_is_noticed():
    """The check can fail: a wrong weight, a wrong angle, a wrong key give another number than the stored one."""
    model, inside = read(TINY)
    other = random_model(TINY, seed=8, std=0.4, dtype=torch.float64)
    for box in ("q", "k", "v", "attn_out", "pre", "pre_linear", "mlp_out", "logits"):
        cell = default_cell(inside, 1, 11, box)
        assert worked(model, inside, 1, 11, box, cell).agrees
        assert not worked(other, inside, 1, 11, box, cell).agrees, box
    turned = replace(inside, config=replace(TINY, rope_theta=100.0))
    assert not worked(model, turned, 1, 11, "rot_q", (2, 3)).agrees
    narrow = replace(inside, config=replace(TINY, sliding_window=4, sinks=1))
    assert worked(model, narrow, 1, 11, "mask", (7,)).result == 0 != worked(model, inside, 1, 11, "mask", (7,)).result


@pytest.mark.parametrize(
    ("change", "box"),
    [(KnockOut(part="head", layer=1, index=4), "z"), (KnockOut(part="mlp", layer=1), "mlp_out")],
    ids=["head", "mlp"],
)
def test_in_a_changed_network_what_is_stored_wins(change, box):
    model = with_changes(random_model(TINY, seed=7, std=0.4), [change])
    ids = np.random.default_rng(7).integers(3, 300, LENGTH).tolist()
    inside = read_inside(model, ids, LENGTH - 1, chunk=6)
    cell = (4, 2) if box == "z" else (3,)
    knocked_out = worked(model, inside, 1, 11, box, cell)
    assert knocked_out.stored == 0 and knocked_out.result != 0 and not knocked_out.agrees
    for later in ("attn_out", "resid_mid", "resid_post", "logits"):
        assert later == box or worked(model, inside, 1, 11, later, (2,)).agrees, later
    untouched = (3, 2) if box == "z" else (4, 2)
    assert worked(model, inside, 1, 11, "z", untouched).agrees


def test_keys_that_a_change_hides_have_no_score():
    model = with_changes(random_model(TINY, seed=7, std=0.4), [Shorten(distance=1)])
    ids = np.random.default_rng(7).integers(3, 300, LENGTH).tolist()
    inside = read_inside(model, ids, LENGTH - 1, chunk=6)
    hidden = worked(model, inside, 1, 11, "scores", (0, 8))
    assert hidden.stored == -math.inf and math.isfinite(hidden.result) and not hidden.agrees
    mask = worked(model, inside, 1, 11, "mask", (8,))
    assert (mask.result, mask.stored) == (1, 0)
    assert worked(model, inside, 1, 11, "pattern", (0, 11)).agrees


def test_a_slot_is_where_the_ring_puts_a_position():
    for window, sinks in ((5, 0), (4, 2), (None, 0)):
        config = replace(TINY, sliding_window=window, sinks=sinks)
        model, inside = read(config)
        cache = model.empty_kv_cache(max_context=LENGTH)
        for position in (0, 1, 3, 9, 16):
            one = worked(model, inside, 1, position, "ring", (1, 4))
            slot = int(cache.slots(torch.tensor(position), window))
            assert one.steps[0].value == slot and one.agrees


@pytest.mark.parametrize(
    ("box", "cell", "sentence"),
    [
        ("nothing", (0,), "there is no box 'nothing'; boxes are resid_pre, "),
        ("q", (6, 0), r"cell \(6, 0\) is not in q, which has 6 x 6 numbers"),
        ("q", (1,), r"cell \(1,\) is not in q"),
        ("mask", (12,), "is not in mask"),
        ("scores", (0, 2), "position 2 is not seen from 11 in layer 1: it is masked"),
    ],
)
def test_a_number_that_is_not_there_is_refused(box, cell, sentence):
    model, inside = read(TINY)
    with pytest.raises(ValueError, match=sentence):
        worked(model, inside, 1, 11, box, cell)


def test_rounding_follows_how_the_network_multiplies():
    assert rounding_of(random_model(TINY, dtype=torch.float64)) < rounding_of(random_model(TINY)) < 1e-5
    assert rounding_of(random_model(TINY, dtype=torch.bfloat16)) == 1e-2
