"""A text written for these tests, its corpus, and a tiny training on it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from mistral_core.training.corpus import prepare_corpus
from mistral_core.training.settings import Settings
from mistral_core.training.texts import find_texts
from mistral_core.training.trainer import Habits, Trainer

SMALL = Settings(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    window=4,
    vocab_size=300,
    context=32,
    batch=4,
    tokens=2560,
    warmup=3,
    validations=4,
    dropout=0.2,
    seed=3,
)
"""20 steps of 128 tokens, with dropout."""
FIXED = Habits(precision="float32", compile_mode="off", checkpoint_seconds=1e9, sample_tokens=5)


def stories(count: int, seed: int = 0) -> list[str]:
    """Documents of two lines in which nouns are named again; each has a number of its own."""
    draw = random.Random(seed)
    nouns, verbs = ["fox", "miller", "queen", "old cat"], ["saw", "loved", "followed"]
    made = []
    for number in range(count):
        who, whom = draw.sample(nouns, 2)
        first = f"The {who} {draw.choice(verbs)} the {whom}."
        made.append(f"{first}\nAnd the {whom} saw the {who}, {1000 * seed + number} times.")
    return made


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder with two sources and no validation file."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "tales.txt").write_text("\n\n".join(stories(300)), encoding="utf-8")
    (folder / "rhymes.train.txt").write_text("\n\n".join(stories(100, seed=1)), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def corpus(texts, tmp_path_factory):
    return prepare_corpus(find_texts(texts), tmp_path_factory.mktemp("run") / "corpus", vocab_size=300)


@pytest.fixture
def start(corpus):
    """`start(folder, **changes)`: a trainer of `SMALL` with the habits and settings named."""

    def make(folder, *, settings=SMALL, watch=lambda event: None, start_from=None, **habits):
        return Trainer(settings, corpus, folder, habits=replace(FIXED, **habits), watch=watch, start_from=start_from)

    return make
