"""Each sampling stage against hand cases and against a naive version, and the randomness itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mistral_core.sampling import (
    SamplingSettings,
    apply_temperature,
    choose,
    entropy_bits,
    entropy_of,
    judged,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    rank_of,
    sampling_stages,
    softmax,
    uniform,
)

INF = float("inf")


def logs(*probs: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array(probs))


def kept(logits: np.ndarray) -> list[int]:
    return np.flatnonzero(logits > -INF).tolist()


def cases():
    """Logits with ties, with cut tokens, flat, peaked."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(1, 12))
        logits = rng.integers(-3, 4, n).astype(float) if rng.random() < 0.5 else rng.normal(0, 3, n)
        logits[rng.random(n) < 0.2] = -INF
        if np.isfinite(logits).any():
            yield rng, logits


def by_likelihood(logits: np.ndarray) -> list[int]:
    """Ids from the likeliest on, the lower id first on ties, cut ones left out."""
    return sorted(kept(logits), key=lambda token: (-logits[token], token))


def test_top_k_keeps_exactly_k_and_the_lower_ids_on_ties():
    for _, logits in cases():
        for k in range(len(logits) + 3):
            got = keep_top_k(logits, k)
            expected = by_likelihood(logits)[: k or None]
            assert kept(got) == sorted(expected)
            assert np.array_equal(got[expected], logits[expected])


def test_top_p_keeps_the_smallest_set_that_holds_the_mass():
    for rng, logits in cases():
        probs = softmax(logits)
        for p in (*rng.uniform(0.001, 1, 4), 1e-300, 0.999999, 1.0):
            expected, mass = [], 0.0
            for token in by_likelihood(logits):
                if mass >= p and p < 1:
                    break
                expected.append(token)
                mass += probs[token]
            assert kept(keep_top_p(logits, float(p))) == sorted(expected)


def test_top_p_boundary_side():
    """The token that reaches p stays; at a mass of exactly p the next one goes."""
    logits = np.array([0.0, 0.0, 0.0, 0.0])  # a quarter each, exact in binary
    assert kept(keep_top_p(logits, 0.5)) == [0, 1]
    assert kept(keep_top_p(logits, np.nextafter(0.5, 1))) == [0, 1, 2]
    assert kept(keep_top_p(logits, np.nextafter(0.5, 0))) == [0, 1]
    assert kept(keep_top_p(logits, 1e-9)) == [0]
    assert kept(keep_top_p(logits, 1.0)) == [0, 1, 2, 3]


def test_min_p_is_a_share_of_the_likeliest():
    for rng, logits in cases():
        probs = softmax(logits)
        for share in rng.uniform(0.01, 1, 4):
            expected = [t for t in kept(logits) if probs[t] >= share * probs.max() * (1 - 1e-12)]
            assert kept(keep_min_p(logits, float(share))) == expected
        assert kept(keep_min_p(logits, 0.0)) == kept(logits)
    assert kept(keep_min_p(np.array([2.0, 2.0, 1.99]), 1.0)) == [0, 1]


def test_temperature():
    logits = np.array([1.0, -INF, 2.0, 2.0])
    np.testing.assert_array_equal(apply_temperature(logits, 0.5), [2.0, -INF, 4.0, 4.0])
    assert kept(apply_temperature(logits, 0.0)) == [2]
    flat, peaked = (softmax(apply_temperature(logits, t)) for t in (10.0, 0.1))
    assert flat.max() < softmax(logits).max() < peaked.max()


@pytest.mark.parametrize("logits", [[1.0, 3.0, 2.0], [-1.0, -3.0, -2.0], [0.0, -3.0, -2.0]])
@pytest.mark.parametrize("temperature", [5e-324, 1e-320, 1e-308, 1e-9])
def test_a_vanishing_temperature_is_temperature_zero_not_nan(logits, temperature):
    stages = sampling_stages(np.array(logits), SamplingSettings(temperature=temperature))
    assert stages[-1].probs.tolist() == softmax(apply_temperature(np.array(logits), 0.0)).tolist()


def test_repetition_penalty_makes_seen_tokens_less_likely_once_each():
    logits = np.array([2.0, -2.0, 0.0, 4.0, -INF])
    got = penalize_repetition(logits, [0, 0, 1, 2, 4, 0], 2.0)
    np.testing.assert_array_equal(got, [1.0, -4.0, 0.0, 4.0, -INF])
    np.testing.assert_array_equal(logits, [2.0, -2.0, 0.0, 4.0, -INF])
    assert penalize_repetition(logits, [], 2.0).tolist() == logits.tolist()
    history = np.array([3], dtype=np.int64)
    assert penalize_repetition(logits, history, 2.0)[3] == 2.0


def test_the_stages_follow_in_order_each_on_the_one_before():
    rng = np.random.default_rng(1)
    for _ in range(30):
        logits = rng.normal(0, 2, 12)
        settings = SamplingSettings(temperature=0.7, top_k=6, top_p=0.8, min_p=0.1, repetition_penalty=1.3)
        history = rng.integers(0, 12, 4)
        stages = sampling_stages(logits, settings, history)
        names = ["model", "repetition penalty", "temperature", "top-k", "top-p", "min-p"]
        assert [stage.name for stage in stages] == names
        by_hand = logits.copy()
        for token in {int(t) for t in history}:
            by_hand[token] = by_hand[token] / 1.3 if by_hand[token] > 0 else by_hand[token] * 1.3
        np.testing.assert_allclose(stages[1].logits, by_hand)
        for stage, step in zip(
            stages[2:],
            (
                lambda x: apply_temperature(x, 0.7),
                lambda x: keep_top_k(x, 6),
                lambda x: keep_top_p(x, 0.8),
                lambda x: keep_min_p(x, 0.1),
            ),
            strict=True,
        ):
            by_hand = step(by_hand)
            np.testing.assert_array_equal(stage.logits, by_hand)
            np.testing.assert_allclose(stage.probs.sum(), 1)
            assert stage.n_choices == len(kept(by_hand))


