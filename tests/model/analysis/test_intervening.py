"""Interventions at work: dense passes, chunks and decoding agree, and nothing changes beyond what theory allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.influence import read
from mistral_core.analysis.intervening import effect, intervene, read_changed, touched, write_on
from mistral_core.analysis.interventions import PATCHABLE, Add, Column, Edge, KnockOut, Patch, Shorten, Slot
from mistral_core.hooks import RowSinks, recording, watching
from mistral_core.mask import allowed
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH = 23  # more than four windows
WINDOWS = [(5, 5, 5), (3, 1, 4), (4, None, 2)]


def kinds(other):
    """One of each, with everything that changes how it works."""
    vector = tuple(np.random.default_rng(3).normal(0, 2, TINY.dim).tolist())
    return {
        "head": KnockOut(part="head", layer=1, index=4),
        "head there": KnockOut(part="head", layer=0, index=2, positions=(6, 9)),
        "head to mean": KnockOut(part="head", layer=2, index=0, to="mean"),
        "group": KnockOut(part="group", layer=1, index=1),
        "mlp": KnockOut(part="mlp", layer=0, positions=(17, 18)),
        "mlp to mean": KnockOut(part="mlp", layer=1, to="mean", positions=(3, 20)),
        "attention": KnockOut(part="attention", layer=1, positions=(10, 11)),
        "near": Shorten(distance=1),
        "near, less": Shorten(distance=2, layers=(0, 2), renormalise=False),
        "edge": Edge(source=8, target=9, layers=(0,)),
        "edge, less": Edge(source=8, target=9, renormalise=False),
        "column": Column(position=7),
        "column, less": Column(position=7, layers=(2,), renormalise=False),
        "slot": Slot(slot=1, step=12, layers=(0,)),
        "slot zero": Slot(slot=0, step=4, to="zero"),
        "patch": Patch(hook="hook_resid_post", layers=(0,), positions=(9, 12), token_ids=other),
        "patch keys": Patch(hook="attention.hook_rot_k", layers=(2,), positions=(11, 12), token_ids=other, heads=(1,)),
        "patch z": Patch(hook="attention.hook_z", layers=(2, 0), positions=(5, 6), token_ids=other, heads=(0, 3)),
        "add": Add(row=1, positions=(13, 14), vector=vector),
        "add at the end": Add(row=3, positions=(2, 4), vector=vector),
    }


NAMES = list(kinds((1,) * LENGTH))


@pytest.fixture(params=WINDOWS, scope="module")
def model(request):
    return random_model(replace(TINY, sliding_window=request.param), seed=11, std=0.4, dtype=torch.float64)


@pytest.fixture
def ids(draw_tokens):
    return draw_tokens(LENGTH, 1)


@pytest.fixture
def other(draw_tokens):
    return tuple(draw_tokens(LENGTH, 2))


def logits_in_pieces(model, ids, sink, sizes):
    kv_cache, out, start = model.empty_kv_cache(max_context=len(ids)), [], 0
    for size in sizes:
        with watching(sink), torch.inference_mode():
            out.append(model(torch.tensor([ids[start : start + size]]), kv_cache=kv_cache)[0])
        start += size
    assert start == len(ids)
    return torch.cat(out)


@pytest.mark.parametrize("name", NAMES)
def test_chunks_and_decoding_give_what_a_dense_pass_gives(model, ids, other, name):
    one = kinds(other)[name]
    dense = read_changed(model, ids, [one]).logits
    assert not torch.equal(dense, read(model, ids).logits), "it must do something, or nothing is compared"
    sink = intervene(model, [one], ids)
    for sizes in ([1] * LENGTH, [8, 1, 1, 7, 6], [11] + [1] * 12):
        torch.testing.assert_close(logits_in_pieces(model, ids, sink, sizes), dense, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changes_beyond_what_theory_allows_and_what_begins_there_does(model, ids, other, name):
    one = kinds(other)[name]
    allowed_to = touched(model.config, [one], LENGTH)
    assert not allowed_to.all()
    changed = effect(model, ids, [one]).state != 0
    assert not (changed & ~allowed_to).any()
    assert changed.any()
    first = np.flatnonzero(allowed_to.any(1))[0]
    assert np.array_equal(changed[first], allowed_to[first]), "in its first row everything that may change does"


def test_the_cells_that_may_change_are_those_of_a_search(model, ids):
    """A knocked-out head at one place: the cone that starts there, walked with the model's own mask."""
    windows, positions = model.config.windows, torch.arange(LENGTH)[None]
    reached = [set() for _ in range(4)]
    reached[2] = {9}
    mask = allowed(positions, positions, windows[2])[0]
    reached[3] = {q for q in range(LENGTH) if mask[q, 9]}
    grid = touched(model.config, [KnockOut(part="head", layer=1, index=0, positions=(9, 10))], LENGTH)
    assert [set(np.flatnonzero(row).tolist()) for row in grid] == reached


