"""Loss by last mention: on a text whose words are counted by hand, and on models whose loss is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mistral_core.analysis import mentions
from mistral_core.analysis.evaluation import document_losses
from mistral_core.analysis.mentions import Mentions, gap, mention_losses, piece_losses, pieces, returning
from mistral_core.model import Transformer, random_model
from tests.conftest import TINY, TINY_STD, ByteTokenizer


class WordTokenizer(ByteTokenizer):
    """A token for each word of a list; words are separated by a space."""

    words = ("<unk>", "<s>", "</s>", "river", "Martha", "stone", "it", "lantern", ".", "window", "garden")

    def encode(self, text, bos=True, eos=False):
        return [1] * bos + [self.words.index(word) for word in text.split()] + [2] * eos

    def text(self, token_id):
        return f" {self.words[token_id]}" if token_id > 2 else ""


class SeesBack(Transformer):
    """Gives every token among the last `back` it read a logit of 3, all others 0."""

    def __init__(self, back):
        nn.Module.__init__(self)
        self.config, self.back = replace(TINY), back

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, 300)
        for row, text in enumerate(tokens.tolist()):
            for position in range(len(text)):
                logits[row, position, list(set(text[max(0, position + 1 - self.back) : position + 1]))] = 3.0
        return logits


TEXT = "river stone it Martha it . Martha garden river it window stone river lantern Martha"


@pytest.fixture(autouse=True)
def _all_words(monkeypatch):
    monkeypatch.setattr(mentions, "COMMON", 1.0)


def test_words_that_return_are_those_counted_by_hand():
    ids = WordTokenizer().encode(TEXT)
    assert returning(WordTokenizer(), [ids]) == [
        [(7, 3, False), (9, 8, False), (12, 10, False), (13, 4, False), (15, 8, True)]
    ]  # Martha after a full stop is no name for certain; "it" is a little word


def test_common_words_are_left_out(monkeypatch):
    monkeypatch.setattr(mentions, "COMMON", 2.5 / 16)
    ids = WordTokenizer().encode(TEXT)
    assert [position for position, _, _ in returning(WordTokenizer(), [ids])[0]] == [12]  # stone alone comes twice


def test_a_longer_memory_gains_exactly_where_only_it_sees_the_last_mention():
    models = {"short": SeesBack(5), "long": SeesBack(12)}
    seen = mention_losses(models, WordTokenizer(), [TEXT], 16)
    assert seen.distance.tolist() == [3, 8, 10, 4, 8] and seen.name.tolist() == [False] * 4 + [True]
    ids = WordTokenizer().encode(TEXT)
    for name, back in (("short", 5), ("long", 12)):
        known = [set(ids[max(0, p - back) : p]) for p in (7, 9, 12, 13, 15)]
        total = [math.log(len(k) * math.exp(3) + 300 - len(k)) for k in known]
        hit = [3.0 if ids[p] in k else 0.0 for p, k in zip((7, 9, 12, 13, 15), known, strict=True)]
        np.testing.assert_allclose(seen.losses[name], np.array(total) - hit, atol=1e-6)
    assert gap(seen, "short", "long", 6, 12).mean > 1.5 > 0.5 > abs(gap(seen, "short", "long", 1, 5).mean)
    assert gap(seen, "short", "long", 6, 12).words == 3
    assert gap(seen, "short", "long", 1, 12, names=True).words == 1


def test_two_constant_predictors_differ_by_nothing():
    seen = mention_losses({"a": SeesBack(0), "b": SeesBack(0)}, WordTokenizer(), [TEXT, TEXT], 16)
    one = gap(seen, "a", "b", 1, 99)
    assert (one.mean, one.error, one.words) == (0.0, 0.0, 10)
    none = gap(seen, "a", "b", 50, 99)
    assert math.isnan(none.mean) and none.words == 0


def test_the_error_is_that_of_the_pieces():
    """Four pieces of equal size: the error of the mean is that of four numbers."""
    values = np.array([1.0, 2.0, 4.0, 5.0]).repeat(3)
    seen = Mentions(
        distance=np.ones(12, int),
        name=np.zeros(12, bool),
        piece=np.arange(4).repeat(3),
        losses={"a": values, "b": np.zeros(12)},
        mean={"a": 0.0, "b": 0.0},
        tokens=12,
    )
    one = gap(seen, "a", "b", 1, 1)
    assert one.mean == 3.0 and one.error == pytest.approx(np.std([1, 2, 4, 5], ddof=1) / 2)


def test_pieces_are_read_like_documents_of_their_own(monkeypatch):
    monkeypatch.setattr(mentions, "LARGEST_BATCH", 300 * 31 * 2)  # two at a time, one left
    model, tokenizer = random_model(TINY, std=TINY_STD, dtype=torch.float64), ByteTokenizer()
    text = "The miller went to the river and the miller came home from the river, and it was late in the evening."
    read = pieces(tokenizer, [text], 31)
    assert len(read) == 3 and all(len(piece) == 31 and piece[0] == 1 for piece in read)
    made = piece_losses(model, read)
    for row, piece in zip(made, read, strict=True):
        alone = document_losses(model, tokenizer, tokenizer.decode(piece), 7)[:-1]
        np.testing.assert_allclose(row, alone.numpy(), atol=1e-9)
    with pytest.raises(ValueError, match="no document has 999 tokens"):
        mention_losses({"a": model}, tokenizer, [text], 1000)
