"""Removing keys: against the dense pass with a cut edge, and on a model built to fool attention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis import disagreement as module
from mistral_core.analysis.disagreement import Removals, removals, strongest, strongest_of_one_query
from mistral_core.analysis.influence import kl_divergence, log_probs, read
from mistral_core.analysis.reach import cut_edge
from mistral_core.config import MistralConfig
from mistral_core.hooks import recording
from mistral_core.model import Transformer, random_model
from tests.conftest import TINY, TINY_STD

SHAPE = MistralConfig(
    dim=8,
    n_layers=1,
    n_heads=1,
    n_kv_heads=1,
    head_dim=4,
    hidden_dim=2,
    vocab_size=6,
    norm_eps=1e-12,
    rope_theta=1e16,
    sliding_window=3,
)
LOUD, QUIET, QUERY, FILLER = 0, 1, 2, 3
"""LOUD draws attention and carries nothing; QUIET draws little and decides; FILLER neither."""


@pytest.fixture(scope="module")
def fooled():
    """One layer without feed-forward. The third pair of a head hardly turns, so keys need no positions."""
    model = Transformer(SHAPE).double().eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.fill_(float(parameter.ndim == 1))
    attention, root = model.layers[0].attention, 8**0.5
    for token in range(4):
        model.tok_embeddings.weight[token, token] = 1.0
    attention.wq.weight[2, QUERY] = 2 / root
    attention.wk.weight[2, LOUD] = 3 / root  # score 2 x 3 / sqrt(4)
    attention.wk.weight[2, QUIET] = 1 / root
    attention.wv.weight[0, QUIET] = 1 / root
    attention.wo.weight[5, 0] = 1e4  # so large that the final norm leaves only its direction
    model.output.weight[5, 5] = 2.0
    return model


def by_hand(ids, query, without):
    """Attention and prediction of the built model at a QUERY token, written out."""
    score = {LOUD: 3.0, QUIET: 1.0, QUERY: 0.0, FILLER: 0.0}
    keys = [k for k in range(max(0, query - 2), query + 1) if k != without]
    powers = {k: np.exp(score[ids[k]]) for k in keys}
    weights = {k: power / sum(powers.values()) for k, power in powers.items()}
    state = np.zeros(8)
    state[ids[query]] = 1
    state[5] = 1e4 * sum(weight for k, weight in weights.items() if ids[k] == QUIET)
    logits = np.zeros(6)
    logits[5] = 2 * state[5] / np.sqrt((state**2).mean() + 1e-12)
    return weights, logits - np.log(np.exp(logits).sum())


def test_the_built_model_has_the_known_answer(fooled):
    ids = [LOUD, QUIET, QUERY, FILLER]
    (found,) = removals(fooled, ids, [2])
    weights, whole = by_hand(ids, 2, None)
    np.testing.assert_allclose(found.attention, [weights[0], weights[1]], rtol=1e-6)
    expected = [float((np.exp(whole) * (whole - by_hand(ids, 2, key)[1])).sum()) for key in (0, 1)]
    np.testing.assert_allclose(found.kl, expected, rtol=1e-6, atol=1e-9)
    pair = strongest([found])
    assert (pair.watched.query, pair.watched.key, pair.decisive.key) == (2, 0, 1)
    assert pair.factor == pytest.approx(np.exp(2.0), rel=1e-6)  # scores 3 and 1
    assert pair.watched.kl < 1e-6 < 1 < pair.decisive.kl


def test_without_the_deciding_token_there_is_no_disagreement(fooled):
    assert all(strongest([one]) is None for one in removals(fooled, [LOUD, FILLER, QUERY, FILLER]))


@pytest.mark.parametrize("windows", [(5, 5, 5), (3, 1, 4), (4, None, 2)])
@pytest.mark.parametrize("layer", [None, 0, 2])
def test_a_removal_is_what_the_dense_pass_without_the_edge_gives(windows, layer, draw_tokens, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 3)  # several batches a query
    config = replace(TINY, sliding_window=windows)
    model, ids = random_model(config, seed=3, std=TINY_STD, dtype=torch.float64), draw_tokens(14)
    layers = range(3) if layer is None else [layer]
    names = [f"layers.{index}.attention.hook_pattern" for index in layers]
    with recording(names) as seen:
        model(torch.tensor([ids]))
    mean = torch.stack([seen[name][0].mean(0) for name in names]).mean(0).numpy()
    whole = log_probs(read(model, ids).logits)
    widest = max(14 if windows[index] is None else windows[index] for index in layers)
    for found in removals(model, ids, [0, 1, 4, 13], layer=layer):
        query = found.query
        assert found.keys.tolist() == list(range(max(0, query - widest + 1), query))
        np.testing.assert_allclose(found.attention, mean[query, found.keys], rtol=1e-9)
        for key, kl in zip(found.keys.tolist(), found.kl, strict=True):
            cut = log_probs(read(model, ids, [cut_edge(key, query, layer)]).logits)
            assert kl == pytest.approx(float(kl_divergence(whole[query], cut[query])), rel=1e-8, abs=1e-14)


def measured(query, attention, kl):
    keys = np.arange(query - len(kl), query)
    return Removals(query=query, keys=keys, attention=np.array(attention), kl=np.array(kl), layer=None)


def test_the_strongest_pair_is_the_one_a_search_over_all_pairs_finds():
    rng = np.random.default_rng(1)
    runs = [measured(q, rng.dirichlet([0.4] * 5), 10.0 ** rng.uniform(-5, 1, 5)) for q in range(9, 20)]
    edges = [(one.query, k, a, kl) for one in runs for k, a, kl in zip(one.keys, one.attention, one.kl, strict=True)]
    best = max((a[2] / b[2], a[:2], b[:2]) for a in edges for b in edges if a[3] <= 0.01 and b[3] >= 0.1)
    found = strongest(runs)
    assert found.factor == pytest.approx(best[0])
    assert ((found.watched.query, found.watched.key), (found.decisive.query, found.decisive.key)) == best[1:]
    alone = [strongest([one]) for one in runs]
    assert max(one.factor for one in alone if one) <= found.factor


def test_the_strongest_pair_of_one_query_is_the_best_of_those_searched_alone():
    rng = np.random.default_rng(2)
    runs = [measured(q, rng.dirichlet([0.4] * 5), 10.0 ** rng.uniform(-5, 1, 5)) for q in range(9, 30)]
    pairs = [
        (a / b, one.query)
        for one in runs
        for a, kl in zip(one.attention, one.kl, strict=True)
        for b, other in zip(one.attention, one.kl, strict=True)
        if kl <= 0.01 and other >= 0.1 and a > b
    ]
    found = strongest_of_one_query(runs)
    assert (found.factor, found.watched.query) == (pytest.approx(max(pairs)[0]), max(pairs)[1])
    assert found.watched.query == found.decisive.query
    apart = [measured(5, [0.9, 0.05], [0.001, 0.002]), measured(6, [0.3, 0.2], [0.5, 0.6])]
    assert strongest_of_one_query(apart) is None and strongest(apart) is not None


def test_agreement_gives_none_and_no_attention_at_all_an_infinite_factor():
    assert strongest([measured(5, [0.6, 0.2], [0.5, 0.001])]) is None
    assert strongest([measured(5, [0.6, 0.2], [0.05, 0.05])]) is None  # neither hardly nor much
    assert strongest([measured(5, [0.6, 0.0], [0.001, 0.5])]).factor == np.inf
    between = strongest([measured(5, [0.7, 0.2, 0.05, 0.1], [0.05, 0.001, 0.05, 0.5])])  # 0.05 nats are neither
    assert (between.watched.attention, between.decisive.attention) == (0.2, 0.1)


def test_what_does_not_exist_is_refused(tiny_model, draw_tokens):
    with pytest.raises(ValueError, match="layer 3 is not in this model"):
        next(removals(tiny_model, draw_tokens(6), layer=3))
    with pytest.raises(ValueError, match="query 6 is not in the text"):
        next(removals(tiny_model, draw_tokens(6), [6]))
    with pytest.raises(ValueError, match=r"hardly is 0.2 and matters 0.1"):
        strongest([], 0.2, 0.1)


def test_the_search_can_be_watched(tiny_model, draw_tokens):
    seen = []
    list(removals(tiny_model, draw_tokens(6), report=lambda done, total, what: seen.append((done, total))))
    assert seen == [(done, 5) for done in range(6)]
