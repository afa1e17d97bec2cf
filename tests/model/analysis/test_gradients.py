"""Conductance read on from the source is the same as that of whole passes over the whole text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis import gradients
from mistral_core.analysis.gradients import conductance, gradient_pass
from mistral_core.analysis.influence import backward_influence
from mistral_core.analysis.reach import cut_edge, cut_wall, reachable, reaching
from mistral_core.model import random_model
from tests.conftest import TINY, TINY_STD

LENGTH, SWAPPED, EXPLAINED, STEPS = 30, 77, 9, 5
CUTS = {
    "none": [],
    "before, across and after the source": [cut_edge(2, 4), cut_edge(9, 12, 1), cut_wall(13, LENGTH, 2)],
}


def network(windows):
    return random_model(replace(TINY, n_layers=len(windows), sliding_window=windows), 3, TINY_STD, torch.float64)


def in_whole_passes(model, ids, source, target, cuts):
    """The same sum, every pass over the whole text up to the target, without rings; nothing left out."""
    weight = model.tok_embeddings.weight
    sums, last = 0.0, None
    for step in range(STEPS + 1):
        start = weight[ids[: target + 1]].clone()
        start[source] += (weight[SWAPPED] - start[source]) * (step / STEPS)
        _, states, slopes = gradient_pass(model, ids, range(target + 1), EXPLAINED, cuts, start)
        if last is not None:
            sums = sums + ((last[1] + slopes) / 2 * (states - last[0])).sum(-1)
        last = (states, slopes)
    return sums.numpy()


@pytest.mark.parametrize("windows", [(5, 5, 5), (3, 1, 4), (2, 2, 2, 2), (4, None, 2)])
@pytest.mark.parametrize(("source", "target"), [(0, 3), (11, 14), (11, 11), (17, 18)])
@pytest.mark.parametrize("cuts", CUTS)
def test_reading_on_from_the_source_gives_what_whole_passes_give(windows, source, target, cuts, draw_tokens):
    model, ids = network(windows), draw_tokens(LENGTH)
    found = conductance(model, ids, source, target, SWAPPED, EXPLAINED, cuts=CUTS[cuts], steps=STEPS)
    whole = in_whole_passes(model, ids, source, target, CUTS[cuts])
    np.testing.assert_allclose(found.through, whole[:, source:], rtol=1e-8, atol=1e-13)
    assert not whole[:, :source].any()
    config = model.config
    left = reachable(config, LENGTH, source, CUTS[cuts]) & reaching(config, LENGTH, target, CUTS[cuts])
    assert np.array_equal(found.through != 0, left[:, source : target + 1])
    expected = [
        backward_influence(model, one, target, EXPLAINED, cuts=CUTS[cuts]).log_prob
        for one in (ids, [*ids[:source], SWAPPED, *ids[source + 1 :]])
    ]
    assert [found.log_prob_before, found.log_prob_after] == pytest.approx(expected, rel=1e-10)


def test_steps_are_halved_until_it_is_good_enough(draw_tokens):
    model, ids = network((5, 5, 5)), draw_tokens(LENGTH)
    taken = {}
    for share in (0.5, 0.02, 1e-9):
        found = conductance(model, ids, 11, 14, SWAPPED, EXPLAINED, steps=16, good_enough=share)
        plain = conductance(model, ids, 11, 14, SWAPPED, EXPLAINED, steps=found.steps)
        np.testing.assert_allclose(found.through, plain.through, rtol=1e-12)
        change = found.log_prob_after - found.log_prob_before
        off = np.abs(found.through.sum(1) - change).max()
        assert off <= share * abs(change) or found.steps == 16
        taken[share] = found.steps
    assert taken[0.5] == 4
    assert taken[1e-9] == 16


def test_what_is_left_is_stated_and_halving_ends_where_memory_or_rounding_does(draw_tokens, monkeypatch):
    model, ids = network((5, 5, 5)), draw_tokens(LENGTH)

    def found(**more):
        return conductance(model, ids, 11, 14, SWAPPED, EXPLAINED, steps=128, good_enough=1e-9, **more)

    whole = found()
    change = whole.log_prob_after - whole.log_prob_before
    assert whole.steps == 128
    assert whole.error == np.abs(whole.through.sum(1) - change).max()
    per_token = 2 * (len(model.config.windows) + 1) * model.config.dim * 8
    monkeypatch.setattr(gradients, "MAX_BYTES", 4 * per_token * 17)
    assert found().steps == 16
    monkeypatch.undo()
    narrow = network((5, 5, 5)).bfloat16()
    drowned = conductance(narrow, ids, 11, 14, SWAPPED, EXPLAINED, steps=128, good_enough=1e-9)
    assert drowned.steps < 128


def test_a_long_beginning_is_read_in_chunks(draw_tokens, monkeypatch):
    model, ids = network((5, 5, 5)), draw_tokens(LENGTH)
    whole = conductance(model, ids, 20, 24, SWAPPED, EXPLAINED, steps=STEPS)
    monkeypatch.setattr(gradients, "PREFIX_CHUNK", 7)
    chunked = conductance(model, ids, 20, 24, SWAPPED, EXPLAINED, steps=STEPS)
    np.testing.assert_allclose(chunked.through, whole.through, rtol=1e-9)


def test_the_model_is_left_as_it_was_and_nonsense_is_refused(tiny_model64, draw_tokens):
    ids = draw_tokens(LENGTH)
    before = tiny_model64(torch.tensor([ids]))
    conductance(tiny_model64, ids, 3, 9, SWAPPED, EXPLAINED, steps=1)
    assert torch.equal(before, tiny_model64(torch.tensor([ids])))
    with pytest.raises(ValueError, match="steps is 0"):
        conductance(tiny_model64, ids, 3, 9, SWAPPED, EXPLAINED, steps=0)
    with pytest.raises(ValueError, match="source 9 comes after target 3"):
        conductance(tiny_model64, ids, 9, 3, SWAPPED, EXPLAINED, steps=1)