def test_top_p_depends_on_the_temperature():
    """At temperature 1 the first token alone holds 0.6; at 3 it does not."""
    logits = logs(0.6, 0.2, 0.1, 0.1)
    assert sampling_stages(logits, SamplingSettings(top_p=0.5))[-1].n_choices == 1
    assert sampling_stages(logits, SamplingSettings(top_p=0.5, temperature=3.0))[-1].n_choices == 2


def test_the_defaults_change_nothing():
    logits = np.random.default_rng(0).normal(size=20)
    for stage in sampling_stages(logits, SamplingSettings()):
        np.testing.assert_array_equal(stage.logits, logits)


def test_float32_logits_are_computed_in_float64():
    logits = np.random.default_rng(0).normal(size=20).astype(np.float32)
    for stage in sampling_stages(logits, SamplingSettings(temperature=0.3, top_p=0.9)):
        assert stage.logits.dtype == stage.probs.dtype == np.float64


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [-INF, -INF], [1.0, INF], [INF, math.nan]])
def test_overflowed_logits_are_refused(bad):
    with pytest.raises(ValueError, match="overflowed"):
        sampling_stages(np.array(bad), SamplingSettings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", INF),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("min_p", 1.5),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", INF),
    ],
)
def test_settings_out_of_bounds_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} is .*must be"):
        SamplingSettings(**{name: value})


def test_uniform_is_a_function_of_seed_and_position():
    assert uniform(7, 3) == uniform(7, 3)
    in_order = [uniform(7, position) for position in range(50)]
    assert [uniform(7, position) for position in reversed(range(50))] == in_order[::-1]
    assert len({uniform(seed, position) for seed in range(40) for position in range(40)}) == 1600
    assert 0 <= uniform(2**64 - 1, 10**9) < 1
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed is"):
            uniform(seed, 0)


@pytest.mark.parametrize("axis", ["positions", "seeds"])
def test_uniform_is_uniform_along_positions_and_along_seeds(axis):
    """Fixed, so never flaky: chi-squared over 20 bins (99.9 % point for 19 degrees: 43.8), neighbours uncorrelated."""
    n = 2000
    drawn = np.array([uniform(5, i) if axis == "positions" else uniform(i, 5) for i in range(n)])
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert ((counts - n / 20) ** 2 / (n / 20)).sum() < 43.8
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / math.sqrt(n)


def test_choose_lays_the_shares_out_by_id():
    probs = np.array([0.25, 0.0, 0.5, 0.25])
    for u, token in [(0.0, 0), (0.2499, 0), (0.25, 2), (0.7499, 2), (0.75, 3), (np.nextafter(1, 0), 3)]:
        assert choose(probs, u) == token


def test_choose_never_takes_a_token_that_was_cut():
    rng = np.random.default_rng(2)
    edges = (0.0, 5e-324, 0.5, np.nextafter(1, 0))
    for _ in range(300):
        probs = rng.random(9) ** rng.integers(1, 40)
        probs[rng.random(9) < 0.6] = 0
        probs[rng.integers(9)] = 1e-12
        probs /= probs.sum()
        for u in (*edges, *np.clip(np.cumsum(probs), 0, np.nextafter(1, 0)), *rng.random(5)):
            assert probs[choose(probs, float(u))] > 0


def test_choose_draws_with_the_probabilities():
    probs = np.array([0.5, 0.0, 0.3, 0.2])
    counts = np.bincount([choose(probs, uniform(1, i)) for i in range(3000)], minlength=4)
    assert counts[1] == 0
    alive = probs > 0
    assert ((counts - 3000 * probs)[alive] ** 2 / (3000 * probs[alive])).sum() < 13.8  # 99.9 %, 2 degrees


def test_rank_counts_likelier_tokens_and_ties_by_id():
    logits = np.array([1.0, 3.0, 3.0, -1.0])
    assert [rank_of(logits, token) for token in range(4)] == [2, 0, 1, 3]


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_tokens_are_judged_as_each_alone(count, dtype):
    """The same bits: a text may be read in chunks of any size. Rounded, so that there are ties."""
    generator = np.random.default_rng(count)
    logits = generator.normal(0, 6, (count, 517)).round(1).astype(dtype)
    tokens = generator.integers(0, 517, count)
    probability, rank = judged(logits, tokens)
    for row, token, p, r in zip(logits, tokens.tolist(), probability, rank, strict=True):
        assert p == softmax(row.astype(np.float64))[token]
        assert r == sum((other, -at) > (row[token], -token) for at, other in enumerate(row.tolist()))


def test_entropy_of_known_distributions():
    rows = np.array([[0.125] * 8, [0.5, 0.25, 0.125, 0.125, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0]])
    np.testing.assert_allclose(entropy_bits(rows), [3.0, 1.75, 0.0], atol=1e-12)
    assert not np.signbit(entropy_bits(rows[2])), "a certain token must not be shown with -0.0 bits"


def test_entropy_in_one_pass_is_that_of_the_probabilities():
    rows = np.random.default_rng(0).normal(size=(20, 300)) * np.linspace(0.1, 30, 20)[:, None]
    rows[3, 5:] = -np.inf
    rows[4, 1:] = -np.inf
    np.testing.assert_allclose(entropy_of(rows), entropy_bits(softmax(rows)), atol=1e-12)
    assert 0 <= entropy_of(rows[4]) < 1e-290 and not np.signbit(entropy_of(rows[4]))
