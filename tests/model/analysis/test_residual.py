"""The stream, the lens and the attribution against loops in float64 and against Hugging Face's Mistral."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis import logit_lens as lens_module
from mistral_core.analysis.attribution import attribute, promoted
from mistral_core.analysis.logit_lens import follow, lens_logits, logit_lens
from mistral_core.analysis.patched_cell import patch_cell
from mistral_core.analysis.stream import read_stream
from mistral_core.hooks import recording
from mistral_core.model import random_model
from tests.conftest import TINY
from tests.model.test_parity import theirs

LENGTH = 23
"""More than four windows of 5."""
KINDS = {
    "window": {},
    "per layer": {"sliding_window": (4, None, 2)},
    "sinks": {"sinks": 2},
    "tied": {"tied_embeddings": True},
}


@pytest.fixture(params=KINDS, scope="module")
def model(request):
    return random_model(replace(TINY, **KINDS[request.param]), seed=11, std=0.4, dtype=torch.float64)


def brute_logits(model, state):
    """Norm and output of one state, number by number."""
    scale = math.sqrt(float((state * state).sum()) / len(state) + model.config.norm_eps)
    output = model.tok_embeddings if model.output is None else model.output
    return (output.weight * (state / scale * model.norm.weight)).sum(1)


def test_the_stream_is_what_hooks_say_and_a_sum(model, draw_tokens):
    ids = draw_tokens(LENGTH, 3)
    stream = read_stream(model, ids, first=4, stop=20)
    names = ["layers.1.hook_resid_pre", "layers.1.attention.hook_z", "norm.hook_scale", "hook_logits"]
    with recording(names) as seen:
        model(torch.tensor([ids[:20]]))
    pre, z, scale, logits = (seen[name][0, 4:] for name in names)
    assert len(stream) == 16 and stream.first == 4
    for mine, expected in ((stream.states[1], pre), (stream.z[1], z), (stream.scale, scale), (stream.logits, logits)):
        assert torch.equal(mine, expected)
    for layer in range(3):
        assert torch.equal(stream.middle(layer) + stream.mlp[layer], stream.states[layer + 1])


def test_a_long_text_goes_through_the_rings(model, draw_tokens, monkeypatch):
    ids = draw_tokens(LENGTH, 3)
    whole = read_stream(model, ids)
    monkeypatch.setattr("mistral_core.analysis.stream.CHUNK", 7)  # more than W
    chunked = read_stream(model, ids)
    for name in ("states", "attention", "mlp", "z", "scale", "logits"):
        assert torch.allclose(getattr(whole, name), getattr(chunked, name), atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_lens_at_the_last_row_is_the_model_bit_for_bit(dtype, draw_tokens):
    model = random_model(TINY, seed=11, std=0.4, dtype=dtype)
    ids = draw_tokens(LENGTH, 3)
    assert torch.equal(lens_logits(model, read_stream(model, ids).states[-1:]), model(torch.tensor([ids])))


@pytest.mark.parametrize("at_once", [1, 5, 100])
def test_every_cell_is_what_brute_force_says(model, draw_tokens, monkeypatch, at_once):
    monkeypatch.setattr(lens_module, "LOGIT_BYTES", at_once * 8 * 4 * 300)
    ids = draw_tokens(LENGTH, 3)
    stream = read_stream(model, ids)
    lens = logit_lens(model, stream, n_tokens=7)
    for position in (0, 6, LENGTH - 1):
        rows = [brute_logits(model, state[position]) for state in stream.states]
        logs = [row - row.exp().sum().log() for row in rows]
        final = int(rows[-1].argmax())
        tokens = lens.tokens[position].tolist()
        assert tokens[0] == final and len(set(tokens)) == 7
        assert {int(row.argmax()) for row in rows} <= set(tokens)
        if position + 1 < LENGTH:
            assert ids[position + 1] in tokens[:2]
        for row, log in enumerate(logs):
            assert lens.top[row, position] == int(log.argmax())
            assert lens.probability[row, position] == pytest.approx(float(log.exp().max()), abs=1e-12)
            assert lens.entropy[row, position] == pytest.approx(float(-(log.exp() * log).sum()) / math.log(2))
            kl = float((logs[-1].exp() * (logs[-1] - log)).sum())
            assert lens.kl[row, position] == pytest.approx(kl, abs=1e-9)
            for i, token in enumerate(tokens):
                assert lens.log_prob[row, position, i] == pytest.approx(float(log[token]))
                assert lens.rank[row, position, i] == sum(other > log[token] for other in log)
    assert (lens.kl[-1] == 0).all() and (lens.kl[:-1] > 0.01).any()
    assert (lens.rank[-1, :, 0] == 0).all() and (lens.rank[:-1, :, 0] > 0).any()


def test_followed_tokens_are_those_of_the_lens(model, draw_tokens):
    stream = read_stream(model, draw_tokens(LENGTH, 3), first=5)
    lens = logit_lens(model, stream, n_tokens=4)
    for position in (0, 9):
        one = follow(model, stream, lens.tokens[position].tolist())
        assert np.allclose(one.log_prob[:, position], lens.log_prob[:, position])
        assert np.array_equal(one.rank[:, position], lens.rank[:, position])


def test_contributions_sum_to_the_logits(model, draw_tokens):
    ids = draw_tokens(LENGTH, 3)
    stream = read_stream(model, ids)
    every = np.tile(np.arange(300), (LENGTH, 1))
    measured = attribute(model, stream, every)
    logits = model(torch.tensor([ids]))[0].numpy()
    assert measured.parts.shape == (LENGTH, 300, 7) and measured.heads.shape == (LENGTH, 300, 3, 6)
    assert np.allclose(measured.parts.sum(-1), logits, rtol=1e-10, atol=1e-10)
    assert measured.error < 1e-12 and measured.heads_error < 1e-12
    assert np.abs(measured.parts).max() > 1


def test_each_part_is_what_it_is_alone(model, draw_tokens):
    """Number by number, and for a head by its own slice of `wo`."""
    stream = read_stream(model, draw_tokens(LENGTH, 3))
    output = model.tok_embeddings if model.output is None else model.output
    measured = attribute(model, stream, np.full((LENGTH, 1), 17))
    position = 11
    way = output.weight[17] * model.norm.weight / stream.scale[position]
    expected = [
        stream.states[0][position],
        *(part[position] for pair in zip(stream.attention, stream.mlp, strict=True) for part in pair),
    ]
    assert np.allclose(measured.parts[position, 0], [float((part * way).sum()) for part in expected])
    wo = model.layers[2].attention.wo.weight
    for head in range(6):
        made = wo[:, head * 6 : head * 6 + 6] @ stream.z[2, position, head]
        assert measured.heads[position, 0, 2, head] == pytest.approx(float((made * way).sum()))


def test_float32_sums_within_the_bound(tiny_model, draw_tokens):
    stream = read_stream(tiny_model, draw_tokens(LENGTH, 3))
    measured = attribute(tiny_model, stream, np.tile(np.arange(300), (LENGTH, 1)))
    assert 0 < measured.error < 1e-4 and measured.heads_error < 1e-4
    other = stream.attention.clone()
    other[1] *= 1.01  # a part that is not the one that was added is noticed
    assert attribute(tiny_model, replace(stream, attention=other), np.tile(np.arange(300), (LENGTH, 1))).error > 1e-4


def test_promoted_words_are_the_extremes_of_what_a_part_adds(model, draw_tokens):
    stream = read_stream(model, draw_tokens(LENGTH, 3), first=3)
    words = promoted(model, stream, 8, 11, each=4)
    assert words.tokens.shape == (3, 6, 8)
    every = attribute(model, stream, np.tile(np.arange(300), (20, 1))).parts
    for position in (8, 10):
        for part in range(6):
            added = every[position - 3, :, part + 1]
            layer, rows = part // 2, stream.states
            middle = stream.middle(layer)
            low, high = (rows[layer], middle) if part % 2 == 0 else (middle, rows[layer + 1])
            before, after = (brute_logits(model, x[position - 3]) for x in (low, high))
            order = np.argsort(-added)
            mine = words.tokens[position - 8, part]
            assert mine.tolist() == [*order[:4], *order[::-1][:4]]
            assert np.allclose(words.added[position - 8, part], added[mine])
            ranks = zip(mine, words.before[position - 8, part], words.after[position - 8, part], strict=True)
            for token, was, now in ranks:
                assert (was, now) == (int((before > before[token]).sum()), int((after > after[token]).sum()))


@pytest.mark.parametrize("tied", [False, True])
def test_it_is_the_lens_of_transformers(tied, draw_tokens):
    """Its own hidden states, norm and head, on the same weights."""
    model = random_model(replace(TINY, tied_embeddings=tied), seed=11, std=0.4, dtype=torch.float64)
    other, ids = theirs(model), draw_tokens(LENGTH, 3)
    with torch.inference_mode():
        states = other(torch.tensor([ids]), output_hidden_states=True).hidden_states
        expected = [other.lm_head(other.model.norm(state[0])).log_softmax(-1) for state in states[:-1]]
    lens = logit_lens(model, read_stream(model, ids), n_tokens=5)
    for row, logs in enumerate(expected):
        assert np.array_equal(lens.top[row], logs.argmax(-1).numpy())
        assert np.allclose(lens.log_prob[row], logs.gather(1, torch.tensor(lens.tokens)).numpy(), atol=1e-5)


@pytest.mark.parametrize("row", [0, 2, 3])
@pytest.mark.parametrize("position", [1, 9])
def test_a_patched_cell_changes_its_cone_and_nothing_else(draw_tokens, model, row, position):
    ids, other = draw_tokens(LENGTH, 3), draw_tokens(LENGTH - 4, 8)
    measured = patch_cell(model, ids, other, row, position)
    assert measured.outside == 0
    assert (measured.change[~measured.cone] == 0).all()
    assert measured.change[row, position] > 0 and not measured.cone[:row].any()
    c = model.config
    expected = np.zeros((4, LENGTH), bool)  # edge by edge, from the windows alone
    expected[row, position] = True
    for above in range(row + 1, 4):
        for query in range(LENGTH):
            keys = [
                key
                for key in range(query + 1)
                if c.windows[above - 1] is None or query - key < c.windows[above - 1] or key < c.sinks
            ]
            expected[above, query] = any(expected[above - 1, key] for key in keys)
    assert np.array_equal(measured.cone, expected)
    last = brute_logits(model, measured.changed.states[-1][position])
    assert measured.top[-1, position] == int(last.argmax())
    assert np.array_equal(measured.kl > 0, measured.change[-1] > 0)


def test_a_cell_of_the_same_text_changes_nothing(tiny_model, draw_tokens):
    ids = draw_tokens(LENGTH, 3)
    assert (patch_cell(tiny_model, ids, ids, 1, 4).change == 0).all()


def test_the_last_row_brings_the_prediction_of_the_other_text(model, draw_tokens):
    ids, other = draw_tokens(LENGTH, 3), draw_tokens(LENGTH, 8)
    measured = patch_cell(model, ids, other, 3, 9)
    lent = model(torch.tensor([other]))[0, 9]
    assert torch.allclose(measured.changed.logits[9], lent)
    assert torch.equal(measured.changed.logits[10:], measured.original.logits[10:])


def test_what_cannot_be_is_refused(tiny_model, draw_tokens):
    ids = draw_tokens(6)
    with pytest.raises(ValueError, match="stop is 9; it must be 3 to 6"):
        read_stream(tiny_model, ids, first=2, stop=9)
    stream = read_stream(tiny_model, ids)
    with pytest.raises(ValueError, match="n_tokens is 0; the vocabulary has 1 to 300"):
        logit_lens(tiny_model, stream, n_tokens=0)
    with pytest.raises(ValueError, match="token 300 is outside the vocabulary; ids are 0 to 299"):
        follow(tiny_model, stream, [3, 300])
    with pytest.raises(ValueError, match="give a row for each of the 6 positions"):
        attribute(tiny_model, stream, [[1]])
    with pytest.raises(ValueError, match="positions 5 to 6 are not in the stream; it holds 0 to 5"):
        promoted(tiny_model, stream, 5, 7)
    with pytest.raises(ValueError, match="each is 151; it must be 1 to 150"):
        promoted(tiny_model, stream, 1, 2, each=151)
    with pytest.raises(ValueError, match="row 4 is not in the grid"):
        patch_cell(tiny_model, ids, ids, 4, 0)
    with pytest.raises(ValueError, match="position"):
        patch_cell(tiny_model, ids, ids[:3], 1, 4)