def test_no_intervention_changes_no_bit(model, ids):
    original, changed = read(model, ids), read_changed(model, ids, [])
    assert torch.equal(original.logits, changed.logits)
    assert torch.equal(original.states, changed.states)
    assert not touched(model.config, [], LENGTH).any()
    with torch.inference_mode():
        assert torch.equal(model(torch.tensor([ids]))[0], changed.logits)


@pytest.mark.parametrize("hook", PATCHABLE)
def test_patching_a_run_into_itself_changes_no_bit(model, ids, other, hook):
    everywhere = {"hook": hook, "layers": (0, 1, 2), "positions": (0, LENGTH)}
    own = read_changed(model, ids, [Patch(token_ids=tuple(ids), **everywhere)])
    assert torch.equal(own.logits, read(model, ids).logits)
    assert not torch.equal(read_changed(model, ids, [Patch(token_ids=other, **everywhere)]).logits, own.logits)


def test_patching_the_whole_stream_gives_the_other_run(model, ids, other):
    patch = Patch(hook="hook_resid_post", layers=(1,), positions=(0, LENGTH), token_ids=other)
    assert torch.equal(read_changed(model, ids, [patch]).logits, read(model, other).logits)


def test_a_knocked_out_head_is_the_model_without_its_columns_of_wo(model, ids):
    without = random_model(model.config, seed=11, std=0.4, dtype=torch.float64)
    with torch.no_grad():
        without.layers[1].attention.wo.weight[:, 4 * TINY.head_dim : 5 * TINY.head_dim] = 0
    changed = read_changed(model, ids, [KnockOut(part="head", layer=1, index=4)])
    torch.testing.assert_close(changed.logits, read(without, ids).logits, rtol=1e-10, atol=1e-10)


def test_a_group_is_the_heads_that_share_a_key(model, ids):
    heads = [KnockOut(part="head", layer=1, index=head) for head in (3, 4, 5)]
    group = read_changed(model, ids, [KnockOut(part="group", layer=1, index=1)])
    assert torch.equal(group.logits, read_changed(model, ids, heads).logits)


def test_a_knocked_out_mlp_is_the_model_with_w2_zero_and_its_mean_is_taken_over_the_text(model, ids):
    without = random_model(model.config, seed=11, std=0.4, dtype=torch.float64)
    with torch.no_grad():
        without.layers[0].feed_forward.w2.weight[:] = 0
    changed = read_changed(model, ids, [KnockOut(part="mlp", layer=0)])
    torch.testing.assert_close(changed.logits, read(without, ids).logits, rtol=1e-10, atol=1e-10)
    with recording(["layers.0.hook_mlp_out"]) as as_it_is, torch.inference_mode():
        model(torch.tensor([ids]))
    sink = intervene(model, [KnockOut(part="mlp", layer=0, to="mean")], ids)
    with recording(["layers.0.hook_resid_mid", "layers.0.hook_resid_post"]) as seen:
        from mistral_core.hooks import Sinks

        with watching(Sinks(sink, seen)), torch.inference_mode():
            model(torch.tensor([ids]))
    added = seen["layers.0.hook_resid_post"] - seen["layers.0.hook_resid_mid"]
    torch.testing.assert_close(added[0], as_it_is["layers.0.hook_mlp_out"][0].mean(0).expand(LENGTH, -1))


