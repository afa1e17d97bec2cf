"""Padding and neighbours change nothing, in ragged batches, with windows, sinks and without."""

from dataclasses import replace

import pytest
import torch

from mistral_core.analysis import padding
from mistral_core.analysis.padding import in_company
from mistral_core.model import random_model
from tests.conftest import TINY


@pytest.mark.parametrize(("windows", "sinks"), [(5, 0), (5, 1), (None, 0)])
def test_a_prompt_says_the_same_in_any_company(draw_tokens, windows, sinks):
    model = random_model(replace(TINY, sliding_window=windows, sinks=sinks), seed=11, std=0.4, dtype=torch.float64)
    made = in_company(model, draw_tokens(13), [draw_tokens(4, 1), draw_tokens(21, 2)], padding=7)
    assert len(made) == 4 and [(one.rows, one.width) for one in made] == [(1, 20), (1, 20), (3, 21), (3, 21)]
    for one in made:
        assert one.dense < 1e-9 and one.cached < 1e-9 and one.first, one.what


def test_padding_that_counts_as_text_would_be_noticed(draw_tokens, tiny_model64):
    ids = draw_tokens(13)
    tokens, positions = padding._padded([ids], 20, left=True)
    alone = padding._read(tiny_model64, *padding._padded([ids], 13, left=True), cached=False)[0]
    seen = padding._read(tiny_model64, tokens, torch.arange(20)[None], cached=False)[0, -13:]
    assert (seen - alone).abs().max() > 1e-3 and positions[0, :7].eq(-1).all()


def test_nothing_to_compare_is_refused(tiny_model, draw_tokens):
    for ids, columns in (([], 2), (draw_tokens(3), 0)):
        with pytest.raises(ValueError, match="at least 1"):
            in_company(tiny_model, ids, [], columns)
