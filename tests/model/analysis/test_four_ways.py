"""Four ways to read a text: against passes over the tokens in sight, written out one by one, in float64."""

import math

import numpy as np
import pytest
import torch

from mistral_core.analysis.four_ways import WAYS, four_ways, keys_equal, scores_of
from mistral_core.analysis.mask_reading import MOST_TOKENS
from mistral_core.checkpoint.variants import with_windows
from mistral_core.hooks import recording
from tests.conftest import TINY

LENGTH, WINDOW = 17, 5


@pytest.fixture
def ids(draw_tokens):
    return draw_tokens(LENGTH, 4)


@pytest.fixture
def made(tiny_model64, ids):
    return four_ways(tiny_model64, ids, WINDOW)


def test_a_cut_text_is_a_dense_pass_over_what_is_left_of_it(tiny_model64, ids, made):
    for way in ("cut", "renumbered"):
        for position in range(LENGTH - 1):
            left = ids[max(0, position - WINDOW + 1) : position + 1]
            with torch.inference_mode():
                dense = with_windows(tiny_model64, None)(torch.tensor([left]))[0, -1].log_softmax(-1)
            assert made.ways[way].losses[position] == pytest.approx(-float(dense[ids[position + 1]]), abs=1e-10)
            assert made.ways[way].likeliest[position, 0] == int(dense.argmax())
    assert made.renumbered < 1e-10, "rotary scores feel differences of positions alone"


def test_full_and_window_are_the_models_own_passes(tiny_model64, ids, made):
    for way, window in (("full", None), ("window", WINDOW)):
        with torch.inference_mode():
            log_probs = with_windows(tiny_model64, window)(torch.tensor([ids]))[0].log_softmax(-1)
        wanted = [-float(log_probs[p, ids[p + 1]]) for p in range(LENGTH - 1)]
        np.testing.assert_allclose(made.ways[way].losses, wanted, atol=1e-10)
        np.testing.assert_allclose(made.ways[way].probabilities[3, 0], log_probs[3].exp().max(), atol=1e-12)
    assert not made.ways["full"].kl.any() and made.ways["window"].kl[-1] > 1e-6


def test_until_the_window_is_full_all_four_say_the_same(made):
    for way in WAYS:
        np.testing.assert_allclose(made.ways[way].kl[:WINDOW], 0, atol=1e-20)
        assert made.ways[way].kl[WINDOW:].min() > 1e-9 or way == "full"


def test_keys_differ_where_theory_says_and_nowhere_else(tiny_model64, ids, made):
    assert made.keys.shape == (LENGTH, TINY.n_layers, WINDOW)
    for position in range(LENGTH):
        for layer in range(TINY.n_layers):
            for age in range(WINDOW):
                apart = made.keys[position, layer, age]
                if age > position:
                    assert math.isnan(apart)
                elif keys_equal(layer, age, WINDOW, position):
                    assert apart < 1e-12
                else:
                    assert apart > 1e-6, (position, layer, age)
    assert keys_equal(1, 0, WINDOW, 16) and not keys_equal(1, 1, WINDOW, 16)


def test_one_key_by_hand(tiny_model64, ids, made):
    position, age, name = 12, 2, "layers.2.attention.hook_rot_k"
    windowed = with_windows(tiny_model64, WINDOW)
    kv_cache = windowed.empty_kv_cache()
    with torch.inference_mode():
        for token in ids[: position + 1]:
            windowed(torch.tensor([[token]]), kv_cache=kv_cache)
        first = position - WINDOW + 1
        with recording([name]) as anew:
            windowed(torch.tensor([ids[first : position + 1]]), positions=torch.arange(first, position + 1)[None])
    keys, _, positions = kv_cache.rings[2].unrotate()
    held = keys[:, positions.tolist().index(position - age)]
    apart = (held - anew[name][0, WINDOW - 1 - age]).norm() / held.norm()
    assert made.keys[position, 2, age] == pytest.approx(float(apart), rel=1e-5)


def test_costs_are_counted(made):
    brute = dict.fromkeys(WAYS, 0)
    for position in range(LENGTH):
        seen = min(WINDOW, position + 1)
        brute["full"] += position + 1
        brute["window"] += seen
        brute["cut"] += sum(range(seen + 1))
    brute["renumbered"] = brute["cut"]
    assert {way: made.ways[way].scores for way in WAYS} == brute == {w: scores_of(w, LENGTH, WINDOW) for w in WAYS}
    number = TINY.n_layers * 2 * TINY.n_kv_heads * TINY.head_dim * 8
    assert [made.ways[way].kv_bytes for way in WAYS] == [LENGTH * number, WINDOW * number, 0, 0]


def test_a_window_wider_than_the_text_cuts_nothing(tiny_model64, ids):
    wide = four_ways(tiny_model64, ids[:6], 40)
    for way in WAYS:
        np.testing.assert_allclose(wide.ways[way].losses, wide.ways["full"].losses, atol=1e-12)
    assert np.nanmax(wide.keys) < 1e-12


def test_what_cannot_be_compared_is_refused_and_what_takes_long_can_be_ended(tiny_model64, draw_tokens):
    for length in (1, MOST_TOKENS + 1):
        with pytest.raises(ValueError, match="four ways"):
            four_ways(tiny_model64, draw_tokens(length), 4)

    def stop(done, total, what):
        assert 0 <= done <= total
        if "cut" in what:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        four_ways(tiny_model64, draw_tokens(9), 4, stop)
