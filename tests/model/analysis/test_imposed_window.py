"""An imposed window: losses against passes of the model itself, attention by place against loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.imposed_window import FIRST, PLACES, impose
from mistral_core.checkpoint.variants import with_windows
from mistral_core.hooks import recording
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH, START = 23, 12


@pytest.fixture(scope="module")
def model():
    return random_model(replace(TINY, sliding_window=None), seed=11, std=0.4, dtype=torch.float64)


def test_losses_and_shares_are_those_of_the_model(model, draw_tokens):
    ids = draw_tokens(LENGTH)
    made = impose(model, ids, [12, 5, 3], START)
    cases = [(one.window, one.sinks) for one in made]
    assert cases == [(None, 0), (12, 0), (12, 1), (12, 4), (5, 0), (5, 1), (5, 4), (3, 0), (3, 1)]
    for one in made:
        reader = model if one.window is None else with_windows(model, one.window - one.sinks, one.sinks)
        name = "layers.1.attention.hook_pattern"
        with recording([name]) as seen, torch.inference_mode():
            log_probs = reader(torch.tensor([ids]))[0].log_softmax(-1)
        wanted = [-float(log_probs[p, ids[p + 1]]) for p in range(LENGTH - 1)]
        np.testing.assert_allclose(one.losses, wanted, atol=1e-10)
        assert one.loss_from(START) == pytest.approx(np.mean(wanted[START:]))
        shares = dict.fromkeys(PLACES, 0.0)
        for query in range(START, LENGTH):
            near = range(max(0, query - (one.window or LENGTH) + one.sinks + 1), query + 1)
            keys = sorted({*near, *range(one.sinks)})
            later = [key for key in keys if key >= FIRST and key != query]
            for key in keys:
                place = "first" if key < FIRST else "itself" if key == query else "near"
                place = "oldest" if later and key == later[0] else place
                shares[place] += float(seen[name][0, :, query, key].mean()) / (LENGTH - START)
        np.testing.assert_allclose(one.shares[1], [shares[place] for place in PLACES], atol=1e-10)
        np.testing.assert_allclose(one.shares.sum(1), 1, atol=1e-10)


def test_attention_is_counted_inside_the_text(model, draw_tokens):
    with pytest.raises(ValueError, match="start is 22"):
        impose(model, draw_tokens(LENGTH), [4], LENGTH - 1)
