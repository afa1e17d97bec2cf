"""Interventions as values: what is refused, and the way to JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.intervention_json import from_json, to_json
from mistral_core.analysis.interventions import Add, Column, Edge, KnockOut, Patch, Shorten, Slot
from mistral_core.kv_cache import KVCache
from mistral_core.ring import slots_of
from tests.conftest import TINY

ONE_OF_EACH = (
    KnockOut(part="head", layer=1, index=5),
    KnockOut(part="group", layer=0, index=1, to="mean", positions=(2, 7)),
    KnockOut(part="mlp", layer=2),
    KnockOut(part="attention", layer=2, positions=(0, 1)),
    Shorten(distance=2, layers=(0, 2), renormalise=False),
    Edge(source=3, target=5, layers=(1,)),
    Column(position=4),
    Slot(slot=2, step=9, to="zero"),
    Patch(hook="hook_resid_post", layers=(1,), positions=(0, 3), token_ids=(1, 5, 6)),
    Patch(hook="attention.hook_z", layers=(1, 2), positions=(1, 2), token_ids=(1, 5, 6), heads=(0, 4)),
    Add(row=2, positions=(3, 4), vector=tuple(np.linspace(-1, 1, TINY.dim).tolist())),
)


def test_every_kind_goes_to_json_and_back():
    text = json.dumps(to_json(ONE_OF_EACH))
    assert from_json(json.loads(text)) == ONE_OF_EACH
    for one in ONE_OF_EACH:
        one.check(TINY)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "must be a list"),
        ([3], "must be an object with a kind"),
        ([{"kind": "hammer"}], "no intervention is called 'hammer'; kinds are knock_out, shorten"),
        ([{"kind": "edge", "source": 1}], "edge is not complete: target must be given"),
        ([{"kind": "edge", "source": 1, "target": 2, "depth": 3}], "edge has no 'depth'"),
        ([{"kind": "shorten", "distance": True}], "distance is True; it must be a whole number"),
        ([{"kind": "shorten", "distance": 2.0}], "distance is 2.0"),
        ([{"kind": "shorten", "distance": 2, "layers": []}], "layers are \\(\\)"),
        ([{"kind": "shorten", "distance": 2, "layers": "0"}], "layers are '0'"),
        ([{"kind": "shorten", "distance": 2, "renormalise": 1}], "renormalise is 1"),
        ([{"kind": "edge", "source": 2, "target": 2}], "a query keeps its own key"),
        ([{"kind": "knock_out", "part": "head", "layer": 0}], "index is None for head"),
        ([{"kind": "knock_out", "part": "mlp", "layer": 0, "index": 1}], "index is 1 for mlp"),
        ([{"kind": "knock_out", "part": "mlp", "layer": 0, "positions": [3, 3]}], "positions are"),
        ([{"kind": "knock_out", "part": "mlp", "layer": 0, "to": "one"}], "to is 'one'; it must be one of zero, mean"),
        ([{"kind": "patch", "hook": "attention.hook_pattern", "layers": [0], "positions": [0, 1], "token_ids": [1]}],
         "hook is 'attention.hook_pattern'"),
        ([{"kind": "patch", "hook": "hook_mlp_out", "layers": [0], "positions": [0, 2], "token_ids": [1]}],
         "positions up to 1 are not in the other text"),
        ([{"kind": "patch", "hook": "hook_mlp_out", "layers": [0], "positions": [0, 1], "token_ids": [1],
           "heads": [0]}], "hook_mlp_out has no heads"),
        ([{"kind": "add", "row": 0, "positions": [0, 1], "vector": [float("nan")]}], "finite numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_reason(values, why):
    with pytest.raises(ValueError, match=why):
        from_json(values)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (KnockOut(part="head", layer=0, index=6), "head 6 is not in this model; each layer has 0 to 5"),
        (KnockOut(part="group", layer=0, index=2), "group 2 is not in this model; each layer has 0 to 1"),
        (KnockOut(part="mlp", layer=3), "layer 3 is not in this model"),
        (Shorten(distance=1, layers=(0, 7)), "layer 7"),
        (Slot(slot=5), "slot 5 is not in the ring of layer 0; it has slots 0 to 4"),
        (Patch(hook="attention.hook_v", layers=(0,), positions=(0, 1), token_ids=(1,), heads=(2,)), "head 2"),
        (Patch(hook="hook_mlp_out", layers=(0,), positions=(0, 1), token_ids=(300,)), "token 300"),
        (Add(row=4, positions=(0, 1), vector=(0.0,) * TINY.dim), "row 4"),
        (Add(row=0, positions=(0, 1), vector=(0.0,)), "1 numbers; the stream of this model has 24"),
    ],
)
def test_what_this_model_does_not_have_is_refused(one, why):
    with pytest.raises(ValueError, match=why):
        one.check(TINY)


@pytest.mark.parametrize(("window", "sinks"), [(5, 0), (5, 2), (1, 0)])
def test_a_slot_is_where_the_cache_puts_a_position(window, sinks):
    config = replace(TINY, sliding_window=window, sinks=sinks)
    positions = torch.arange(23)
    slots, cache = slots_of(positions, window + sinks, sinks), KVCache(config)
    assert torch.equal(slots, cache.slots(positions, window))
    assert slots_of(positions.numpy(), window + sinks, sinks).tolist() == slots.tolist()
    written = [int(cache.plan(positions[None, p : p + 1])[window].slots) for p in range(len(positions))]
    assert written == slots.tolist() == [slots_of(p, window + sinks, sinks) for p in range(len(positions))]
    for one in set(written):
        lost = Slot(slot=one).severs(22, positions, window, sinks)
        assert torch.equal(lost, (slots == one) & (positions != 22))
