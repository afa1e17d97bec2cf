"""The same weights in another shape: what is shared, what changes, what stays."""

import pytest
import torch

from mistral_core.checkpoint.fast import FastTransformer
from mistral_core.checkpoint.variants import first_layers, in_dtype, with_windows
from mistral_core.model import Transformer, random_model
from tests.conftest import TINY, TINY_STD


def test_variants_share_weights_and_leave_the_model_alone():
    model, tokens = random_model(TINY, seed=3, std=TINY_STD), torch.arange(40)[None] * 31 % TINY.vocab_size
    before = model(tokens)
    wide, short, same = with_windows(model, None), first_layers(model, 1), in_dtype(model, torch.float32)
    for variant in (wide, short, same):
        assert variant.layers[0].attention.wq.weight.data_ptr() == model.layers[0].attention.wq.weight.data_ptr()
    assert torch.equal(same(tokens), before)
    assert torch.equal(model(tokens), before)
    difference = (wide(tokens) - before).abs().amax((0, 2))
    assert difference[: TINY.sliding_window].max() == 0  # nothing to lose yet
    assert difference[TINY.sliding_window :].min() > 0
    with pytest.raises(ValueError, match=r"n_layers is 4; .* 1 to 3"):
        first_layers(model, 4)


@pytest.mark.parametrize("kind", [Transformer, FastTransformer])
def test_a_variant_is_of_the_kind_of_its_model(kind):
    """Else the checks, which run on variants, would check another program than the one that writes."""
    model = kind(TINY)
    for variant in (with_windows(model, 3), first_layers(model, 1), in_dtype(model, torch.float64)):
        assert type(variant) is kind
