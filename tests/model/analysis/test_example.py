"""The search for the example of the first page, beside what transformers measures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mistral_core.analysis.example import find_example
from mistral_core.analysis.swap import Case
from mistral_core.checkpoint.load import load_model
from tests.model.swaps import BUNDLED, SNOW, SWAPS, asked_of, transformers_model


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


@pytest.fixture(scope="module")
def theirs():
    """The same weights in transformers."""
    return transformers_model()


def test_the_example_has_the_largest_fall_of_all_that_have_left_the_rings(loaded, theirs):
    near = Case(opening="The {} said that", words=("queen", "king"), answers=("she", "he"), question="")
    broken = replace(SNOW, words=("girl", "grandchild"))
    given = [SWAPS[2][0], near, SNOW, broken, SWAPS[4][0]]
    found = find_example(loaded.model, loaded.tokenizer, given)
    assert found.case is SNOW
    first, swapped = asked_of(theirs, loaded.tokenizer, SNOW)
    assert found.fall == pytest.approx(first[0] - swapped[0], abs=1e-5)
    assert found.fall == found.best.first[0] - found.best.swapped[0]
    falls = [swap.first[0] - swap.swapped[0] for swap in (found.best, *found.others)]
    assert falls == sorted(falls, reverse=True)
    assert len(falls) == 3
    assert "2 tokens on, it is still in a ring" in found.refused[0]
    assert "must be one token each" in found.refused[1]
    with pytest.raises(ValueError, match=r"no candidate fits this model.*still in a ring"):
        find_example(loaded.model, loaded.tokenizer, [near])
