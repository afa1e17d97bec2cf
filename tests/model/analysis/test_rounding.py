"""KL between two models, against the definition in loops."""

import math

import pytest
import torch

from mistral_core.analysis.influence import kl_divergence
from mistral_core.analysis.rounding import compare
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root

TEXTS = ("Once upon a time there was a girl who lived in a little house in the wood. " * 6, "The king was old.")


@pytest.fixture(scope="module")
def loaded():
    return load_model(bundled_root() / "storyteller")


def by_loops(exact, rounded, tokenizer):
    kls = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.inference_mode():
            p, q = (model(ids)[0].double().softmax(-1) for model in (exact, rounded))
        pairs = zip(p.tolist(), q.tolist(), strict=True)
        kls += [sum(a * math.log(a / b) for a, b in zip(*rows, strict=True)) for rows in pairs]
    return kls


@pytest.mark.parametrize(("weights", "bound"), [("int8", 0.02), ("bfloat16", 0.002)])
def test_the_predictions_lie_as_far_apart_as_loops_say(either_way, loaded, weights, bound):
    rounded = load_model(loaded.folder, weights=weights).model
    found = compare(loaded.model, rounded, loaded.tokenizer, TEXTS)
    expected = by_loops(loaded.model, rounded, loaded.tokenizer)
    assert found.tokens == len(expected) > 64  # more than one chunk
    assert found.mean_kl == pytest.approx(sum(expected) / len(expected), rel=0.02, abs=1e-9)
    assert found.max_kl == pytest.approx(max(expected), rel=0.02, abs=1e-9)
    # A file in bfloat16 loses nothing where inputs stay float32.
    assert (found.mean_kl > 0) == (weights == "int8" or either_way) and found.mean_kl < bound
    assert 0.9 < found.same_first <= 1


def test_a_model_is_nothing_apart_from_itself(loaded):
    found = compare(loaded.model, loaded.model, loaded.tokenizer, TEXTS)
    assert (found.mean_kl, found.max_kl, found.same_first) == (0, 0, 1)


def test_kl_is_not_symmetric():
    p, q = torch.tensor([[0.9, 0.1]]).double().log(), torch.tensor([[0.5, 0.5]]).double().log()
    assert float(kl_divergence(p, q)) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2))
    assert float(kl_divergence(q, p)) == pytest.approx(0.5 * math.log(5 / 9) + 0.5 * math.log(5))


def test_no_text_and_another_vocabulary_are_refused(loaded):
    with pytest.raises(ValueError, match="there is no text"):
        compare(loaded.model, loaded.model, loaded.tokenizer, [])
    from mistral_core.model import random_model
    from tests.conftest import TINY

    with pytest.raises(ValueError, match="only distributions over the same vocabulary"):
        compare(loaded.model, random_model(TINY), loaded.tokenizer, TEXTS)
