"""Watching belongs to one call: threads, interleaved generators and batch rows do not meet."""

from __future__ import annotations

import threading

import pytest
import torch

from mistral_core.generation import Run
from mistral_core.hooks import Capture, HookPoint, Replacing, RowSinks, Sinks, recording, replacing, watching
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan, hook_shapes
from tests.conftest import TINY

MID = "layers.1.hook_resid_mid"


def alone(model, tokens, names):
    with recording(names) as seen:
        logits = model(torch.tensor([tokens]))
    return logits, seen


def test_two_threads_on_one_model(tiny_model, draw_tokens):
    """Each thread watches other tensors of another text; both are in the middle of a pass at the same time."""
    texts = (draw_tokens(7, 1), draw_tokens(7, 2))
    names = (("hook_embed", MID), ("hook_embed", "hook_logits"))
    expected = [alone(tiny_model, text, plan)[1] for text, plan in zip(texts, names, strict=True)]
    meet = threading.Barrier(2, timeout=20)
    faults: list[str] = []

    class Meeting(Capture):
        """Waits inside the forward pass until the other thread is inside its own."""

        def visit(self, name, value, query_positions, key_positions):
            if name == "hook_embed":
                meet.wait()
            return super().visit(name, value, query_positions, key_positions)

    def work(which: int) -> None:
        try:
            for _ in range(15):
                sink = Meeting(names[which])
                with watching(sink):
                    tiny_model(torch.tensor([texts[which]]))
                if set(sink.values) != set(names[which]):
                    faults.append(f"thread {which} has {sorted(sink.values)}")
                for name in names[which]:
                    if len(sink.values[name]) != 1 or not torch.equal(sink[name], expected[which][name]):
                        faults.append(f"thread {which}: {name} is not its own")
        except Exception as error:
            faults.append(repr(error))
            meet.abort()

    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_thread_started_inside_a_watched_block_is_not_watched(tiny_model, draw_tokens):
    with recording(["hook_logits"]) as seen:
        thread = threading.Thread(target=lambda: tiny_model(torch.tensor([draw_tokens(3)])))
        thread.start()
        thread.join()
    assert seen.values == {}


def test_two_interleaved_runs_record_only_their_own(tiny_model, tokenizer, draw_tokens):
    requests = [
        GenerationRequest(prompt_ids=tuple(draw_tokens(5, seed)), max_new_tokens=9, seed=seed, chunk_size=2)
        for seed in (1, 2)
    ]
    plans = [RecordingPlan(), RecordingPlan(hooks=("hook_resid_mid",), layers=(1,))]

    def made(request, plan):
        return Run(tiny_model, tokenizer, request, plan=plan)

    def finish(run):
        for _ in run.prefill():
            yield
        while not run.finish_reason:
            run.step()
            yield

    expected = []
    for request, plan in zip(requests, plans, strict=True):
        run = made(request, plan)
        list(finish(run))
        expected.append(run.trace())
    runs = [made(request, plan) for request, plan in zip(requests, plans, strict=True)]
    turns = [finish(run) for run in runs]
    while turns:  # one turn each, and an unrelated watched pass between them
        turns = [turn for turn in turns if next(turn, "end") is None]
        with recording(["hook_logits"]) as between:
            tiny_model(torch.tensor([[3]]))
        assert len(between.values["hook_logits"]) == 1
    for run, whole in zip(runs, expected, strict=True):
        got = run.trace()
        assert got.token_ids.tolist() == whole.token_ids.tolist()
        assert set(got.arrays) == set(whole.arrays)
        assert all((got[name] == whole[name]).all() for name in whole.arrays)


def test_a_suspended_run_leaves_no_sink_behind(tiny_model, tokenizer):
    run = Run(
        tiny_model,
        tokenizer,
        GenerationRequest(prompt_ids=(1, 7, 9), max_new_tokens=2, chunk_size=1),
        plan=RecordingPlan(),
    )
    reading = run.prefill()
    next(reading)
    probe = HookPoint()
    probe.name = "hook_logits"
    assert not probe.wanted()
    assert torch.is_inference_mode_enabled() is False


def test_rows_with_different_plans(tiny_model, draw_tokens):
    """Row 0 watches, row 1 replaces, row 2 does neither: each row equals the row alone."""
    texts = [draw_tokens(8, seed) for seed in range(3)]
    watcher = Capture(["hook_logits", MID, "layers.0.attention.hook_pattern"])
    changer = Sinks(Replacing({MID: torch.zeros_like}), Capture([MID, "hook_embed"]))
    plain = tiny_model(torch.tensor(texts))
    with watching(RowSinks([watcher, changer, None])):
        logits = tiny_model(torch.tensor(texts))
    assert torch.equal(logits[0], plain[0])
    assert torch.equal(logits[2], plain[2])
    assert not torch.equal(logits[1], plain[1])
    with replacing({MID: torch.zeros_like}):
        assert torch.equal(tiny_model(torch.tensor(texts))[1], logits[1])
    capture = changer.sinks[1]
    assert set(watcher.values) == {"hook_logits", MID, "layers.0.attention.hook_pattern"}
    assert set(capture.values) == {MID, "hook_embed"}
    assert torch.equal(watcher["hook_logits"], plain[:1])
    assert torch.equal(capture["hook_embed"], tiny_model.tok_embeddings.weight[texts[1]][None])
    assert (capture[MID] == 0).all()
    assert (watcher[MID] != 0).any()
    assert watcher["layers.0.attention.hook_pattern"].shape == (1, TINY.n_heads, 8, 8)


