"""A key/value head that is taken away: against weights that are 0 in a second Mistral, and bit for bit elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis import influence, kv_head
from mistral_core.analysis.influence import read
from mistral_core.analysis.intervening import read_changed
from mistral_core.analysis.interventions import KnockOut
from mistral_core.analysis.kv_head import without_kv_head
from mistral_core.analysis.sharing_bytes import group_of
from mistral_core.model import random_model
from tests.conftest import TINY, TINY_STD
from tests.model import reference

LENGTH = 17  # more than three windows of 5


def without_weights(model, layer: int, which: int, takes: str) -> dict[str, np.ndarray]:
    """The weights with those rows 0 that make the keys (and values) of one key/value head."""
    weights = reference.weights_of(model)
    rows = slice(which * model.config.head_dim, (which + 1) * model.config.head_dim)
    for name in ("wk", "wv") if takes == "both" else ("wk",):
        weights[f"layers.{layer}.attention.{name}.weight"][rows] = 0
    return weights


@pytest.mark.parametrize("takes", ["both", "keys"])
def test_it_is_the_network_whose_weights_make_no_such_key(tiny_model64, draw_tokens, takes):
    ids, config = draw_tokens(LENGTH), TINY
    measured = without_kv_head(tiny_model64, ids, 1, 1, takes)
    p = reference.forward(reference.weights_of(tiny_model64), config, ids)
    q = reference.forward(without_weights(tiny_model64, 1, 1, takes), config, ids)
    for layer in range(config.n_layers):
        a, b = (one[f"layers.{layer}.attention.hook_z"] for one in (p, q))
        expected = np.linalg.norm(b - a, axis=-1) / np.linalg.norm(a, axis=-1)
        np.testing.assert_allclose(measured.moved[:, layer], expected, atol=1e-9)
    a, b = (
        one["hook_logits"] - np.log(np.exp(one["hook_logits"]).sum(-1, keepdims=True)) for one in (p, q)
    )  # logits of a small network: no overflow
    np.testing.assert_allclose(measured.kl, (np.exp(a) * (a - b)).sum(-1), atol=1e-9)
    rows = np.arange(LENGTH - 1)
    np.testing.assert_allclose(measured.before[:-1], a[rows, ids[1:]], atol=1e-9)
    np.testing.assert_allclose(measured.after[:-1], b[rows, ids[1:]], atol=1e-9)
    assert np.isnan(measured.before[-1]) and np.isnan(measured.after[-1])
    for t in range(LENGTH):
        chosen = measured.candidates[t]
        np.testing.assert_allclose(measured.likely[t], np.exp([a[t, chosen], b[t, chosen]]).T, atol=1e-9)
        others = np.delete(np.maximum(a[t], b[t]), chosen).max()
        assert all(max(a[t, one], b[t, one]) >= others for one in chosen[1:]), "none outside is likelier"
        if t + 1 < LENGTH:
            assert chosen[0] == ids[t + 1], "the token that follows is among them"


@pytest.mark.parametrize("takes", ["both", "keys"])
@pytest.mark.parametrize("n_kv_heads", [6, 3, 2, 1])
def test_only_its_own_group_changes_in_its_layer_bit_for_bit(draw_tokens, n_kv_heads, takes):
    config = replace(TINY, n_kv_heads=n_kv_heads, sliding_window=(4, 5, 3))
    model = random_model(config, seed=5, std=TINY_STD)
    for which in {0, n_kv_heads - 1}:
        measured = without_kv_head(model, draw_tokens(LENGTH), 1, which, takes)
        own = np.isin(np.arange(config.n_heads), list(group_of(config, which)))
        assert measured.same[0].all(), "a lower layer knows nothing of it"
        np.testing.assert_array_equal(measured.same[1], ~own)
        later = slice(1, None) if takes == "keys" else slice(None)  # one key alone has the weight 1, whatever it is
        assert (measured.moved[later, 1, own] > 0).all()
        assert not measured.same[2].any() and (measured.kl[1:] > 0).all()
        if takes == "both":
            assert (measured.moved[:, 1, own] == 1).all(), "nothing is fetched any more"


def test_without_keys_the_heads_of_a_group_fetch_the_plain_mean(tiny_model64, draw_tokens, monkeypatch):
    ids = draw_tokens(LENGTH)
    fetched = []
    monkeypatch.setattr(kv_head, "_moved", lambda a, b: fetched.append(torch.cat(b, 1)[0]) or np.zeros((LENGTH, 6)))
    without_kv_head(tiny_model64, ids, 0, 1, "keys")
    values = reference.forward(reference.weights_of(tiny_model64), TINY, ids)["layers.0.attention.hook_v"]
    for t in range(LENGTH):
        mean = values[max(0, t - 4) : t + 1, 1].mean(0)
        np.testing.assert_allclose(fetched[0][t, 3:].numpy(), [mean] * 3, atol=1e-9)


def test_values_that_are_gone_are_the_silent_group(tiny_model, draw_tokens):
    """Two ways to the same: the zeros are made before they are stored, or where the group has fetched."""
    ids = draw_tokens(LENGTH)
    measured = without_kv_head(tiny_model, ids, 2, 0)
    silent = read_changed(tiny_model, ids, [KnockOut(part="group", layer=2, index=0)]).logits.double().log_softmax(-1)
    rows = torch.arange(LENGTH - 1)
    np.testing.assert_allclose(measured.after[:-1], silent[rows, torch.tensor(ids[1:])], atol=1e-6)


def test_a_long_text_goes_through_the_ring_and_says_the_same(tiny_model64, draw_tokens, monkeypatch):
    ids = draw_tokens(LENGTH)
    whole = without_kv_head(tiny_model64, ids, 1, 0)
    for module in (influence, kv_head):
        monkeypatch.setattr(module, "CHUNK", 7)  # longer than the window, and no divisor of the text
    parts = without_kv_head(tiny_model64, ids, 1, 0)
    for name in ("moved", "kl", "before", "after"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-9)
    np.testing.assert_array_equal(parts.same[1], whole.same[1])
    assert parts.same[1, 3:].all() and not parts.same[1, :3].any()


def test_the_network_stays_as_it_is(tiny_model, draw_tokens):
    ids = draw_tokens(6)
    before = read(tiny_model, ids).logits
    without_kv_head(tiny_model, ids, 0, 0)
    assert torch.equal(before, read(tiny_model, ids).logits)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"layer": 3}, "layer 3 .* layers 0 to 2"),
        ({"layer": True}, "layer True"),
        ({"kv_head": 2}, "key/value head 2 .* 0 to 1"),
        ({"takes": "values"}, "takes is 'values'; it must be one of both, keys"),
    ],
)
def test_what_is_not_there_is_refused(tiny_model, draw_tokens, bad, said):
    asked = {"layer": 0, "kv_head": 0, "takes": "both", **bad}
    with pytest.raises(ValueError, match=said):
        without_kv_head(tiny_model, draw_tokens(4), **asked)


def test_a_text_that_is_too_long_is_refused_before_it_is_read(tiny_model, draw_tokens, monkeypatch):
    monkeypatch.setattr(kv_head, "MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match="give at most 11 tokens"):
        without_kv_head(tiny_model, draw_tokens(12), 0, 0)
