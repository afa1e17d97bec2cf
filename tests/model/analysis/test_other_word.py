"""The same text with another word in it: token for token, cut as where it stands; and what it lends."""

from __future__ import annotations

import numpy as np
import pytest

from mistral_core.analysis.influence import read
from mistral_core.analysis.intervening import direction, effect
from mistral_core.analysis.interventions import Add
from mistral_core.analysis.other_word import patch_row, with_word, word_span
from mistral_core.checkpoint.gguf_header import read_header
from mistral_core.checkpoint.gguf_tokenizer import tokenizer_from_gguf
from mistral_core.checkpoint.load import load_model
from mistral_core.tokenizer import token_texts
from tests.conftest import ByteTokenizer
from tests.model.checkpoint.gguf_files import write
from tests.model.swaps import BUNDLED

TEXT = 'Once there was a girl who had a lantern. "Come," said the fox, "come with me."'


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


@pytest.fixture(scope="module")
def ids(loaded):
    return loaded.tokenizer.encode(TEXT)


@pytest.fixture(scope="module")
def texts(loaded, ids):
    return token_texts(loaded.tokenizer, ids)[0]


def place(texts, word):
    return next(position for position, text in enumerate(texts) if text.strip() == word)


def test_a_word_is_a_run_of_letters_and_anything_else_stands_alone():
    texts = ["", "The", " eleph", "ant", "s", " ran", ".", "\n", "2", "3", " th", "", "é", "", "—", ""]
    spans = {word_span(texts, position) for position in range(len(texts))}
    assert spans == {(0, 1), (1, 2), (2, 5), (5, 6), (6, 7), (7, 8), (8, 10), (10, 13), (13, 15), (15, 16)}
    for bad in (-1, len(texts)):
        with pytest.raises(ValueError, match=f"position {bad} is not in the text; positions are 0 to 15"):
            word_span(texts, bad)


def test_every_word_put_in_its_own_place_gives_the_same_text(loaded, ids, texts):
    for position in range(1, len(ids)):
        first, end = word_span(texts, position)
        own = "".join(texts[first:end]).strip()
        if own:
            assert with_word(loaded.tokenizer, ids, texts, position, own) == tuple(ids), own


def test_another_word_changes_its_place_alone_and_reads_as_typed(loaded, ids, texts):
    for old, new in (("girl", "boy"), ("Once", "Then"), ("Come", "Go"), (".", "!"), ("girl", " king ")):
        at = place(texts, old)
        other = with_word(loaded.tokenizer, ids, texts, at, new)
        assert [p for p in range(len(ids)) if other[p] != ids[p]] == [at]
        assert loaded.tokenizer.decode(other) == TEXT.replace(old, new.strip(), 1)


def test_a_word_of_another_number_of_tokens_is_refused_with_both_numbers(loaded, ids, texts):
    at = place(texts, "girl")
    with pytest.raises(ValueError, match=r"'grandchild' is .*\|.*, \d tokens, and 'girl' at 5 is 1 token; both"):
        with_word(loaded.tokenizer, ids, texts, at, "grandchild")
    with pytest.raises(ValueError, match="'' is nothing, 0 tokens"):
        with_word(loaded.tokenizer, ids, texts, at, "  ")


def test_a_text_patched_into_itself_is_the_same_bit_for_bit(loaded, ids):
    for row in (0, 3, loaded.config.n_layers):
        measured = effect(loaded.model, ids, [patch_row(row, (0, len(ids)), ids)])
        assert not measured.state.any() and not measured.kl.any()


def test_a_whole_row_of_another_text_makes_its_predictions(loaded, ids, texts):
    other = with_word(loaded.tokenizer, ids, texts, place(texts, "girl"), "boy")
    theirs = read(loaded.model, other).logits
    for row in (0, 4, loaded.config.n_layers):
        changed = effect(loaded.model, ids, [patch_row(row, (0, len(ids)), other)]).changed
        np.testing.assert_array_equal(changed.logits, theirs)


@pytest.mark.parametrize("row", [0, 3, 8])
def test_the_way_to_another_text_added_once_arrives_there(loaded, ids, texts, row):
    at = place(texts, "girl")
    other = with_word(loaded.tokenizer, ids, texts, at, "boy")
    way = direction(loaded.model, ids, other, row, at)
    assert any(way) and not any(direction(loaded.model, ids, ids, row, at))
    assert not any(direction(loaded.model, ids, other, row, at - 1)), "before the word both are one text"
    added = effect(loaded.model, ids, [Add(row=row, positions=(at, at + 1), vector=way)])
    patched = effect(loaded.model, ids, [patch_row(row, (at, at + 1), other)])
    np.testing.assert_allclose(added.changed.logits, patched.changed.logits, atol=1e-3)


def test_a_direction_outside_of_the_grid_is_refused(loaded, ids):
    for row, position in ((9, 0), (-1, 0), (0, len(ids)), (0, -1)):
        with pytest.raises(ValueError, match="is not in both grids; rows are 0 to 8"):
            direction(loaded.model, ids, ids, row, position)


def test_a_byte_level_vocabulary_cuts_a_word_with_the_space_that_stands_there(tmp_path):
    write(tmp_path)
    tokenizer = tokenizer_from_gguf(read_header(tmp_path / "model.gguf"))
    text = "the hand and the thé"
    ids = tokenizer.encode(text, bos=False)
    texts, _ = token_texts(tokenizer, ids)
    for position in range(len(ids)):
        first, end = word_span(texts, position)
        own = "".join(texts[first:end]).strip()
        if own:
            assert with_word(tokenizer, ids, texts, position, own) == tuple(ids), own
    at = place(texts, "h")
    other = with_word(tokenizer, ids, texts, at, "land")
    assert tokenizer.decode(other) == text.replace("hand", "land", 1)


def test_a_word_that_melts_into_what_stands_before_it_is_refused():
    class Melting(ByteTokenizer):
        """Every text is one token."""

        def encode(self, text, bos=True, eos=False):
            return [len(text)]

    with pytest.raises(ValueError, match=r"'x' makes one token with '\(' before it; choose a word of the text that"):
        with_word(Melting(), (1, 2, 3), ("", "(", "y"), 2, "x")