@pytest.mark.parametrize("distance", [0, 1, 3])
def test_attention_up_to_a_distance_is_the_model_with_a_smaller_window(model, ids, distance):
    windows = tuple(min(window or LENGTH, distance + 1) for window in model.config.windows)
    narrow = random_model(replace(model.config, sliding_window=windows), seed=11, std=0.4, dtype=torch.float64)
    changed = read_changed(model, ids, [Shorten(distance=distance)])
    torch.testing.assert_close(changed.logits, read(narrow, ids).logits, rtol=1e-10, atol=1e-10)


def patterns(model, ids, interventions):
    from mistral_core.hooks import Capture, Sinks

    names = [f"layers.{layer}.attention.hook_pattern" for layer in range(3)]
    capture = Capture(names)
    with watching(Sinks(intervene(model, interventions, ids), capture)), torch.inference_mode():
        model(torch.tensor([ids]))
    return [capture[name][0] for name in names]


@pytest.mark.parametrize("renormalise", [True, False])
def test_a_cut_edge_is_empty_and_the_rest_sums_to_1_or_stays(model, ids, renormalise):
    before = patterns(model, ids, [])[0]
    after = patterns(model, ids, [Edge(source=8, target=9, layers=(0,), renormalise=renormalise)])[0]
    assert (before[:, 9, 8] > 0).all()
    assert (after[:, 9, 8] == 0).all()
    expected = before[:, 9].clone()
    expected[:, 8] = 0
    if renormalise:
        expected /= expected.sum(-1, keepdim=True)
    torch.testing.assert_close(after[:, 9], expected)
    rest = [query for query in range(LENGTH) if query != 9]
    assert torch.equal(after[:, rest], before[:, rest])


def test_a_slot_that_is_zero_takes_the_weight_of_a_score_of_0_and_gives_nothing(tiny_model64, ids):
    """Against a ring whose slot is overwritten with zeros by hand before every step."""
    step, slot = 12, 2
    kv_cache, by_hand = tiny_model64.empty_kv_cache(), []
    for position, token in enumerate(ids):
        if position >= step and position % 5 != slot:  # a query's own key is at hand
            for ring in kv_cache.rings:
                ring.keys[:, :, slot] = 0
                ring.values[:, :, slot] = 0
        with torch.inference_mode():
            by_hand.append(tiny_model64(torch.tensor([[token]]), kv_cache=kv_cache)[0])
    changed = read_changed(tiny_model64, ids, [Slot(slot=slot, step=step, to="zero")])
    torch.testing.assert_close(changed.logits, torch.cat(by_hand), rtol=1e-9, atol=1e-9)


def test_a_vector_is_added_where_it_says_and_nowhere_else(model, ids):
    vector = tuple(range(TINY.dim))
    changed, original = read_changed(model, ids, [Add(row=3, positions=(2, 4), vector=vector)]), read(model, ids)
    moved = changed.states[3] - original.states[3]
    torch.testing.assert_close(moved[2:4], torch.tensor([vector] * 2, dtype=torch.float64))
    assert not moved[[0, 1, *range(4, LENGTH)]].any()


def test_several_are_made_in_order(model, ids):
    vector = (5.0,) * TINY.dim
    silent, added = KnockOut(part="mlp", layer=2, positions=(4, 5)), Add(row=3, positions=(4, 5), vector=vector)
    both = effect(model, ids, [silent, added])
    one = effect(model, ids, [silent])
    moved = both.changed.states[3] - one.changed.states[3]
    torch.testing.assert_close(moved[4], torch.full((TINY.dim,), 5.0, dtype=torch.float64))
    assert not (both.state[:, :4] != 0).any()
    cut_and_silent = [Shorten(distance=0), KnockOut(part="attention", layer=0)]
    alone = [read_changed(model, ids, [part]).logits for part in cut_and_silent]
    together = read_changed(model, ids, cut_and_silent).logits
    assert not torch.allclose(together, alone[0])
    assert not torch.allclose(together, alone[1])