def test_a_row_that_asks_for_the_result_does_not_disturb_the_others(tiny_model, draw_tokens):
    texts = torch.tensor([draw_tokens(8, seed) for seed in range(2)])
    plain = tiny_model(texts)
    capture = Capture(["layers.0.attention.hook_result"])
    with watching(RowSinks([capture, None])):
        watched = tiny_model(texts)
    assert torch.equal(watched, plain)
    assert capture["layers.0.attention.hook_result"].shape == (1, 8, TINY.n_heads, TINY.dim)


def test_each_row_gets_its_own_positions(tiny_model):
    places = []

    class Where(Capture):
        def visit(self, name, value, query_positions, key_positions):
            places.append((query_positions.tolist(), key_positions.tolist()))
            return value

    name = "layers.0.attention.hook_pattern"
    with watching(RowSinks([Where([name]), Where([name])])):
        tiny_model(torch.tensor([[3, 4, 5], [6, 7, 8]]), positions=torch.tensor([[0, 1, 2], [0, 1, -1]]))
    assert places == [([[0, 1, 2]], [[0, 1, 2]]), ([[0, 1, -1]], [[0, 1, -1]])]


def test_one_sink_per_row_is_needed(tiny_model):
    with watching(RowSinks([Capture(["hook_embed"])])), pytest.raises(ValueError, match="2 rows but 1 sinks"):
        tiny_model(torch.tensor([[3], [4]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_replacing_by_the_same_changes_no_bit(tiny_model, draw_tokens, dtype):
    model = tiny_model if dtype == torch.float32 else _narrowed(tiny_model)
    tokens = torch.tensor([draw_tokens(9)])
    plain = model(tokens)
    with replacing({name: lambda value: value for name in model.hook_names}):
        assert torch.equal(model(tokens), plain)
    copied = {name: torch.clone for name in model.hook_names if not name.endswith("hook_result")}
    with replacing(copied):
        assert torch.equal(model(tokens), plain)


def _narrowed(model):
    from mistral_core.model import Transformer

    narrow = Transformer(model.config)
    narrow.load_state_dict(model.state_dict())
    return narrow.to(torch.bfloat16).requires_grad_(False)


def test_replacing_any_tensor_has_an_effect(tiny_model, draw_tokens):
    """Every hook is wired into the pass: another value there gives other logits."""
    tokens = torch.tensor([draw_tokens(9)])
    plain = tiny_model(tokens)
    shapes = hook_shapes(TINY)
    for name in [*shapes["model"], *(f"layers.1.{suffix}" for suffix in shapes["layer"])]:
        with replacing({name: lambda value: value * 0.5}):
            assert not torch.equal(tiny_model(tokens), plain), name
    assert torch.equal(tiny_model(tokens), plain)


@pytest.mark.parametrize("axis", [1, -1])
def test_a_replacement_may_be_a_view(tiny_model, draw_tokens, axis):
    """A mean spread over positions or features (the usual ablation) has strides of 0; its copy gives the same."""

    def spread(value):
        value = value if value.isfinite().all() else value.nan_to_num(neginf=-9.0)
        return value.mean(axis, keepdim=True).expand_as(value)

    tokens = torch.tensor([draw_tokens(6)])
    for name in tiny_model.hook_names:
        with replacing({name: spread}):
            viewed = tiny_model(tokens)
        with replacing({name: lambda value: spread(value).clone(memory_format=torch.contiguous_format)}):
            torch.testing.assert_close(tiny_model(tokens), viewed, rtol=1e-4, atol=1e-4, msg=name)


def test_replacements_of_another_shape_or_dtype_are_refused(tiny_model):
    for bad in (lambda x: x[..., :1], lambda x: x.double(), lambda x: x[:, :1]):
        with replacing({MID: bad}), pytest.raises(ValueError, match=f"the replacement for {MID}"):
            tiny_model(torch.tensor([[3, 4]]))


def test_an_exception_leaves_no_sink_behind(tiny_model):
    def broken(value):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), replacing({MID: broken}):
        tiny_model(torch.tensor([[3, 4]]))
    assert tiny_model(torch.tensor([[3, 4]])).shape == (1, 2, TINY.vocab_size)
    outer = Capture(["hook_embed"])
    with watching(outer):
        with pytest.raises(RuntimeError), replacing({MID: broken}):
            tiny_model(torch.tensor([[3, 4]]))
        tiny_model(torch.tensor([[5]]))
    assert [tuple(value.shape) for value in outer.values["hook_embed"]] == [(1, 1, TINY.dim)]


def test_sinks_are_asked_in_order(tiny_model):
    """An earlier replacement is what a later capture sees; the other way round it sees the original."""
    tokens, zero = torch.tensor([[3, 4]]), Replacing({MID: torch.zeros_like})
    after, before = Capture([MID]), Capture([MID])
    with watching(Sinks(before, zero, after)):
        tiny_model(tokens)
    assert (after[MID] == 0).all()
    assert (before[MID] != 0).any()


def test_a_capture_keeps_its_own_copy(tiny_model):
    tokens = torch.tensor([[3, 4]])
    with recording([MID]) as seen, watching(Sinks(seen, Replacing({MID: lambda value: value.zero_()}))):
        tiny_model(tokens)
    assert (seen[MID] != 0).any()


def test_none_shields_a_pass(tiny_model):
    with recording(["hook_embed"]) as seen, watching(None):
        tiny_model(torch.tensor([[3]]))
    assert seen.values == {}
