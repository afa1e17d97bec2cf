"""Branches and continuations: a run started from its parent's Trace equals the run from scratch, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mistral_core.generation import ModelCard, Run, restore_rings, shared_length
from mistral_core.kv_cache import KVCache
from mistral_core.model import random_model
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import RecordingPlan
from tests.conftest import TINY, TINY_STD
from tests.model.writing import FULL, PROMPT, asked, same_trace, spelled, written


@pytest.fixture(scope="module", params=["float32", "float64", "bfloat16"])
def any_model(request):
    return random_model(TINY, seed=11, std=TINY_STD, dtype=getattr(torch, request.param))


@pytest.mark.parametrize("position", [7, 8, 13, 18])
def test_a_branch_equals_the_forced_run_from_scratch(any_model, tokenizer, position):
    parent = written(any_model, tokenizer, asked(), plan=FULL).trace()
    request = asked().branch(position, 60)
    branch = Run(any_model, tokenizer, request, plan=FULL, parent=parent)
    assert branch.n_read == position
    step = branch.step()
    assert (step.position, step.token_id, step.forced) == (position, 60, True)
    same_trace(branch.complete().trace(), written(any_model, tokenizer, request, plan=FULL).trace())
    assert branch.timings.prefill_tokens == 0


def test_a_branch_of_a_branch(tiny_model, tokenizer, tmp_path):
    """Also when the parent comes from a file, and when the second fork is before the first."""
    parent = written(tiny_model, tokenizer, asked(), plan=FULL).trace()
    first = asked().branch(12, 60)
    middle = written(tiny_model, tokenizer, first, plan=FULL, parent=parent).trace()
    middle.save(tmp_path / "a")
    middle = type(middle).load(tmp_path / "a")
    for position, forced in ((15, ((12, 60), (15, 61))), (12, ((12, 61),)), (9, ((9, 61),))):
        second = first.branch(position, 61)
        assert second.forced == forced
        run = Run(tiny_model, tokenizer, second, plan=FULL, parent=middle)
        assert run.n_read == position
        same_trace(run.complete().trace(), written(tiny_model, tokenizer, second, plan=FULL).trace())


@pytest.mark.parametrize(("first", "second"), [(2, 12), (12, 2), (3, 3), (12, 0)])
@pytest.mark.parametrize("window", [1, 5, 100, None])
def test_a_longer_or_shorter_wish_continues_the_parent(tokenizer, first, second, window):
    """As if asked for from the start; the attention columns of a longer text are filled as from scratch."""
    model = random_model(TINY.with_window(window), seed=11, std=TINY_STD)
    parent = written(model, tokenizer, asked(first), plan=FULL).trace()
    run = Run(model, tokenizer, asked(second), plan=FULL, parent=parent).complete()
    scratch = written(model, tokenizer, asked(second), plan=FULL)
    assert run.finish_reason == scratch.finish_reason == "length"
    got, expected = run.trace(), scratch.trace()
    if window in (1, 5):  # a ring that follows the wish in size adds up in another order
        same_trace(got, expected)
    assert got.token_ids.tolist() == expected.token_ids.tolist()
    for name in expected.arrays:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "ending", [{"forced": ((9, 2),)}, {"stop": ("abc",), "forced": spelled("abc")}], ids=["eos", "stop"]
)
def test_a_parent_that_ended_is_not_written_on(tiny_model, tokenizer, ending):
    parent = written(tiny_model, tokenizer, asked(6, **ending), plan=FULL).trace()
    assert len(parent) == 10
    run = Run(tiny_model, tokenizer, asked(9, **ending), plan=FULL, parent=parent).complete()
    same_trace(run.trace(), written(tiny_model, tokenizer, asked(9, **ending), plan=FULL).trace())
    assert run.n_read == 10


def test_a_cancelled_parent_is_written_on(tiny_model, tokenizer):
    half = Run(tiny_model, tokenizer, asked(), plan=FULL)
    list(half.prefill())
    for _ in range(5):
        half.step()
    half.cancel()
    run = Run(tiny_model, tokenizer, asked(), plan=FULL, parent=half.trace())
    assert run.n_read == 12
    same_trace(run.complete().trace(), written(tiny_model, tokenizer, asked(), plan=FULL).trace())


OTHERS = {
    "seed": {"seed": 6},
    "temperature": {"sampling": SamplingSettings(temperature=0.5)},
    "chunk": {"chunk_size": 3},
    "stop": {"stop": ("x",)},
    "top_k": {"sampling": SamplingSettings(top_k=2)},
    "prompt": {"prompt_ids": (*PROMPT[:-1], 78)},
    "shorter prompt": {"prompt_ids": PROMPT[:5]},
}


@pytest.mark.parametrize("other", OTHERS)
def test_nothing_is_shared_with_another_request(tiny_model, tokenizer, other):
    parent = written(tiny_model, tokenizer, asked(), plan=FULL).trace()
    request = asked(**OTHERS[other])
    assert shared_length(parent, request) == 0
    run = Run(tiny_model, tokenizer, request, plan=FULL, parent=parent).complete()
    same_trace(run.trace(), written(tiny_model, tokenizer, request, plan=FULL).trace())


def test_a_prompt_made_of_what_was_written_is_another_request(tiny_model, tokenizer):
    """The parent's own first tokens as the new prompt: they were drawn there and are given here."""
    parent = written(tiny_model, tokenizer, asked(), plan=FULL).trace()
    request = asked(prompt_ids=tuple(parent.token_ids[:10].tolist()), chunk_size=256)
    run = Run(tiny_model, tokenizer, request, plan=FULL, parent=parent).complete()
    same_trace(run.trace(), written(tiny_model, tokenizer, request, plan=FULL).trace())
    assert run.trace().n_prompt == 10


