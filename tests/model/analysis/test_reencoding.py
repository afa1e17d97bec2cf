"""Both cuts of a text: with tokens whose spelling is known, and the losses against plain passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistral_core.analysis.reencoding import Place, reencoded
from mistral_core.analysis.reencoding_loss import cut_loss
from mistral_core.checkpoint.registry import DEFAULT_MODEL, bundled_root
from mistral_core.tokenizer import SentencePieceTokenizer
from tests.conftest import ByteTokenizer
from tests.model import reference

W = 260  # the word " w260", which encoding spells in bytes


def ids_of(text: str) -> list[int]:
    return ByteTokenizer().encode(text, bos=False)


def test_what_encoding_gives_differs_nowhere(tokenizer):
    ids = tokenizer.encode("Ein Körnchen 🙂")
    cuts = reencoded(tokenizer, ids)
    assert cuts.written == cuts.again == tuple(ids) and not cuts.places and cuts.differing == 0
    assert (cuts.left_out, cuts.why, cuts.size) == (0, "", len("Ein Körnchen 🙂".encode()))


def test_a_token_that_encoding_never_gives_is_a_place_with_what_it_gives_instead(tokenizer):
    ids = [1, *ids_of("ab"), W, *ids_of("c"), W, W + 1]
    cuts = reencoded(tokenizer, ids)
    assert list(cuts.again) == [1, *ids_of("ab w260c w260 w261")]
    assert cuts.places == (
        Place(start=3, stop=4, again_start=3, again_stop=8),
        Place(start=5, stop=7, again_start=9, again_stop=19),
    ), "neighbours are one place"
    assert cuts.differing == 3


@given(st.lists(st.one_of(st.integers(3 + 97, 3 + 122), st.integers(W, W + 30)), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_outside_the_places_both_cuts_are_the_same(ids):
    tokenizer = ByteTokenizer()
    cuts = reencoded(tokenizer, [1, *ids])
    left, right = list(cuts.written), list(cuts.again)
    for place in reversed(cuts.places):
        ours, theirs = left[place.start : place.stop], right[place.again_start : place.again_stop]
        assert tokenizer.decode(ours) == tokenizer.decode(theirs) and ours != theirs
        left[place.start : place.stop], right[place.again_start : place.again_stop] = [0], [0]
    assert left == right
    assert cuts.differing == sum(one >= W for one in ids), "just the words are spelled otherwise"


def test_what_is_no_letter_is_left_out_at_the_end_and_said(tokenizer):
    text = ids_of("abc")
    ended = reencoded(tokenizer, [1, *text, 2, *text])
    assert ended.written == (1, *text) and ended.left_out == 4 and "control token" in ended.why
    cut = reencoded(tokenizer, [1, *text, *ids_of("ö")[:1]])
    assert cut.written == (1, *text) and cut.left_out == 1 and "complete character" in cut.why
    for nothing in ([1], [1, 2, *text], [], [1, *ids_of("ö")[1:]]):
        with pytest.raises(ValueError, match="nothing to encode anew"):
            reencoded(tokenizer, nothing)


def test_a_tokenizer_that_rewrites_texts_is_refused(tokenizer, monkeypatch):
    small, large = ids_of("abc"), ids_of("ABC")
    monkeypatch.setattr(ByteTokenizer, "encode", lambda self, text, bos=True, eos=False: small)
    with pytest.raises(ValueError, match="rewrites the text"):
        reencoded(tokenizer, [1, *large])


def test_the_models_own_tokenizer_puts_a_split_word_together_again():
    tokenizer = SentencePieceTokenizer(bundled_root() / DEFAULT_MODEL / "tokenizer.model")
    ids = tokenizer.encode("Once upon a time there was a girl")
    assert not reencoded(tokenizer, ids).places
    where = next(i for i, one in enumerate(ids) if tokenizer.text(one) == " girl")
    by_bytes = {tokenizer.token_bytes(one): one for one in reversed(range(tokenizer.vocab_size))}
    letters = [by_bytes[letter.encode()] for letter in " girl"]
    cuts = reencoded(tokenizer, [*ids[:where], *letters])
    assert cuts.again == tuple(ids) and cuts.differing == 5
    assert cuts.places == (Place(start=where, stop=where + 5, again_start=where, again_stop=where + 1),)


def test_losses_are_those_of_a_second_mistral_and_of_the_same_letters(tiny_model64, tokenizer):
    ids = [1, *ids_of("ab"), W, *ids_of("cd")]  # encoded: longer than a window of 5
    cuts = reencoded(tokenizer, ids)
    loss = cut_loss(tiny_model64, cuts)
    for measured, tokens in ((loss.written, cuts.written), (loss.again, cuts.again)):
        logits = reference.logits(reference.weights_of(tiny_model64), tiny_model64.config, tokens)
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        np.testing.assert_allclose(measured[1:], [-math.log(p[i, t]) for i, t in enumerate(tokens[1:])], atol=1e-9)
        assert measured[0] == 0
    before, after = loss.bits_per_byte()
    assert before == pytest.approx(loss.written.sum() / math.log(2) / 9) and cuts.size == 9
    assert after == pytest.approx(loss.again.sum() / math.log(2) / 9)
    assert loss.at(cuts.places[0]) == pytest.approx((loss.written[3], loss.again[3:8].sum()))


def test_a_text_longer_than_a_pass_has_a_loss_for_every_token(tiny_model, tokenizer, monkeypatch):
    from mistral_core.analysis import influence, reencoding_loss

    ids = [1, *ids_of("abcdefghijklmnop"), W]
    whole = cut_loss(tiny_model, reencoded(tokenizer, ids))
    for module in (influence, reencoding_loss):
        monkeypatch.setattr(module, "CHUNK", 7)
    parts = cut_loss(tiny_model, reencoded(tokenizer, ids))
    np.testing.assert_allclose(parts.written, whole.written, atol=1e-5)
    np.testing.assert_allclose(parts.again, whole.again, atol=1e-5)
