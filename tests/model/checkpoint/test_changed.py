"""A network with interventions in it: the same as a call under them, whatever it is used for."""

import numpy as np
import pytest
import torch

from mistral_core.analysis.influence import backward_influence, forward_influence, read
from mistral_core.analysis.intervening import intervene, read_changed
from mistral_core.analysis.interventions import Add, Column, Edge, KnockOut, Patch, Shorten, Slot
from mistral_core.checkpoint.changed import changes_of, kind_of
from mistral_core.checkpoint.fast import FastTransformer
from mistral_core.checkpoint.variants import first_layers, in_dtype, with_changes, with_windows
from mistral_core.generation import Run
from mistral_core.model import Transformer, random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan
from tests.conftest import TINY, TINY_STD, ByteTokenizer

TEXT = tuple((np.arange(2 * TINY.sliding_window + 9) * 37 % 250 + 3).tolist())
CHANGES = (
    (KnockOut(part="head", layer=1, index=4), KnockOut(part="mlp", layer=0)),
    (Shorten(distance=2),),
    (Column(position=3), Edge(source=6, target=9, layers=(1,))),
    (Slot(slot=2, step=8),),
    (Patch(hook="hook_resid_post", layers=(0,), positions=(4, 6), token_ids=TEXT[::-1]),),
    (Add(row=1, positions=(5, 9), vector=tuple(range(TINY.dim))),),
)


@pytest.fixture(scope="module")
def model():
    return random_model(TINY, seed=3, std=TINY_STD)


def logits(model, ids=TEXT):
    with torch.inference_mode():
        return model(torch.tensor([ids]))[0]


@pytest.mark.parametrize("changes", CHANGES)
def test_it_computes_what_a_call_under_the_interventions_does_and_leaves_the_model_alone(model, changes):
    before = logits(model)
    changed = with_changes(model, changes)
    assert torch.equal(logits(changed), read_changed(model, TEXT, changes).logits)
    assert not torch.equal(logits(changed), before) and torch.equal(logits(model), before)
    assert changed.layers[0].attention.wq.weight.data_ptr() == model.layers[0].attention.wq.weight.data_ptr()
    assert changes_of(changed) == changes and changes_of(model) == ()


@pytest.mark.parametrize("changes", CHANGES)
def test_a_text_is_written_and_recorded_under_them(model, changes):
    """The rings, too: keys and values that are stored are those of the changed network."""
    request = GenerationRequest(prompt_ids=TEXT, max_new_tokens=12)
    runs = [
        Run(with_changes(model, changes), ByteTokenizer(), request, plan=RecordingPlan()),
        Run(model, ByteTokenizer(), request, plan=RecordingPlan(), sink=intervene(model, changes)),
    ]
    for run in runs:
        for _ in run.prefill():
            pass
        while not run.finish_reason:
            run.step()
    mine, theirs = (run.trace() for run in runs)
    assert np.array_equal(mine.token_ids, theirs.token_ids)
    assert set(mine.arrays) == set(theirs.arrays)
    for name, array in mine.arrays.items():
        assert np.array_equal(array, theirs.arrays[name], equal_nan=True), name


def test_what_is_measured_of_it_is_measured_under_them(model):
    exact = in_dtype(model, torch.float64)
    changed = with_changes(exact, [Shorten(distance=1)])
    narrow = with_windows(exact, 2)  # W counts the token itself, so the nearest one and it are left
    mine, theirs = (forward_influence(one, TEXT, 2, 90) for one in (changed, narrow))
    assert np.allclose(mine.change, theirs.change, atol=1e-12) and np.allclose(mine.kl, theirs.kl, atol=1e-12)
    assert mine.change[:, 2 + TINY.n_layers + 1 :].max() == 0 < forward_influence(exact, TEXT, 2, 90).change[-1, 7]
    mine, theirs = (backward_influence(one, TEXT, 14, 90) for one in (changed, narrow))
    assert np.allclose(mine.influence, theirs.influence, atol=1e-9)
    inner = read_changed(changed, TEXT, [KnockOut(part="mlp", layer=1)])
    assert torch.equal(
        inner.logits, read_changed(exact, TEXT, [Shorten(distance=1), KnockOut(part="mlp", layer=1)]).logits
    )


@pytest.mark.parametrize("kind", [Transformer, FastTransformer])
def test_variants_of_it_keep_what_is_changed(kind):
    plain = kind(TINY).eval().requires_grad_(False)
    for weight in plain.parameters():
        weight.normal_(0.0, TINY_STD, generator=torch.Generator().manual_seed(5))
    changed = with_changes(plain, [KnockOut(part="head", layer=0, index=2)])
    assert isinstance(changed, kind) and kind_of(changed) is kind
    for make in (lambda m: with_windows(m, 3), lambda m: first_layers(m, 1), lambda m: in_dtype(m, torch.float64)):
        expected = read_changed(make(plain), TEXT, changes_of(changed)).logits
        assert torch.equal(logits(make(changed)), expected)
    twice = with_changes(changed, [Shorten(distance=0)])
    assert torch.equal(logits(twice), read_changed(plain, TEXT, [*changes_of(changed), Shorten(distance=0)]).logits)
    assert with_changes(plain, []) is not plain and torch.equal(logits(with_changes(plain, [])), logits(plain))


def test_two_passes_at_once_do_not_mix_their_positions(model):
    """A sink knows the positions of its pass, so each call needs one of its own."""
    from concurrent.futures import ThreadPoolExecutor

    changed = with_changes(model, [Column(position=3)])
    texts = [TEXT[:length] for length in (5, 9, 14, 19)]
    expected = [logits(changed, text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for text, want in zip(texts * 20, pool.map(lambda text: logits(changed, text), texts * 20), strict=True):
            assert torch.equal(want, expected[texts.index(text)])


def test_what_it_cannot_have_is_refused(model):
    with pytest.raises(ValueError, match="layer 3 is not in this model"):
        with_changes(model, [KnockOut(part="mlp", layer=3)])
    with pytest.raises(ValueError, match="no text to take it over"):
        with_changes(model, [KnockOut(part="mlp", layer=0, to="mean")])
    assert torch.equal(read(model, TEXT).logits, logits(model))
