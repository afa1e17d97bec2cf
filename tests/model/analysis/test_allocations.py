"""Three allocations, one mask: the same predictions as one dense pass, and bytes that follow from the slots."""

from dataclasses import replace

import pytest
import torch

from mistral_core.analysis.allocations import AllKeys, Slack, allocations
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH = 17


@pytest.mark.parametrize(("windows", "sinks"), [(5, 0), (5, 2), ((3, None, 5), 0)])
def test_all_three_say_the_same(draw_tokens, windows, sinks):
    model = random_model(replace(TINY, sliding_window=windows, sinks=sinks), seed=11, std=0.4, dtype=torch.float64)
    ids = draw_tokens(LENGTH)
    made = allocations(model, ids, 4, repeats=1)
    assert max(one.difference for one in made) < 1e-9
    first = model.config.windows[0] + sinks
    assert [one.slots for one in made] == [first, first + 4, LENGTH]
    slots = [first, first + 4, LENGTH]
    rings = [[n if window else LENGTH for window, n in zip(model.config.windows, [s] * 3, strict=True)] for s in slots]
    if windows == 5:
        number = 2 * TINY.n_kv_heads * TINY.head_dim * 8 + 8  # keys and values in float64, and a position
        assert [one.nbytes for one in made] == [sum(row) * number for row in rings]
    with torch.inference_mode():
        dense = model(torch.tensor([ids]))[0]
        for kind, more in ((AllKeys, {}), (Slack, {"slack": 2})):
            for size in (1, 4, 11):  # chunks beyond the window too
                kv_cache = kind(model.config, max_context=LENGTH, dtype=torch.float64, **more)
                parts = [model(part, kv_cache=kv_cache)[0] for part in torch.tensor([ids]).split(size, 1)]
                torch.testing.assert_close(torch.cat(parts), dense, rtol=1e-9, atol=1e-9)


def test_nothing_to_compare_is_refused(tiny_model, draw_tokens):
    for ids, slack, repeats in (([], 1, 1), (draw_tokens(3), 0, 1), (draw_tokens(3), 1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            allocations(tiny_model, ids, slack, repeats=repeats)
