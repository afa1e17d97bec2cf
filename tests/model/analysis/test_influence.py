"""Influence: exactly zero where the mask says so, not zero at the edge, and equal to plain loops in between."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from mistral_core.analysis import gradients, influence
from mistral_core.analysis.influence import (
    backward_influence,
    corridor_influence,
    default_replacement,
    forward_influence,
    kl_divergence,
    log_probs,
    read,
    state_names,
)
from mistral_core.analysis.reach import (
    CutEdges,
    backward_cone,
    corridor,
    cut_edge,
    cut_layer,
    cut_wall,
    forward_cone,
    reachable,
    reaching,
)
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.variants import in_dtype
from mistral_core.cli import influence as cli_influence
from mistral_core.cli.main import main
from mistral_core.hooks import Capture, Replacing, Sinks, watching
from mistral_core.model import random_model
from mistral_core.sampling import uniform
from tests.conftest import TINY, TINY_STD
from tests.model import reference

BUNDLED = Path(__file__).parents[3] / "assets/models/storyteller"
WINDOWS = [(5, 5, 5), (2, 2, 2, 2), (3, 1, 4), (6, 2), (4, None, 2), (None, None)]
LENGTH, SOURCE, TARGET = 21, 4, 18


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


def network(windows, dtype=torch.float64):
    config = replace(TINY, n_layers=len(windows), sliding_window=windows)
    return random_model(config, seed=3, std=TINY_STD, dtype=dtype)


def grid_of(seen, n_layers):
    return np.array([seen[name] for name in state_names(n_layers)])


def log_softmax(logits):
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def test_forward_is_what_plain_loops_compute(tiny_model64, draw_tokens):
    ids = draw_tokens(LENGTH)
    changed = [*ids[:SOURCE], 77, *ids[SOURCE + 1 :]]
    weights = reference.weights_of(tiny_model64)
    a, b = (reference.forward(weights, TINY, one) for one in (ids, changed))
    before, after = (grid_of(seen, TINY.n_layers) for seen in (a, b))
    p, q = (log_softmax(seen["hook_logits"]) for seen in (a, b))
    found = forward_influence(tiny_model64, ids, SOURCE, 77)
    expected = np.linalg.norm(after - before, axis=-1) / np.linalg.norm(before, axis=-1)
    np.testing.assert_allclose(found.change, expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.kl, (np.exp(p) * (p - q)).sum(-1), rtol=1e-8, atol=1e-12)
    rows = np.arange(LENGTH - 1)
    np.testing.assert_allclose(found.before[:-1], np.exp(p[rows, ids[1:]]), rtol=1e-9)
    np.testing.assert_allclose(found.after[:-1], np.exp(q[rows, ids[1:]]), rtol=1e-9)
    assert math.isnan(found.before[-1])
    assert math.isnan(found.after[-1])
    assert (found.source, found.original, found.replacement) == (SOURCE, ids[SOURCE], 77)


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forward_fills_its_cone_and_not_one_bit_more(windows, dtype, draw_tokens):
    model, ids = network(windows, dtype), draw_tokens(LENGTH)
    found, cone = forward_influence(model, ids, SOURCE, 77), forward_cone(model.config, SOURCE, LENGTH)
    assert (found.change[~cone] == 0).all()
    assert (found.kl[~cone[-1]] == 0).all()
    if dtype == torch.float64:
        assert (found.change[cone] > 0).all()
        assert (found.kl[cone[-1]] > 0).all()


@pytest.mark.parametrize("windows", WINDOWS)
def test_backward_fills_its_cone_and_not_one_bit_more(windows, draw_tokens):
    model, ids = network(windows), draw_tokens(LENGTH)
    found, cone = backward_influence(model, ids, TARGET), backward_cone(model.config, TARGET, LENGTH)
    assert (found.influence[~cone] == 0).all()
    assert (found.influence[cone] > 0).all()
    assert found.token == ids[TARGET + 1]
    expected = log_softmax(model(torch.tensor([ids]))[0].numpy())[TARGET, found.token]
    assert found.log_prob == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("row", "position"), [(0, 6), (1, 12), (2, 18), (3, 18)])
def test_backward_is_the_slope_that_small_steps_measure(tiny_model64, draw_tokens, row, position):
    ids, step = draw_tokens(LENGTH), 1e-6
    name = state_names(TINY.n_layers)[row]
    with watching(capture := Capture([name])):
        tiny_model64(torch.tensor([ids]))

    def moved(direction):
        change = torch.zeros_like(capture[name])
        change[0, position] = direction
        with watching(Replacing({name: lambda value: value + change})):
            return float(log_probs(tiny_model64(torch.tensor([ids]))[0, TARGET])[ids[TARGET + 1]])

    axes = torch.eye(TINY.dim, dtype=torch.float64) * step
    slope = np.array([(moved(axis) - moved(-axis)) / (2 * step) for axis in axes])
    expected = np.linalg.norm(slope) * float(capture[name][0, position].norm())
    assert expected > 1e-4
    found = backward_influence(tiny_model64, ids, TARGET).influence[row, position]
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_bundled_model_reaches_120_tokens_and_no_further(loaded):
    ids = np.random.default_rng(0).integers(3, 4096, 140).tolist()
    found = forward_influence(loaded.model, ids, 10, 500)
    cone = forward_cone(loaded.config, 10, 140)
    assert cone[-1].sum() == 121
    assert (found.change[~cone] == 0).all()
    assert (found.kl[~cone[-1]] == 0).all()
    assert (found.kl[10:70] > 0).all()
    back = backward_influence(in_dtype(loaded.model, torch.float64), ids, 135)
    assert back.influence[0, 135 - 120] > 0
    assert (back.influence[~backward_cone(loaded.config, 135, 140)] == 0).all()


CUTS = {
    "one edge": [cut_edge(5, 6)],
    "the edges of one layer": [cut_layer(1, LENGTH)],
    "a wall": [cut_wall(8, LENGTH)],
    "a wall in one layer": [cut_wall(8, LENGTH, 1)],
    "all ways out of the source but one": [cut_edge(SOURCE, q, layer) for q in range(5, 9) for layer in (0, 2)],
}


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_blocks_what_the_search_says_it_blocks(tiny_model64, draw_tokens, name):
    ids, cuts = draw_tokens(LENGTH), CUTS[name]
    found = forward_influence(tiny_model64, ids, SOURCE, 77, cuts=cuts)
    assert np.array_equal(found.change > 0, reachable(TINY, LENGTH, SOURCE, cuts))
    assert np.array_equal(found.kl > 0, reachable(TINY, LENGTH, SOURCE, cuts)[-1])
    back = backward_influence(tiny_model64, ids, 12, cuts=cuts)
    assert np.array_equal(back.influence > 0, reaching(TINY, LENGTH, 12, cuts))
    if name != "one edge":
        assert not np.array_equal(reachable(TINY, LENGTH, SOURCE, cuts), forward_cone(TINY, SOURCE, LENGTH))


def test_the_weights_left_by_a_cut_grow_in_proportion(tiny_model64, draw_tokens):
    ids, hook = torch.tensor([draw_tokens(LENGTH)]), "layers.0.attention.hook_pattern"
    edges = CutEdges(TINY, LENGTH, [cut_edge(8, 10, 0)])
    patterns = []
    for sinks in ((), (edges,)):
        with watching(Sinks(*sinks, capture := Capture([hook]))):
            tiny_model64(ids)
        patterns.append(capture[hook][0])
    whole, cut = patterns
    expected = whole[:, 10].clone()
    expected[:, 8] = 0
    expected /= expected.sum(-1, keepdim=True)
    torch.testing.assert_close(cut[:, 10], expected)
    others = [q for q in range(LENGTH) if q != 10]
    assert torch.equal(cut[:, others], whole[:, others])


@pytest.mark.parametrize("windows", [(5, 5, 5), (3, 1, 4), (None, None)])
def test_every_row_of_the_corridor_carries_the_whole_change(windows, draw_tokens):
    model, ids = network(windows), draw_tokens(LENGTH)
    target = SOURCE + min(model.config.exact_reach() or 9, 9) - 2
    found = corridor_influence(model, ids, SOURCE, target, 77, steps=40)
    p, q = (log_softmax(model(torch.tensor([one]))[0].numpy()) for one in (ids, [*ids[:4], 77, *ids[5:]]))
    change = q[target, ids[target + 1]] - p[target, ids[target + 1]]
    assert found.log_prob_after - found.log_prob_before == pytest.approx(change, rel=1e-9)
    assert abs(change) > 1e-3
    np.testing.assert_allclose(found.through.sum(1), change, rtol=0.03)
    assert np.array_equal(found.through != 0, found.theory)
    assert np.array_equal(found.theory, corridor(model.config, SOURCE, target, LENGTH))


def test_at_the_exact_reach_the_corridor_is_one_path_and_beyond_it_is_empty(tiny_model64, draw_tokens):
    ids = draw_tokens(LENGTH)
    found = corridor_influence(tiny_model64, ids, SOURCE, SOURCE + 12, 77, steps=4)
    assert [np.flatnonzero(row).tolist() for row in found.through] == [[4], [8], [12], [16]]
    beyond = corridor_influence(tiny_model64, ids, SOURCE, SOURCE + 13, 77, steps=1)
    assert not beyond.through.any()
    assert beyond.log_prob_after == beyond.log_prob_before
    assert not corridor_influence(tiny_model64, ids, 9, 8, 77, steps=1).through.any()  # a later token


def test_a_cut_corridor_carries_what_is_left(tiny_model64, draw_tokens):
    ids, cuts = draw_tokens(LENGTH), [cut_edge(4, 5), cut_wall(8, LENGTH, 2), cut_edge(3, 20)]
    found = corridor_influence(tiny_model64, ids, SOURCE, 10, 77, cuts=cuts, steps=32)
    left = reachable(TINY, LENGTH, SOURCE, cuts) & reaching(TINY, LENGTH, 10, cuts)
    assert np.array_equal(found.through != 0, left)
    assert (left != found.theory).any()
    np.testing.assert_allclose(found.through.sum(1), found.log_prob_after - found.log_prob_before, rtol=0.02)


def test_long_texts_go_through_the_ring_and_give_the_same(tiny_model64, draw_tokens, monkeypatch):
    ids, cuts = draw_tokens(LENGTH), [cut_edge(4, 6)]
    dense = forward_influence(tiny_model64, ids, SOURCE, 77, cuts=cuts)
    monkeypatch.setattr(influence, "CHUNK", 4)  # the last chunk is one token: a decode step
    seen = []
    chunked = forward_influence(
        tiny_model64, ids, SOURCE, 77, cuts=cuts, report=lambda done, total, _: seen.append((done, total))
    )
    np.testing.assert_allclose(chunked.change, dense.change, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(chunked.kl, dense.kl, rtol=1e-8, atol=1e-14)
    assert np.array_equal(chunked.change > 0, dense.change > 0)
    assert seen[0] == (0, 12)
    assert seen[-1] == (12, 12)


def test_a_long_text_is_read_back_to_the_reach_only_with_the_same_result(tiny_model64, draw_tokens, monkeypatch):
    ids = draw_tokens(LENGTH)
    whole = backward_influence(tiny_model64, ids, TARGET)
    monkeypatch.setattr(gradients, "MAX_BYTES", 14**2 * 4 * 3 * 6 * 8)
    part = backward_influence(tiny_model64, ids, TARGET)
    assert (whole.first_read, part.first_read) == (0, TARGET - 12)
    np.testing.assert_allclose(part.influence, whole.influence, rtol=1e-9)
    monkeypatch.setattr(influence, "MAX_BYTES", 1000)
    monkeypatch.setattr(gradients, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="gradient pass over 19 tokens needs too much memory"):
        backward_influence(tiny_model64, ids, TARGET)
    with pytest.raises(ValueError, match="13 tokens apart; following a change needs too much memory"):
        gradients.conductance(tiny_model64, ids, TARGET - 13, TARGET, 3, 5, steps=4)
    with pytest.raises(ValueError, match="at most 1,000 are used, so give at most 0 tokens"):
        read(tiny_model64, ids)


def test_kl_is_right_even_where_a_plain_sum_would_be_rounding():
    getcontext().prec = 60
    for size in (1e-9, 1e-5, 1e-3, 0.3):
        p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
        q = (p + size * torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)).log_softmax(-1)
        exact_p, exact_q = ([Decimal(value).exp() for value in row.tolist()] for row in (p, q))
        exact_p, exact_q = ([value / sum(row) for value in row] for row in (exact_p, exact_q))
        exact = sum(a * (a / b).ln() for a, b in zip(exact_p, exact_q, strict=True))
        assert float(kl_divergence(p, q)) == pytest.approx(float(exact), rel=1e-5)
    assert float(kl_divergence(p, p)) == 0


def test_the_default_replacement_is_another_token_of_the_text():
    ids = [1, 50, 60, 60, 70, 50]
    drawn = {default_replacement(ids, 2, seed) for seed in range(60)}
    assert drawn == {50, 70}
    share = np.mean([default_replacement(ids, 2, seed) == 50 for seed in range(400)])
    assert 0.58 < share < 0.75  # the text's unigram: two of three
    assert default_replacement(ids, 2, 5) == default_replacement(ids, 2, 5)
    with pytest.raises(ValueError, match="holds no token but 60"):
        default_replacement([1, 60, 60], 1)


def test_a_replacement_is_drawn_independently_of_the_token_that_stands_there():
    """With the number that drew the token, a token from the upper end was replaced from the upper end."""
    ids, at = list(range(10, 110)), range(100)
    drawn = [ids.index(default_replacement(ids, position, 7)) for position in at]
    assert abs(np.corrcoef(drawn, [uniform(7, position) for position in at])[0, 1]) < 0.3
    assert len(set(drawn)) > 50


def test_a_pass_can_be_reused_and_work_can_be_watched_and_cancelled(tiny_model, draw_tokens):
    ids = draw_tokens(LENGTH)
    original = read(tiny_model, ids)
    again = forward_influence(tiny_model, ids, SOURCE, 77, original=original)
    assert again.change.tobytes() == forward_influence(tiny_model, ids, SOURCE, 77).change.tobytes()
    with pytest.raises(ValueError, match="of another text or with other cuts"):
        forward_influence(tiny_model, ids, SOURCE, 77, original=original, cuts=[cut_edge(1, 2)])

    class Cancelled(Exception):
        pass

    def stop(done, total, what):
        if done == 3:
            raise Cancelled(what)

    with pytest.raises(Cancelled, match="corridor"):
        corridor_influence(tiny_model, ids, SOURCE, 9, 77, report=stop)


def test_gradients_are_taken_even_inside_inference_mode(tiny_model, draw_tokens):
    ids = draw_tokens(LENGTH)
    outside = corridor_influence(tiny_model, ids, SOURCE, 9, 77, steps=2)
    with torch.inference_mode():
        inside = corridor_influence(tiny_model, ids, SOURCE, 9, 77, steps=2)
    assert inside.through.tobytes() == outside.through.tobytes()
    assert not any(parameter.requires_grad for parameter in tiny_model.parameters())


def test_what_cannot_be_measured_is_refused_with_a_reason(tiny_model, draw_tokens):
    ids = draw_tokens(LENGTH)
    with pytest.raises(ValueError, match="source 21 is not in the text"):
        forward_influence(tiny_model, ids, 21, 77)
    with pytest.raises(ValueError, match="stands there already"):
        forward_influence(tiny_model, ids, SOURCE, ids[SOURCE])
    with pytest.raises(ValueError, match="token id 300 is outside"):
        forward_influence(tiny_model, ids, SOURCE, 300)
    with pytest.raises(ValueError, match="nothing follows the target 20"):
        backward_influence(tiny_model, ids, 20)
    assert backward_influence(tiny_model, ids, 20, token=5).token == 5
    with pytest.raises(ValueError, match="token 300 is outside"):
        backward_influence(tiny_model, ids, 20, token=300)
    with pytest.raises(ValueError, match="steps is 0"):
        corridor_influence(tiny_model, ids, 3, 9, 77, steps=0)
    with pytest.raises(ValueError, match="layer 3 cannot be cut"):
        backward_influence(tiny_model, ids, 9, cuts=[cut_edge(1, 2, 3)])


TEXT = "Once upon a time there was a girl who lived in a little house in the wood."


@pytest.fixture
def at_hand(loaded, monkeypatch):
    """The commands take the model that is loaded already."""
    monkeypatch.setattr(cli_influence, "load", lambda model, dtype, device: loaded)


def test_the_command_prints_what_the_core_measures(loaded, at_hand, capsys):
    ids = loaded.tokenizer.encode(TEXT)
    boy = loaded.tokenizer.encode("boy", bos=False)[0]
    given = ["influence", "--text", TEXT, "--source", "8", "--target", "15", "--replacement", "boy", "--cut", "8:9:0"]
    assert main([*given, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    expected = corridor_influence(loaded.model, ids, 8, 15, boy, cuts=[cut_edge(8, 9, 0)])
    assert content["tokens"][8] == "girl"
    assert np.array_equal(content["forward"]["change"], expected.forward.change)
    assert content["forward"]["probability_after"][:-1] == expected.forward.after[:-1].tolist()
    assert content["forward"]["probability_after"][-1] is None
    assert np.array_equal(content["backward"]["influence"], expected.backward.influence)
    assert np.array_equal(content["corridor"]["through"], expected.through)
    assert main([*given, "--json", "--layer", "3"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["rows"], row["edges"]) == ([3], [45])
    assert row["forward"]["change"] == [content["forward"]["change"][3]]
    assert main(given) == 0
    printed = capsys.readouterr().out
    assert "girl -> boy" in printed
    assert f"{expected.forward.kl[12]:.3g}" in printed


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--source", "40"], "source 40 is not in the text"),
        (["--source", "8", "--target", "99"], "target 99 is not in the text"),
        (["--source", "8", "--layer", "9"], "--layer is 9; rows are 0"),
        (["--source", "8", "--replacement", "boys and girls"], "choose a word that is one token"),
        (["--source", "8", "--cut", "8:8"], "would lose its own key"),
        (["--source", "8", "--cut", "a:b"], "must be KEY:QUERY"),
        (["--source", "8", "--cut-layer", "8"], "layer 8 cannot be cut"),
    ],
)
def test_wrong_flags_are_one_sentence(at_hand, capsys, flags, reason):
    assert main(["influence", "--text", TEXT, *flags]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
