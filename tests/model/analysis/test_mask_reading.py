"""Scores and weights derived from stored queries and keys are those of the model, under every window."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.mask_reading import MOST_TOKENS, change, derived_scores, read_mask
from mistral_core.hooks import recording
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH = 23  # more than four windows


@pytest.mark.parametrize(("windows", "sinks"), [(5, 0), (5, 2), ((3, None, 4), 0), (None, 0), (30, 1)])
def test_they_are_what_the_model_made(draw_tokens, windows, sinks):
    model = random_model(replace(TINY, sliding_window=windows, sinks=sinks), seed=11, std=0.4)
    ids = draw_tokens(LENGTH)
    made = read_mask(model, ids, (2, 0))
    assert made.error < 1e-6 and made.layers == (2, 0) and made.windows == model.config.windows
    name = "layers.2.attention.hook_attn_scores"
    with recording([name]) as seen, torch.inference_mode():
        logits = model(torch.tensor([ids]))[0]
    own = seen[name][0]
    scores = derived_scores(torch.from_numpy(made.queries[0]), torch.from_numpy(made.keys[0]))
    allowed = own.isfinite()
    torch.testing.assert_close(scores[allowed], own[allowed], rtol=1e-5, atol=1e-5)
    assert scores.isfinite().all(), "what is masked has a score too"
    assert torch.equal(made.logits, logits)


def test_a_wrong_window_would_be_noticed(draw_tokens, tiny_model, monkeypatch):
    from mistral_core.analysis import mask_reading

    right = mask_reading.derived_pattern
    monkeypatch.setattr(mask_reading, "derived_pattern", lambda q, k, window, sinks: right(q, k, window + 1, sinks))
    assert read_mask(tiny_model, draw_tokens(LENGTH), (0,)).error > 1e-3


def test_one_key_more_changes_nothing_before_it_comes_into_sight(draw_tokens, tiny_model):
    from mistral_core.checkpoint.variants import with_windows

    ids = draw_tokens(LENGTH)
    first, other = (read_mask(model, ids, ()).logits for model in (tiny_model, with_windows(tiny_model, 6)))
    moved = change(first, other)
    assert not moved.largest[:5].any() and not moved.kl[:5].any()
    assert (moved.largest[5:] > 1e-3).all() and (moved.kl[5:] > 0).all()
    p, q = first.double().softmax(-1), other.double().softmax(-1)
    np.testing.assert_allclose(moved.kl, (p * (p / q).log()).sum(-1), atol=1e-9)


def test_what_cannot_be_read_is_refused(draw_tokens, tiny_model):
    with pytest.raises(ValueError, match=f"1 to {MOST_TOKENS}"):
        read_mask(tiny_model, draw_tokens(MOST_TOKENS + 1), (0,))
    with pytest.raises(ValueError, match="layers are 0 to 2"):
        read_mask(tiny_model, draw_tokens(4), (3,))
