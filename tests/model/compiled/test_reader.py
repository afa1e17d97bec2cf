"""The compiled step against the plain network, and a text beside others against itself alone, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.intervening import intervene
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.save import save_mistral
from mistral_core.compiled import choice as choosing
from mistral_core.compiled.choice import choose_step
from mistral_core.compiled.reader import CompiledReader
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import NOTHING, RecordingPlan
from tests.model import reference
from tests.model.writing import write_together

SHAPE = MistralConfig(
    dim=24,
    n_layers=3,
    n_heads=6,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=42,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=100.0,
    sliding_window=5,
)
SHAPES = {
    "a window": SHAPE,
    "a window of 1": replace(SHAPE, sliding_window=1),
    "no window": replace(SHAPE, sliding_window=None),
    "windows by layer": replace(SHAPE, sliding_window=(3, None, 7)),
    "kept tokens": replace(SHAPE, sinks=2),
    "one key head": replace(SHAPE, n_kv_heads=1),
    "as many key heads": replace(SHAPE, n_kv_heads=6),
    "tied": replace(SHAPE, tied_embeddings=True),
    "wide heads": replace(SHAPE, head_dim=16, hidden_dim=17),
}
SAMPLING = SamplingSettings(temperature=1.0, top_p=0.95)
LENGTH = 30  # more than four windows


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    made = {}

    def load(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("model")
            model = random_model(SHAPES[name], seed=5, std=0.3)
            save_mistral(model, folder / "m", bundled_root() / "storyteller" / "tokenizer.model", dtype=torch.float32)
            made[name] = load_model(folder / "m")
        return made[name]

    return load


def run_of(loaded, seed=0, prompt=7, n=LENGTH - 7, plan=RecordingPlan(), **more):
    ids = np.random.default_rng(seed).integers(3, 4096, prompt).tolist()
    wanted = GenerationRequest(
        prompt_ids=(1, *ids[1:]), max_new_tokens=n, sampling=SAMPLING, seed=seed, chunk_size=4, **more
    )
    run = Run(loaded.model, loaded.tokenizer, wanted, plan=plan)
    for _ in run.prefill():
        pass
    return run


def write(reader, runs):
    """The next token of each that has not ended."""
    write_together(reader, [run for run in runs if not run.finish_reason])


def same_bits(one, other):
    a, b = one.trace(), other.trace()
    assert a.token_ids.tolist() == b.token_ids.tolist() and a.arrays.keys() == b.arrays.keys()
    for name, array in a.arrays.items():
        assert np.array_equal(array, b.arrays[name]), name
    assert np.array_equal(a.probability, b.probability, equal_nan=True) and a.finish_reason == b.finish_reason


@pytest.mark.parametrize("name", SHAPES)
def test_every_recorded_tensor_is_that_of_the_plain_network(load, name):
    loaded = load(name)
    plain = run_of(loaded).complete()
    said = tuple(enumerate(plain.token_ids.tolist()))[7 : plain.n_read]
    run = run_of(loaded, forced=said)  # a draw may fall between two tokens that differ in rounding
    while not run.finish_reason:
        write(CompiledReader(loaded.model), [run])
    a, b = plain.trace(), run.trace()
    assert a.token_ids.tolist() == b.token_ids.tolist() and len(a) > 20
    assert len(a.arrays) == 1 + 3 * 3 and a.arrays.keys() == b.arrays.keys()
    for key, array in a.arrays.items():
        np.testing.assert_allclose(b.arrays[key], array, rtol=0, atol=2e-5 * max(1.0, np.abs(array).max()), err_msg=key)
    for one, other in zip(plain.kv_cache.rings, run.kv_cache.rings, strict=True):
        assert torch.equal(one.positions, other.positions)
        torch.testing.assert_close(one.keys, other.keys, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.values, other.values, rtol=1e-4, atol=1e-5)
    assert torch.equal(plain.kv_cache.n_seen, run.kv_cache.n_seen)


def test_logits_are_those_of_float64_brute_force(load):
    loaded = load("windows by layer")
    run = run_of(loaded)
    while not run.finish_reason:
        write(CompiledReader(loaded.model), [run])
    ids = run.token_ids[: run.n_read].tolist()
    exact = reference.logits(reference.weights_of(loaded.model), loaded.config, ids)
    assert np.abs(run.trace().logits - exact).max() < 2e-5 * np.abs(exact).max()


@pytest.mark.parametrize("name", ["a window", "no window", "kept tokens", "tied"])
def test_a_text_is_the_same_bit_for_bit_among_others_that_come_and_go(load, name):
    loaded = load(name)
    reader, rng = CompiledReader(loaded.model), np.random.default_rng(3)
    alone = [run_of(loaded, seed, prompt=3 + seed % 9) for seed in range(12)]
    for run in alone:
        while not run.finish_reason:
            write(reader, [run])
    beside, sizes = [run_of(loaded, seed, prompt=3 + seed % 9) for seed in range(12)], set()
    while any(not run.finish_reason for run in beside):
        some = [run for run in beside if rng.random() < 0.6 and not run.finish_reason]
        rng.shuffle(some)
        sizes.add(len(some))
        if some:
            write(reader, some)
    for one, other in zip(alone, beside, strict=True):
        same_bits(one, other)
    assert len(sizes) > 5


def test_a_text_goes_on_by_either_way_and_a_branch_restores_it(load):
    loaded = load("a window")
    reader, run, mixed = CompiledReader(loaded.model), run_of(loaded), run_of(loaded)
    for step in range(LENGTH - 7):
        write(reader, [run])
        write(reader, [mixed]) if step % 3 else mixed.step()
    assert run.trace().token_ids.tolist() == mixed.trace().token_ids.tolist()
    branch = Run(loaded.model, loaded.tokenizer, run.request.branch(20, 777), plan=RecordingPlan(), parent=run.trace())
    again = run_of(loaded, forced=((20, 777),))
    assert branch.n_read == 20
    while not again.finish_reason:
        write(reader, [again])
        if again.n_read > 20:
            write(reader, [branch])
    same_bits(branch, again)


@pytest.mark.parametrize("plan", [NOTHING, RecordingPlan(layers=(1,)), RecordingPlan(budget_bytes=700_000)])
def test_what_is_not_recorded_changes_no_bit(load, plan):
    loaded = load("a window")
    reader, full, less = CompiledReader(loaded.model), run_of(loaded), run_of(loaded, plan=plan)
    while not full.finish_reason:
        write(reader, [full, less])
    assert full.token_ids.tolist() == less.token_ids.tolist()
    for name, array in less.trace().arrays.items():
        assert np.array_equal(array, full.trace().arrays[name])


def test_what_it_cannot_read_is_left_to_the_plain_network(load):
    loaded = load("a window")
    reader = CompiledReader(loaded.model)
    assert reader.suits(run_of(loaded)) and reader.suits(run_of(loaded, plan=NOTHING))
    assert not reader.suits(run_of(loaded, plan=RecordingPlan(hooks=("hook_logits", "hook_resid_post"))))
    changed = Run(
        loaded.model, loaded.tokenizer, run_of(loaded).request, plan=RecordingPlan(), sink=intervene(loaded.model, [])
    )
    assert not reader.suits(changed)
    for other in (random_model(SHAPE), load_model(loaded.folder, weights="bfloat16").model):
        with pytest.raises(ValueError, match="left to the plain network"):
            CompiledReader(other)
    hooked = load_model(loaded.folder).model
    hooked.layers[1].register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="hooks on its modules"):
        CompiledReader(hooked)


def test_the_choice_is_by_trial(load, monkeypatch):
    model = load("a window").model
    said = choose_step(model)
    assert "compiled code" in said.said
    assert choose_step(random_model(SHAPE)).reader is None
    monkeypatch.setattr(choosing, "_timed", lambda read: (1.0, np.full((1, 2), read(3)[0])))
    slower = choose_step(model)
    assert slower.reader is None and "1.0 times as long" in slower.said
    assert choose_step(model, alike=True).reader is not None, "processes that share texts go by no time"
    monkeypatch.setattr(
        choosing, "_timed", lambda read, made=[]: (made.append(1) or 1.0 / len(made), np.full(2, len(made)))
    )
    wrong = choose_step(model)
    assert wrong.reader is None and "off by" in wrong.said
