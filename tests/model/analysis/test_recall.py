"""Recall on models whose answer is known: one that copies within a distance, one that says the same to everything."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mistral_core.analysis.recall import compared, fillers_for, recall, recall_text, usable_names
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.model import Transformer
from mistral_core.tokenizer import single_token
from tests.conftest import TINY


@pytest.fixture(scope="module")
def tokenizer():
    return load_model(bundled_root() / "baseline").tokenizer


class Copies(Transformer):
    """Says the name that it saw within `distance` tokens; each name has a likelihood of its own besides."""

    def __init__(self, names, distance, strength=50.0):
        nn.Module.__init__(self)
        self.config, self.names, self.distance, self.strength = (
            replace(TINY, vocab_size=4096),
            names,
            distance,
            strength,
        )

    def forward(self, tokens, last_only=False):
        logits = torch.zeros(1, 1, 4096)
        for rank, name in enumerate(self.names):
            logits[0, 0, name] = rank  # liked more or less, whatever was planted
            if name in tokens[0, -1 - self.distance :].tolist():
                logits[0, 0, name] += self.strength
        return logits


def test_a_copier_is_right_within_its_distance_and_guesses_beyond(tokenizer):
    names = usable_names(tokenizer)
    assert len(names) >= 8
    ids = [single_token(tokenizer, name) for name in names]
    near = recall(Copies(ids, 10), tokenizer, names, 0)
    far = recall(Copies(ids, 10), tokenizer, names, 3)
    assert near.distance <= 10 < far.distance
    assert near.right == 1.0 and near.advantage == pytest.approx(50.0, abs=1e-4)
    assert far.right == 0.5 and far.advantage == pytest.approx(0.0, abs=1e-6)
    text = tokenizer.encode(recall_text(names[0], 3))
    assert far.distance == len(text) - 1 - text.index(ids[0])


def test_a_constant_predictor_is_right_in_half_whatever_it_likes(tokenizer):
    names = usable_names(tokenizer)
    ids = [single_token(tokenizer, name) for name in names]
    assert recall(Copies(ids, 10, strength=0.0), tokenizer, names, 0).right == 0.5
    assert compared(np.full((4, 4), -2.0), 3).right == 0.5  # equal ones count half


def test_the_shares_are_those_of_all_pairs_counted_one_by_one():
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(5), 5))
    made = compared(log_p, 1)
    pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
    assert made.right == pytest.approx(sum(log_p[a, a] > log_p[a, b] for a, b in pairs) / 20)
    assert made.advantage == pytest.approx(sum(log_p[a, a] - log_p[a, b] for a, b in pairs) / 20)
    assert made.spread[0] < made.right < made.spread[1]


def test_sentences_are_added_until_the_name_is_far_enough(tokenizer):
    name = usable_names(tokenizer)[0]
    token = single_token(tokenizer, name)

    def distance(count):
        ids = tokenizer.encode(recall_text(name, count))
        return len(ids) - 1 - ids.index(token)

    count = fillers_for(tokenizer, name, 40)
    assert distance(count) >= 40 > distance(count - 1)
    with pytest.raises(ValueError, match="at least 2"):
        recall(Copies([token], 9), tokenizer, [name], 0)