def test_shared_length_ends_at_the_first_difference(tiny_model, tokenizer):
    parent = written(tiny_model, tokenizer, asked(forced=((9, 60), (12, 61))), plan=FULL).trace()
    for forced, length in [
        (((9, 60), (12, 61)), 19),
        (((9, 60), (12, 62)), 12),
        (((9, 60),), 12),
        (((12, 61),), 9),
        (((9, 60), (12, 61), (15, 3)), 15),
        ((), 9),
    ]:
        assert shared_length(parent, asked(forced=forced)) == length
    assert shared_length(parent.truncated(10), asked(forced=((9, 60), (12, 62)))) == 10
    assert shared_length(parent.truncated(6), asked(forced=((9, 60), (12, 62)))) == 0


@pytest.mark.parametrize(
    "hooks",
    [("hook_logits",), ("hook_logits", "attention.hook_rot_k"), ("attention.hook_rot_k", "attention.hook_v"), ()],
)
def test_a_parent_without_keys_values_or_logits_is_read_again(tiny_model, tokenizer, hooks):
    plan = RecordingPlan(hooks=hooks)
    parent = written(tiny_model, tokenizer, asked(), plan=plan).trace()
    request = asked().branch(10, 60)
    run = Run(tiny_model, tokenizer, request, plan=plan, parent=parent)
    assert run.n_read == 0
    same_trace(run.complete().trace(), written(tiny_model, tokenizer, request, plan=plan).trace())


def test_a_parent_with_fewer_hooks_than_the_plan_is_read_again(tiny_model, tokenizer):
    parent = written(tiny_model, tokenizer, asked(), plan=RecordingPlan()).trace()
    request = asked().branch(10, 60)
    same_trace(
        written(tiny_model, tokenizer, request, plan=FULL, parent=parent).trace(),
        written(tiny_model, tokenizer, request, plan=FULL).trace(),
    )


def test_a_parent_of_another_model_is_refused(tiny_model, tokenizer):
    parent = written(tiny_model, tokenizer, asked(), plan=FULL, card=ModelCard("a", "1")).trace()
    other = random_model(TINY.with_window(4), seed=11, std=TINY_STD)
    for model, card in ((tiny_model, ModelCard("a", "2")), (other, ModelCard("a", "1"))):
        with pytest.raises(ValueError, match="made by another model"):
            Run(model, tokenizer, asked(), plan=FULL, card=card, parent=parent)
    assert Run(tiny_model, tokenizer, asked(), plan=FULL, card=ModelCard("b", "1"), parent=parent).n_read == 19


@pytest.mark.parametrize("window", [1, 5, (2, None, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_restored_rings_hold_the_same_bits(tokenizer, window, dtype):
    model = random_model(TINY.with_window(window), seed=11, std=TINY_STD, dtype=dtype)
    trace = written(model, tokenizer, asked(), plan=RecordingPlan()).trace()
    live = Run(model, tokenizer, asked())
    list(live.prefill())
    for length in range(7, 20):
        rebuilt = KVCache(model.config, batch=2, max_context=19, dtype=dtype)
        restore_rings(rebuilt, trace, length, row=1)
        for ring, expected in zip(rebuilt.rings, live.kv_cache.rings, strict=True):
            assert torch.equal(ring.positions[1], expected.positions[0])
            assert torch.equal(ring.keys[1], expected.keys[0])
            assert torch.equal(ring.values[1], expected.values[0])
            assert (ring.positions[0] == -1).all()
            assert (ring.keys[0] == 0).all()
        assert rebuilt.n_seen.tolist() == [0, length]
        if not live.finish_reason:
            live.step()
