"""The case that can be counted by hand: its numbers are the model's, and beyond the reach nothing is felt."""

import numpy as np
import pytest
import torch

from mistral_core.analysis.countable import N_TOKENS, SEED, STD, TINY, countable
from mistral_core.model import random_model


@pytest.mark.parametrize(("window", "reach", "paper"), [(3, 4, 6), (4, 6, 8), (1, 0, 2), (2, 2, 4)])
def test_two_layers_feel_exactly_what_the_formula_says(window, reach, paper):
    case = countable(window)
    assert (case.reach, case.paper) == (reach, paper)
    last = N_TOKENS - 1
    assert not case.felt[: last - reach].any(), "beyond the reach nothing changes, bit for bit"
    assert (case.felt[last - reach :] > 1e-6).all()
    assert (case.felt > 0).sum() == reach + 1


def test_the_arrows_are_the_attention_that_the_model_computes():
    """Against scores and softmax written out, head by head, from the weights themselves."""
    case = countable(3)
    assert case.pattern.shape == (TINY.n_layers, TINY.n_heads, N_TOKENS, N_TOKENS) and TINY.n_kv_heads < TINY.n_heads
    model = random_model(TINY, seed=SEED, std=STD, dtype=torch.float64)
    ids = torch.arange(N_TOKENS)
    block = model.layers[0]
    x = model.tok_embeddings.weight[ids]
    x = x / (x.pow(2).mean(-1, keepdim=True) + TINY.norm_eps).sqrt() * block.attention_norm.weight
    angle = torch.arange(N_TOKENS)[:, None] * torch.tensor([1.0, 10_000.0**-0.5], dtype=torch.float64)

    def turned(rows):
        a, b = rows[:, 0::2], rows[:, 1::2]
        return torch.stack((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1).flatten(1)

    for head in range(TINY.n_heads):
        q = turned(x @ block.attention.wq.weight[4 * head : 4 * head + 4].T)
        shared = head // 2
        k = turned(x @ block.attention.wk.weight[4 * shared : 4 * shared + 4].T)
        scores = q @ k.T / 2
        for query in range(N_TOKENS):
            first = max(0, query - 2)
            weights = np.zeros(N_TOKENS)
            weights[first : query + 1] = scores[query, first : query + 1].softmax(0)
            np.testing.assert_allclose(case.pattern[0, head, query], weights, atol=1e-12)
