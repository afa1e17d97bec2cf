"""Codes that come back, of the length that probabilities ask for; and the verdict on compression made to flip."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.checkpoint.variants import with_windows
from mistral_core.experiments.claims import Measured, concluded
from mistral_core.experiments.coding import Coded, decode, encode
from mistral_core.experiments.compression import CLAIM
from mistral_core.experiments.compression_run import ByModel, general, judged_values, run_compression
from mistral_core.model import Transformer, random_model
from mistral_core.training.family_results import Reached, Result
from tests.conftest import TINY, TINY_STD, ByteTokenizer

TEXTS = ["The king had two sons, ä and 🙂.", "", "x", "and one of them was wise " * 3]


class Constant(Transformer):
    """Gives the same distribution whatever it has read."""

    def __init__(self, probs: np.ndarray) -> None:
        torch.nn.Module.__init__(self)
        self.logits = torch.from_numpy(np.log(probs))

    def empty_kv_cache(self, batch, max_context=None):
        return None

    def forward(self, tokens, positions, kv_cache=None):
        return self.logits.expand(len(tokens), 1, -1)


@pytest.mark.parametrize("window", [1, 4, None])
def test_texts_of_different_lengths_come_back_letter_for_letter(window):
    model = with_windows(random_model(TINY, seed=1, std=TINY_STD), window)
    coded = encode(model, ByteTokenizer(), TEXTS)
    assert decode(model, ByteTokenizer(), coded) == TEXTS
    assert coded.tokens == sum(len(text.encode()) + 1 for text in TEXTS)
    other = random_model(TINY, seed=2, std=TINY_STD)
    assert decode(with_windows(other, window), ByteTokenizer(), coded) != TEXTS, "another model cannot read it"


def test_what_is_asked_for_is_the_loss_of_the_dense_pass():
    model, tokenizer = random_model(TINY, seed=1, std=TINY_STD), ByteTokenizer()
    nats = 0.0
    for text in TEXTS:
        ids = torch.tensor([tokenizer.encode(text, eos=True)])
        with torch.inference_mode():
            logits = model(ids[:, :-1])[0].double()
        nats += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
    assert encode(model, tokenizer, TEXTS).asked == pytest.approx(nats / math.log(2), rel=1e-5)


def test_a_known_distribution_is_coded_within_one_per_cent_of_its_entropy():
    tokenizer = ByteTokenizer()
    letters = tokenizer.encode("abcd", bos=False)
    probs = np.full(TINY.vocab_size, 1e-7)
    probs[letters] = [0.5, 0.25, 0.15, 0.1]
    probs[tokenizer.eos_id] = 1e-4
    probs /= probs.sum()
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("abcd"), 20_000, p=[0.5, 0.25, 0.15, 0.1]))
    coded = encode(Constant(probs), tokenizer, [text])
    entropy = -sum(p * math.log2(p) for p in (0.5, 0.25, 0.15, 0.1))
    assert 8 * coded.nbytes / len(text) == pytest.approx(entropy, rel=0.02), "the draws vary by more than the coder"
    assert 1 <= coded.over < 1.01
    assert decode(Constant(probs), tokenizer, coded) == [text]


def test_no_text_is_refused():
    with pytest.raises(ValueError, match="the longest text has 0 tokens"):
        encode(random_model(TINY, seed=1), ByteTokenizer(), [])


def by_model(nbytes: int, *, back: int = 2, asked: float | None = None, decoder: int = 10_000) -> ByModel:
    words = np.zeros((nbytes - 8) // 4, np.uint32)
    asked = 8.0 * words.nbytes if asked is None else asked
    return ByModel(
        name="m", back=back, decoder=decoder, coded=Coded(words=words, texts=2, longest=9, asked=asked, tokens=9)
    )


def reached(name: str, short: float, parameters: int, spread: float | None = None) -> Reached:
    first = Result(
        name=name,
        group="ladder",
        seed=0,
        changes={},
        parameters=parameters,
        cache_bytes=0,
        tokens=0,
        seconds=0.0,
        bits_per_byte=short,
        short_bits_per_byte=short,
    )
    return Reached(first=first, seeds=2, mean=short, spread=spread, short=short, short_spread=spread)


LADDER = [reached("dim-32", 2.0, 10), reached("dim-256", 1.5, 90), reached("baseline", 1.8, 20, 0.01)]


@pytest.mark.parametrize(
    ("codes", "ladder", "verdict"),
    [
        ([by_model(800)], LADDER, "not shown here"),
        ([by_model(800, decoder=10)], LADDER, "not shown here"),
        ([by_model(1200)], LADDER, "does not hold"),
        ([by_model(800, back=1)], LADDER, "not shown here"),
        ([by_model(800, asked=8.0 * 700)], LADDER, "not shown here"),
        ([by_model(800)], [LADDER[0], replace(LADDER[1], short=1.99), LADDER[2]], "does not hold"),
    ],
)
def test_the_claim_can_be_refuted_and_not_be_shown(codes, ladder, verdict):
    values = judged_values(codes, {"xz": 1000, "gzip": 1100}, ladder, texts=2)
    assert concluded(CLAIM, Measured(values=values, tables=()), quick=True, seconds=0).verdict == verdict


def test_the_quick_form_codes_held_out_stories_that_come_back():
    from mistral_core.experiments.models import load

    said = []
    measured = run_compression(load, quick=True, report=lambda done, total, what: said.append(what))
    assert measured.values["round trip"].measured == 1.0 and measured.values["code length"].measured < 1.01
    codes = {row[0]: row[1] for row in measured.tables[0].rows}
    assert codes["storyteller"] < codes["baseline"] < min(codes["gzip"], codes["xz"], codes["zstd"])
    assert set(measured.models) == {"baseline", "storyteller"} and "coding with storyteller" in said


def test_general_compressors_are_those_of_the_libraries():
    import gzip

    text = b"the cat and the dog " * 50
    sizes = general(text)
    assert set(sizes) == {"gzip", "xz", "zstd"} and all(size < len(text) / 4 for size in sizes.values())
    assert sizes["gzip"] == len(gzip.compress(text, 9))
