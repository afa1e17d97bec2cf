"""One swapped word: the numbers that transformers computed from the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mistral_core.analysis.cases import GIRL
from mistral_core.analysis.swap import measure_swap, replacement_of_its_kind
from mistral_core.checkpoint.load import load_model
from mistral_core.tokenizer import single_token
from tests.model.swaps import BUNDLED, SWAPS, asked_of, transformers_model


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


@pytest.fixture(scope="module")
def theirs():
    """The same weights in transformers."""
    return transformers_model()


@pytest.mark.parametrize(("case", "distance"), SWAPS)
def test_the_chosen_swaps_are_what_transformers_measures(loaded, theirs, case, distance):
    found = measure_swap(loaded.model, loaded.tokenizer, case)
    assert found.distance == distance
    np.testing.assert_allclose([found.first, found.swapped], asked_of(theirs, loaded.tokenizer, case), atol=1e-5)
    assert found.first[0] > found.swapped[0] and found.swapped[1] > found.first[1], "the word is carried"


def test_cases_that_swap_more_than_a_token_are_refused(loaded):
    with pytest.raises(ValueError, match=r"0 places \{\} for the word"):
        replace(GIRL, opening="no place")
    with pytest.raises(ValueError, match="two words are both 'girl'"):
        replace(GIRL, words=("girl", "girl"))
    with pytest.raises(ValueError, match=r"must be one token each.*they are girl and "):
        measure_swap(loaded.model, loaded.tokenizer, replace(GIRL, words=("girl", "grandchild of nobody")))
    with pytest.raises(ValueError, match="choose a word that is one token"):
        measure_swap(loaded.model, loaded.tokenizer, replace(GIRL, answers=("she", "xylophone")))
    with pytest.raises(ValueError, match="' ' is nothing, 0 tokens"):
        single_token(loaded.tokenizer, " ")


def test_what_stands_in_for_a_word_is_of_its_kind_where_the_text_has_one(loaded):
    text = "Once upon a time there was a woman who lived in a little house. Then Alveric came to Elfland, and the end."
    ids = loaded.tokenizer.encode(text)
    words = {loaded.tokenizer.label(token): place for place, token in enumerate(ids)}
    put = loaded.tokenizer.text(replacement_of_its_kind(loaded.tokenizer, ids, words["woman"]))
    assert put[0] == " " and put.strip().isalpha() and put.strip().islower() and len(put) > 4, put
    for place in range(1, len(ids)):
        put = replacement_of_its_kind(loaded.tokenizer, ids, place)
        assert put in ids and put not in (ids[place], 0, 1, 2)
    only = loaded.tokenizer.encode("woman . . ,")
    assert replacement_of_its_kind(loaded.tokenizer, only, len(only) - 1) in only, "none of its kind: another one"
    with pytest.raises(ValueError, match="99 is not in the text"):
        replacement_of_its_kind(loaded.tokenizer, ids, 99)
