"""The map of knock-outs, part by part, against one intervention at a time on the whole text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mistral_core.analysis import knock_out_map as module
from mistral_core.analysis.intervening import effect
from mistral_core.analysis.interventions import KnockOut
from mistral_core.analysis.knock_out_map import all_parts, knock_out_map
from mistral_core.model import random_model
from mistral_core.serving.task import TaskCancelled
from tests.conftest import TINY

LENGTH = 23


@pytest.fixture(params=[(5, 5, 5), (4, None, 2)], scope="module")
def model(request):
    import torch

    return random_model(replace(TINY, sliding_window=request.param), seed=11, std=0.4, dtype=torch.float64)


@pytest.mark.parametrize("target", [0, 9, 20])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_every_part_is_what_it_is_alone(model, draw_tokens, target, rows, monkeypatch):
    monkeypatch.setattr(module, "rows_at_once", lambda model, length: rows)
    ids = draw_tokens(LENGTH, 4)
    measured = knock_out_map(model, ids, target)
    assert measured.token == ids[target + 1]
    for name, part in (("head", measured.heads), ("group", measured.groups), ("mlp", measured.mlps)):
        count = {"head": 6, "group": 2, "mlp": 1}[name]
        assert part.change.shape == part.kl.shape == (3, count)
        for layer in range(3):
            for index in range(count):
                one = KnockOut(part=name, layer=layer, index=None if name == "mlp" else index)
                alone = effect(model, ids, [one])
                expected = alone.after[target] - alone.before[target]
                assert part.change[layer, index] == pytest.approx(expected, abs=1e-9)
                assert part.kl[layer, index] == pytest.approx(alone.kl[target], abs=1e-9)
    assert np.abs(measured.heads.change).max() > 0.01


def test_means_are_those_of_what_is_read(model, draw_tokens):
    ids = draw_tokens(12, 6)
    measured = knock_out_map(model, ids, 11, 7, to="mean")
    one = KnockOut(part="head", layer=0, index=3, to="mean")
    alone = effect(model, ids, [one])
    logs = [p.logits[11].log_softmax(-1)[7] for p in (alone.changed, alone.original)]
    assert measured.heads.change[0, 3] == pytest.approx(float(logs[0] - logs[1]), abs=1e-9)
    assert measured.heads.change[0, 3] != pytest.approx(knock_out_map(model, ids, 11, 7).heads.change[0, 3])


def test_what_lies_beyond_the_reach_is_not_read(tiny_model64, draw_tokens):
    ids = draw_tokens(30, 4)
    assert knock_out_map(tiny_model64, ids, 25).first_read == 25 - 12
    with_sinks = random_model(replace(TINY, sinks=2), seed=11, std=0.4)
    assert knock_out_map(with_sinks, ids, 25).first_read == 0


def test_every_part_comes_once():
    parts = list(all_parts(TINY))
    assert len(parts) == len(set(parts)) == 3 * (6 + 2 + 1)
    assert [part.layer for part in parts] == sorted(part.layer for part in parts)


def test_it_says_how_far_it_is_and_can_be_ended(tiny_model, draw_tokens):
    ids, reports = draw_tokens(9), []
    knock_out_map(tiny_model, ids, 5, report=lambda *now: reports.append(now))
    assert [done for done, _, _ in reports] == [0, 9, 18, 27]
    assert reports[1][1:] == (27, "knocking out parts of layer 2 of 3")

    def stop(done, total, what):
        if done:
            raise TaskCancelled

    with pytest.raises(TaskCancelled):
        knock_out_map(tiny_model, ids, 5, report=stop)


def test_what_cannot_be_asked_is_refused(tiny_model, draw_tokens):
    ids = draw_tokens(9)
    with pytest.raises(ValueError, match="no token follows position 8"):
        knock_out_map(tiny_model, ids, 8)
    with pytest.raises(ValueError, match="target 9 is not in the text"):
        knock_out_map(tiny_model, ids, 9)
    with pytest.raises(ValueError, match="token 300 is outside"):
        knock_out_map(tiny_model, ids, 3, 300)
