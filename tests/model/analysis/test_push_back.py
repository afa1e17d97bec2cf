"""Facts pushed back: numbers that transformers computed from the same weights, exact zeros beyond the reach."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from mistral_core.analysis.cases import CANDIDATES, GIRL, NEUTRAL
from mistral_core.analysis.distance import distance_profile, held_within
from mistral_core.analysis.example import find_example
from mistral_core.analysis.forgotten import forgotten
from mistral_core.analysis.influence import default_replacement, forward_influence, kl_divergence, log_probs
from mistral_core.analysis.push_back import push_back, typical_beside
from mistral_core.analysis.swap import Case, measure_swap
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.variants import in_dtype
from mistral_core.cli import example as cli_example
from mistral_core.cli import influence as cli_influence
from mistral_core.cli.main import main
from mistral_core.tokenizer import single_token
from tests.conftest import TINY

BUNDLED = Path(__file__).parents[3] / "assets/models/storyteller"
SNOW = CANDIDATES[0]
SWAPS = [
    (SNOW, 22),
    (
        Case(
            opening="{} was tired, and the road was long and dark. At last, when the moon had come up over the trees,",
            words=("She", "He"),
            answers=("she", "he"),
            question="",
        ),
        24,
    ),
    (
        Case(
            opening="The {} lived in a castle on a high hill above the sea.",
            words=("queen", "king"),
            answers=("she", "he"),
            question="Every morning, when the sun came up over the water,",
        ),
        24,
    ),
    (
        Case(
            opening="There was once a poor {} who had nothing in the world but a little cat. One day, when there was no "
            "more bread in the house,",
            words=("woman", "man"),
            answers=("she", "he"),
            question="",
        ),
        24,
    ),
    (
        Case(
            opening="The {} walked along the river until it was quite dark. Then, because the night was cold,",
            words=("princess", "prince"),
            answers=("she", "he"),
            question="",
        ),
        18,
    ),
]
"""Cases, and how far the swapped word stands from the answer."""


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


@pytest.fixture(scope="module")
def theirs():
    """The same weights in transformers."""
    model = transformers.MistralForCausalLM.from_pretrained(BUNDLED, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def asked_of(theirs, tokenizer, case):
    """p of the two answers in transformers, after the first word and after the other one."""
    answers = [tokenizer.encode(answer, bos=False)[0] for answer in case.answers]
    with torch.inference_mode():
        logits = [theirs(torch.tensor([tokenizer.encode(case.text(which))])).logits[0, -1] for which in (0, 1)]
    return [row.softmax(-1)[answers].tolist() for row in logits]


@pytest.mark.parametrize(("case", "distance"), SWAPS)
def test_the_chosen_swaps_are_what_transformers_measures(loaded, theirs, case, distance):
    found = measure_swap(loaded.model, loaded.tokenizer, case)
    assert found.distance == distance
    np.testing.assert_allclose([found.first, found.swapped], asked_of(theirs, loaded.tokenizer, case), atol=1e-5)
    assert found.first[0] > found.swapped[0] and found.swapped[1] > found.first[1], "the word is carried"


def test_a_fact_fades_and_is_gone_exactly_beyond_the_reach(loaded):
    model = in_dtype(loaded.model, torch.float64)
    case = replace(GIRL, fillers=tuple(" ".join(NEUTRAL[i : i + 5]) for i in range(0, len(NEUTRAL), 5)))
    seen = []
    found = push_back(model, loaded.tokenizer, case, lambda done, total, what: seen.append((done, total)))
    near, *_, last = found.swaps
    assert (found.marks, found.reach, seen[-1]) == ((16, 32, 48), 120, (4, 4))
    assert [swap.n_fillers for swap in found.swaps] == [0, 1, 2, 3]
    assert near.kl > 1
    assert near.first[0] > 100 * near.swapped[0]
    assert all(a.kl > 10 * b.kl for a, b in zip(found.swaps, found.swaps[1:], strict=False) if a.kl)
    assert all((swap.kl > 0) == (swap.distance <= 120) for swap in found.swaps)
    assert last.distance > 120
    assert last.first == last.swapped
    ids = [loaded.tokenizer.encode(case.text(which, 1)) for which in (0, 1)]
    p, q = (log_probs(model(torch.tensor([one]))[0, -1]) for one in ids)
    assert found.swaps[1].kl == pytest.approx(float(kl_divergence(p, q)), rel=1e-9)
    assert ids[0][found.swaps[1].position] == single_token(loaded.tokenizer, "girl")
    assert found.swaps[1].position + found.swaps[1].distance == len(ids[0]) - 1


def test_cases_that_swap_more_than_a_token_are_refused(loaded):
    with pytest.raises(ValueError, match=r"0 places \{\} for the word"):
        replace(GIRL, opening="no place")
    with pytest.raises(ValueError, match="two words are both 'girl'"):
        replace(GIRL, words=("girl", "girl"))
    with pytest.raises(ValueError, match=r"must be one token each.*they are girl and "):
        measure_swap(loaded.model, loaded.tokenizer, replace(GIRL, words=("girl", "grandchild of nobody")))
    with pytest.raises(ValueError, match="choose a word that is one token"):
        measure_swap(loaded.model, loaded.tokenizer, replace(GIRL, answers=("she", "xylophone")))
    with pytest.raises(ValueError, match="' ' is nothing, 0 tokens"):
        single_token(loaded.tokenizer, " ")


def test_the_example_has_the_largest_fall_of_all_that_have_left_the_rings(loaded, theirs):
    near = Case(opening="The {} said that", words=("queen", "king"), answers=("she", "he"), question="")
    broken = replace(SNOW, words=("girl", "grandchild"))
    given = [SWAPS[2][0], near, SNOW, broken, SWAPS[4][0]]
    found = find_example(loaded.model, loaded.tokenizer, given)
    assert found.case is SNOW
    first, swapped = asked_of(theirs, loaded.tokenizer, SNOW)
    assert found.fall == pytest.approx(first[0] - swapped[0], abs=1e-5)
    assert found.fall == found.best.first[0] - found.best.swapped[0]
    falls = [swap.first[0] - swap.swapped[0] for swap in (found.best, *found.others)]
    assert falls == sorted(falls, reverse=True)
    assert len(falls) == 3
    assert "2 tokens on, it is still in a ring" in found.refused[0]
    assert "must be one token each" in found.refused[1]
    with pytest.raises(ValueError, match=r"no candidate fits this model.*still in a ring"):
        find_example(loaded.model, loaded.tokenizer, [near])


def test_a_token_is_overwritten_and_not_forgotten_until_the_reach_ends(tiny_model64, draw_tokens):
    ids = draw_tokens(21)
    found = forward_influence(tiny_model64, ids, 4, 77)
    for step in range(4, 9):
        with pytest.raises(ValueError, match=r"still lies in the ring of layer 0 \(window 5\)"):
            forgotten(TINY, found, step)
    for step in range(9, 21):
        one = forgotten(TINY, found, step)
        assert one.traces_possible == (one.kl > 0) == (step - 4 <= 12)
        assert one.first_row == (-(-one.distance // 4) if one.distance <= 12 else None)
        assert (one.kl, one.distance) == (found.kl[step], step - 4)
    with pytest.raises(ValueError, match="step 3 does not come after position 4"):
        forgotten(TINY, found, 3)


def test_a_layer_without_a_window_never_forgets(draw_tokens):
    from mistral_core.model import random_model

    config = replace(TINY, sliding_window=(5, None, 5))
    found = forward_influence(random_model(config, std=0.4), draw_tokens(21), 4, 77)
    with pytest.raises(ValueError, match=r"ring of layer 1 \(window None\)"):
        forgotten(config, found, 20)


def test_the_profile_is_what_single_measurements_give(tiny_model, draw_tokens):
    texts = [draw_tokens(20, 1), draw_tokens(9, 2)]
    found = distance_profile(tiny_model, texts, 14, 3, seed=4)
    assert [(text, source) for text, source, _ in found.replaced] == [(0, 1), (0, 6), (0, 10), (1, 1), (1, 2), (1, 4)]
    by_distance = {}
    for text, source, replacement in found.replaced:
        assert replacement == default_replacement(texts[text], source, 4)
        single = forward_influence(tiny_model, texts[text], source, replacement)
        for position in range(source, min(source + 15, len(texts[text]))):
            by_distance.setdefault(position - source, []).append((single.change[:, position], single.kl[position]))
    for distance, values in by_distance.items():
        grid, kl = np.array([one for one, _ in values]), np.array([one for _, one in values])
        assert found.count[distance] == len(values)
        for name, expected in {
            "change_mean": grid.mean(0),
            "change_median": np.median(grid, 0),
            "change_low": np.quantile(grid, 0.1, 0),
            "change_high": np.quantile(grid, 0.9, 0),
        }.items():
            np.testing.assert_allclose(getattr(found, name)[:, distance], expected, rtol=1e-12, atol=0, err_msg=name)
        assert found.kl_mean[distance] == pytest.approx(kl.mean(), rel=1e-12)
        assert found.kl_median[distance] == pytest.approx(np.median(kl), rel=1e-12)
        assert found.kl_max[distance] == kl.max()
    assert len(found.kl_mean) == max(by_distance) + 1 == 15
    assert (found.kl_max[13:] == 0).all()
    assert found.kl_max[12] > 0
    assert (found.change_mean[0, 1:] == 0).all()  # the embedding of no other token moves


def test_a_profile_ends_where_its_longest_text_ends(tiny_model, draw_tokens):
    assert len(distance_profile(tiny_model, [draw_tokens(6)], 14, 1).kl_mean) == 5
    with pytest.raises(ValueError, match="texts of at least four tokens"):
        distance_profile(tiny_model, [[3, 4, 5]], 4)


def test_the_means_of_each_text_are_those_of_the_text_alone(tiny_model, draw_tokens):
    texts = [draw_tokens(30), draw_tokens(9, seed=1)]
    both = distance_profile(tiny_model, texts, 12, 3)
    for text, ids in enumerate(texts):
        alone = distance_profile(tiny_model, [ids], 12, 3)
        reached = len(alone.kl_mean)
        np.testing.assert_allclose(both.kl_by_text[text, :reached], alone.kl_mean, rtol=1e-12)
        np.testing.assert_allclose(both.change_by_text[text, :reached], alone.change_mean[-1], rtol=1e-12)
        assert np.isnan(both.kl_by_text[text, reached:]).all()
    assert len(distance_profile(tiny_model, [texts[1]], 12, 3).kl_mean) < 13, "so that something was NaN"


def test_ordinary_words_are_measured_at_the_distances_of_the_chosen_one(loaded):
    case = replace(GIRL, fillers=NEUTRAL[:2])
    found = push_back(loaded.model, loaded.tokenizer, case)
    rows = typical_beside(loaded.model, loaded.tokenizer, found, seed=1)
    assert [row.distance for row in rows] == [swap.distance for swap in found.swaps]
    ids = loaded.tokenizer.encode(case.text(0, 2))
    far = found.swaps[-1]
    effects = {}
    for source in range(1, len(ids) // 2 + 1):
        influence = forward_influence(loaded.model, ids, source, default_replacement(ids, source, 1))
        if source + far.distance < len(ids):
            effects[source] = influence.kl[source + far.distance]
    del effects[far.position]  # the chosen word is not one of those beside it
    assert rows[-1].count == len(effects) == far.position - 1
    assert rows[-1].largest <= max(effects.values()) * 1.0001
    assert rows[-1].median == pytest.approx(float(np.median(list(effects.values()))), rel=1e-4), "all of these places"
    assert rows[0].count > rows[-1].count


def test_the_distance_that_holds_a_share():
    values = [100.0, 5.0, 3.0, 1.5, 0.4, 0.1]
    assert [held_within(values, share) for share in (0.5, 0.8, 0.81, 0.95, 0.99, 1.0)] == [1, 2, 3, 3, 4, 5]
    assert held_within(values, 0.9, include_own=True) == 0
    assert held_within(values, 0.92, include_own=True) == 1
    with pytest.raises(ValueError, match=r"share is 1.5"):
        held_within(values, 1.5)
    with pytest.raises(ValueError, match="of more than nothing"):
        held_within([7.0, 0.0], 0.9)


@pytest.fixture
def printed(loaded, monkeypatch, capsys):
    """Runs a command on the model that is loaded already; its JSON value."""
    for module in (cli_influence, cli_example):
        monkeypatch.setattr(module, "load", lambda model, dtype, device: loaded)

    def run(*arguments):
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_the_commands_print_what_the_core_measures(loaded, printed, monkeypatch):
    monkeypatch.setattr("mistral_core.analysis.cases.GIRL", replace(GIRL, fillers=NEUTRAL[:2]))
    opening, question = "A {} sat by the sea.", "At night"
    content = printed("push-back", "--opening", opening, "--words", "queen", "king", "--question", question)
    case = replace(GIRL, opening=opening, words=("queen", "king"), question=question, fillers=NEUTRAL[:2])
    expected = push_back(loaded.model, loaded.tokenizer, case)
    assert content["swaps"] == json.loads(json.dumps([asdict(swap) for swap in expected.swaps]))
    text = "Once upon a time there was a girl who lived in a little house in the wood."
    content = printed("influence-profile", "--text", text, "--sources", "2", "--max-distance", "6")
    profile = distance_profile(loaded.model, [loaded.tokenizer.encode(text)], 6, 2)
    assert content["kl_mean"] == profile.kl_mean.tolist()
    assert content["held_within"]["kl"]["0.9"] == held_within(profile.kl_mean, 0.9)
    untrained = printed("influence-profile", "--text", text, "--sources", "2", "--max-distance", "6", "--untrained")
    assert untrained["kl_mean"] != content["kl_mean"]


def test_the_example_command_names_criterion_and_typical_change(loaded, theirs, printed, monkeypatch):
    monkeypatch.setattr("mistral_core.analysis.cases.CANDIDATES", (SNOW, SWAPS[4][0]))
    monkeypatch.setattr(cli_example, "TYPICAL_TEXTS", 1)
    monkeypatch.setattr(cli_example, "TYPICAL_LENGTH", 32)
    monkeypatch.setattr(cli_example, "TYPICAL_SOURCES", 4)
    content = printed("influence-example", "--seed", "3")
    assert (content["words"], content["candidates"]) == (["girl", "boy"], 2)
    assert content["best"]["first"] == pytest.approx(asked_of(theirs, loaded.tokenizer, SNOW)[0], abs=1e-5)
    assert "largest fall" in content["criterion"]
    typical = content["typical"]
    texts = cli_influence.written_texts(loaded, 1, 32, 3)
    profile = distance_profile(loaded.model, texts, 22, cli_example.TYPICAL_SOURCES, seed=3)
    assert (typical["distance"], typical["kl_median"]) == (22, profile.kl_median[22])
    assert typical["sources"] == profile.count[22] >= 2