def test_rows_of_a_batch_have_interventions_of_their_own(model, ids):
    rows = [[], [KnockOut(part="head", layer=0, index=1)], [Column(position=3)]]
    sink = RowSinks([intervene(model, row, ids) for row in rows])
    with watching(sink), torch.inference_mode():
        together = model(torch.tensor([ids] * 3))
    for row, logits in zip(rows, together, strict=True):
        torch.testing.assert_close(logits, read_changed(model, ids, row).logits, rtol=1e-10, atol=1e-10)


def test_the_effect_is_that_of_two_softmaxes(model, ids):
    one = KnockOut(part="mlp", layer=1, positions=(6, 7))
    measured = effect(model, ids, [one])
    before, after = (p.logits.softmax(-1) for p in (read(model, ids), read_changed(model, ids, [one])))
    for position in (5, 6, 10, LENGTH - 2):
        p, q = before[position], after[position]
        assert measured.kl[position] == pytest.approx(float((p * (p / q).log()).sum()), abs=1e-12)
        assert measured.before[position] == pytest.approx(float(p[ids[position + 1]].log()))
        assert measured.after[position] == pytest.approx(float(q[ids[position + 1]].log()))
    assert (measured.kl[:6] == 0).all()
    assert np.isnan([measured.before[-1], measured.after[-1]]).all()
    with pytest.raises(ValueError, match="of another text"):
        effect(model, ids[:-1], [one], original=measured.original)


def test_a_long_text_is_changed_in_chunks_as_in_one_pass(tiny_model64, draw_tokens, monkeypatch):
    long = draw_tokens(60, 5)
    changes = [Column(position=20), KnockOut(part="head", layer=1, index=0, to="mean")]
    dense = read_changed(tiny_model64, long, changes).logits
    monkeypatch.setattr("mistral_core.analysis.influence.CHUNK", 16)
    monkeypatch.setattr("mistral_core.analysis.intervening.CHUNK", 16)
    torch.testing.assert_close(read_changed(tiny_model64, long, changes).logits, dense, rtol=1e-9, atol=1e-9)


def test_what_is_written_on_is_what_greedy_dense_passes_write(tiny_model64, tokenizer, ids):
    changes = [KnockOut(part="group", layer=0, index=0), Slot(slot=3, step=10)]
    run = write_on(tiny_model64, tokenizer, ids, 6, changes)
    text = list(ids)
    for _ in range(6):
        text.append(int(read_changed(tiny_model64, text, changes).logits[-1].argmax()))
    assert run.token_ids[: run.n_read].tolist() == text
    as_it_is = write_on(tiny_model64, tokenizer, ids, 6)
    assert as_it_is.token_ids.tolist() != text


def test_what_is_missing_is_said(model, ids):
    with pytest.raises(ValueError, match="no text to take it over"):
        intervene(model, [KnockOut(part="mlp", layer=0, to="mean")])
    with pytest.raises(ValueError, match="layer 9 is not in this model"):
        intervene(model, [KnockOut(part="mlp", layer=9)])
    sink = intervene(model, [KnockOut(part="mlp", layer=0)])
    with pytest.raises(ValueError, match="positions of the pass"):
        sink.visit("layers.0.hook_mlp_out", torch.zeros(1, 1, 3), None, None)


def test_a_text_whose_activations_do_not_fit_is_refused(model, ids, monkeypatch):
    monkeypatch.setattr("mistral_core.analysis.intervening.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"23 tokens need 4,416 bytes"):
        intervene(model, [KnockOut(part="mlp", layer=0, to="mean")], ids)
