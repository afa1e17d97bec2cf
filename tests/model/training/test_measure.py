"""The quick measure along the way: of the same text as the whole one, and counted the same."""

import itertools
import math

import pytest
import torch

from mistral_core.model import random_model
from mistral_core.training.measure import Excerpt, quick_excerpts, validate, validate_excerpts
from tests.conftest import TINY

from .conftest import stories


def size(excerpts):
    return sum(len(excerpt.text.encode()) for excerpt in excerpts)


def test_short_documents_are_read_whole_and_come_from_everywhere():
    documents = stories(4000)
    excerpts = quick_excerpts(documents)
    assert all(excerpt.whole for excerpt in excerpts)
    places = [documents.index(excerpt.text) for excerpt in excerpts]
    assert 90_000 < size(excerpts) <= 101_000
    gaps = {b - a for a, b in itertools.pairwise(places)}
    assert len(gaps) <= 2 and max(gaps) - min(gaps) <= 1
    assert places[0] < max(gaps) and places[-1] >= 4000 - max(gaps)


def test_long_documents_are_cut_to_bytes_at_a_word():
    documents = [" ".join(f"{word}{n}" for n in range(9000)) for word in ("wort", "größe", "猫")]
    excerpts = quick_excerpts(documents)
    assert 99_000 < size(excerpts) <= 100_000
    for document, excerpt in zip(documents, excerpts, strict=True):
        assert not excerpt.whole and document.startswith(excerpt.text + " ")
    assert quick_excerpts(["a b", "c"]) == [Excerpt("a b", True), Excerpt("c", True)]


def test_documents_of_middle_length_keep_two_thousand_bytes():
    excerpts = quick_excerpts([f"{n} " + "once more " * 300 for n in range(200)])
    assert {excerpt.whole for excerpt in excerpts} == {False}
    assert min(len(excerpt.text) for excerpt in excerpts) > 1900 and size(excerpts) <= 100_000


def test_the_end_is_predicted_only_where_the_document_ends(corpus):
    model = random_model(TINY)
    excerpts = [Excerpt(corpus.valid[0], True), Excerpt(corpus.valid[1], False)]
    nats, tokens = 0.0, 0
    for excerpt in excerpts:
        ids = torch.tensor(corpus.tokenizer.encode(excerpt.text, bos=True, eos=excerpt.whole))
        with torch.inference_mode():
            logp = model(ids[None, :-1])[0].float().log_softmax(-1)
        nats -= float(logp.gather(1, ids[1:, None]).double().sum())
        tokens += len(ids) - 1
    measured = validate_excerpts(model, corpus.tokenizer, excerpts)
    assert (measured.tokens, measured.bytes, measured.documents) == (tokens, size(excerpts), 2)
    assert measured.loss == pytest.approx(nats / tokens, rel=1e-5)
    assert measured.bits_per_byte == pytest.approx(nats / math.log(2) / size(excerpts), rel=1e-5)


def test_of_whole_documents_it_is_the_measure_of_the_end(corpus):
    model = random_model(TINY)
    whole = validate(model, corpus.tokenizer, corpus.valid)
    quick = validate_excerpts(model, corpus.tokenizer, quick_excerpts(corpus.valid))
    both = [name for name in vars(whole) if name not in ("after", "loss_after", "tokens_after", "longest")]
    assert len(both) >= 5, "what `evaluate --after` adds is not measured in a training, all else is"
    assert [vars(quick)[name] for name in both] == pytest.approx([vars(whole)[name] for name in both])
