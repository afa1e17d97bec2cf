"""A Trace: immutable, the same after a round trip, and a plain sentence for every damaged file."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan, Trace, TraceError, offset_width, row_shape
from tests.conftest import TINY

PLAN = RecordingPlan(
    hooks=(
        "hook_logits",
        "attention.hook_pattern",
        "attention.hook_attn_scores",
        "attention.hook_rot_k",
        "attention.hook_v",
    )
)


def trace_of(model, tokenizer, n_new=6, plan=PLAN) -> Trace:
    request = GenerationRequest(prompt_ids=(1, 70, 201, 232, 9), max_new_tokens=n_new, seed=3, forced=((6, 40),))
    run = Run(model, tokenizer, request, plan=plan)
    list(run.prefill())
    while not run.finish_reason:
        run.step()
    return run.trace()


@pytest.fixture(scope="module")
def trace(tiny_model, tokenizer) -> Trace:
    return trace_of(tiny_model, tokenizer)


def same(a: Trace, b: Trace) -> None:
    """Every field the same, arrays to the bit and in dtype."""
    for field in dataclasses.fields(Trace):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            left, right = {"": left}, {"": right}
        if field.name in ("arrays", "token_ids", "positions", "probability", "rank"):
            assert left.keys() == right.keys()
            for name in left:
                assert left[name].dtype == right[name].dtype
                assert left[name].shape == right[name].shape
                assert left[name].tobytes() == right[name].tobytes(), (field.name, name)
        else:
            assert left == right, field.name


def test_save_and_load_give_the_same_bits(trace, tmp_path):
    assert (trace["layers.0.attention.hook_attn_scores"] == -np.inf).any()
    assert np.isnan(trace.probability[0])
    trace.save(tmp_path / "a.trace")
    assert [path.name for path in tmp_path.iterdir()] == ["a.trace"]
    same(Trace.load(tmp_path / "a.trace"), trace)


def test_a_float64_model_keeps_float64(tiny_model64, tokenizer, tmp_path):
    trace = trace_of(tiny_model64, tokenizer, plan=RecordingPlan(budget_bytes=30_000))
    assert trace.logits.dtype == np.float64
    assert trace.omitted
    trace.save(tmp_path / "a")
    same(Trace.load(str(tmp_path / "a")), trace)


def test_a_run_that_has_read_nothing_can_be_kept(tiny_model, tokenizer, tmp_path):
    trace = Run(tiny_model, tokenizer, GenerationRequest(prompt_ids=(1,), max_new_tokens=1), plan=PLAN).trace()
    assert len(trace) == 0
    trace.save(tmp_path / "a")
    same(Trace.load(tmp_path / "a"), trace)


def test_the_header_is_versioned_json(trace, tmp_path):
    trace.save(tmp_path / "a")
    with safe_open(tmp_path / "a", framework="numpy") as file:
        header = json.loads(file.metadata()["trace"])
    assert (header["format"], header["version"]) == ("mistral-explorer-trace", 1)
    assert header["settings"]["seed"] == 3
    assert header["settings"]["forced"] == [[6, 40]]


def test_per_layer_windows_and_tied_weights_survive_the_file(tokenizer, tmp_path):
    config = dataclasses.replace(TINY, sliding_window=(5, None, 30), tied_embeddings=True)
    trace = trace_of(random_model(config, seed=2, std=0.4), tokenizer)
    trace.save(tmp_path / "a")
    same(Trace.load(tmp_path / "a"), trace)
    assert [trace.pattern(layer).shape[2] for layer in range(3)] == [5, 11, 11]


def rewritten(trace: Trace, path: Path, change) -> Path:
    """The file of `trace` with its header changed."""
    trace.save(path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["trace"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    header = change(header, tensors) or header
    save_file(tensors, path, metadata={"trace": header if isinstance(header, str) else json.dumps(header)})
    return path


def without(name):
    return lambda header, tensors: header.pop(name) and None


DAMAGE = {
    "another version": (lambda h, t: {**h, "version": 99}, "version 99; this program reads version 1"),
    "another format": (lambda h, t: {**h, "format": "x"}, "is not a mistral-explorer-trace"),
    "header is no object": (lambda h, t: "[1]", "is not a mistral-explorer-trace"),
    "header is no JSON": (lambda h, t: "{", "no trace header"),
    "config missing": (without("config"), "config"),
    "config is a list": (lambda h, t: {**h, "config": [1]}, "damaged"),
    "config is a number": (lambda h, t: {**h, "config": 3}, "damaged"),
    "config contradicts itself": (lambda h, t: {**h, "config": {**h["config"], "n_kv_heads": 4}}, "n_kv_heads"),
    "config unknown key": (lambda h, t: {**h, "config": {**h["config"], "moe": 4}}, "moe"),
    "a billion layers": (
        lambda h, t: {**h, "config": {**h["config"], "n_layers": 10**9}},
        "n_layers is 1000000000; no",
    ),
    "a window without end": (
        lambda h, t: {**h, "config": {**h["config"], "sliding_window": 2**63}},
        "sliding_window is 9223372036854775808; no",
    ),
    "header nested without end": (lambda h, t: '{"format": ' + 100_000 * "[", "no trace header"),
    "texts too few": (lambda h, t: {**h, "token_texts": ["a"]}, "token_texts has 1 entries"),
    "texts is a number": (lambda h, t: {**h, "token_texts": 5}, "damaged"),
    "settings is a number": (lambda h, t: {**h, "settings": 5}, "damaged"),
    "tokens missing": (lambda h, t: t.pop("token_ids") is None or None, "token_ids"),
    "prompt longer than the text": (lambda h, t: {**h, "n_prompt": 12}, "n_prompt is 12 for 11 tokens"),
    "prompt is no number": (lambda h, t: {**h, "n_prompt": "5"}, "n_prompt is '5'"),
    "array too short": (
        lambda h, t: t.update({"arrays/hook_logits": t["arrays/hook_logits"][:2]}),
        "hook_logits is .2, 300.",
    ),
    "array of other heads": (
        lambda h, t: t.update({"arrays/layers.0.attention.hook_v": np.zeros((11, 3, 6), np.float32)}),
        "not .11, 2, 6.",
    ),
    "array of an unknown name": (lambda h, t: t.update({"arrays/x.y.z": np.zeros((11, 3))}), "damaged"),
    "array of an unknown layer": (
        lambda h, t: t.update({"arrays/layers.9.attention.hook_pattern": np.zeros((11, 6, 5), np.float32)}),
        "damaged",
    ),
    "attention wider than its window": (
        lambda h, t: t.update({"arrays/layers.0.attention.hook_pattern": np.zeros((11, 6, 7), np.float32)}),
        "not .11, 6, 5.",
    ),
    "two rows of tokens": (lambda h, t: t.update({"token_ids": np.zeros((11, 2), np.int64)}), "token_ids is .11, 2."),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_changed_file_is_refused_in_one_sentence(trace, tmp_path, damage):
    change, sentence = DAMAGE[damage]
    path = rewritten(trace, tmp_path / "a.trace", change)
    with pytest.raises(TraceError, match=sentence) as caught:
        Trace.load(path)
    assert "a.trace" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_kind_of_foreign_file_is_refused(trace, tmp_path):
    trace.save(tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    header = int.from_bytes(good[:8], "little")
    contents = {"empty": b"", "garbage": b"\xff" * 500, "text": b"once upon a time " * 20, "zeros": bytes(100)}
    contents |= {f"cut at {n}": good[:n] for n in (1, 7, 8, 9, 100, 8 + header - 1, 8 + header, len(good) - 1)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    save_file({"x": np.zeros(3)}, tmp_path / "foreign safetensors")
    save_file({"x": np.zeros(3)}, tmp_path / "foreign metadata", metadata={"format": "pt"})
    (tmp_path / "folder").mkdir()
    for name in [*contents, "foreign safetensors", "foreign metadata", "folder", "missing", "no/such/folder"]:
        with pytest.raises(TraceError) as caught:
            Trace.load(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_flipped_bytes_in_the_header_never_escape_as_another_error(trace, tmp_path):
    trace.save(tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    end, rng = 8 + int.from_bytes(good[:8], "little"), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(good)
        damaged[rng.integers(end)] = rng.integers(32, 127)
        (tmp_path / "bad").write_bytes(bytes(damaged))
        try:
            Trace.load(tmp_path / "bad")
        except TraceError:
            refused += 1
    assert refused > 100


def test_a_failed_save_leaves_the_old_file(trace, tmp_path, monkeypatch):
    path = tmp_path / "a"
    trace.save(path)
    before = path.read_bytes()

    def broken(tensors, target, metadata):
        Path(target).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("mistral_core.trace.trace.save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        trace.truncated(2).save(path)
    assert path.read_bytes() == before


def test_a_trace_cannot_be_changed(trace):
    for array in (trace.token_ids, trace.positions, trace.probability, trace.rank, *trace.arrays.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.text = "x"
    with pytest.raises(TypeError):
        trace.arrays["hook_logits"] = np.zeros(1)
    with pytest.raises(TypeError):
        trace.settings["seed"] = 1


def test_a_trace_taken_midway_does_not_change_while_the_run_goes_on(tiny_model, tokenizer):
    run = Run(
        tiny_model, tokenizer, GenerationRequest(prompt_ids=(1, 5, 6), max_new_tokens=12, chunk_size=2), plan=PLAN
    )
    list(run.prefill())
    for _ in range(4):
        run.step()
    early = run.trace()
    before = {name: array.copy() for name, array in early.arrays.items()}
    tokens, probability = early.token_ids.copy(), early.probability.copy()
    while not run.finish_reason:
        run.step()
    assert len(early) == 7
    assert all(np.array_equal(early[name], before[name]) for name in before)
    assert np.array_equal(early.token_ids, tokens)
    assert np.array_equal(early.probability, probability, equal_nan=True)
    same(run.trace().truncated(7), early)


def test_truncated_is_the_run_as_it_was(tiny_model, tokenizer, trace):
    """At every length: equal to the Trace that the run gave at that moment."""
    run = Run(
        tiny_model,
        tokenizer,
        GenerationRequest(prompt_ids=tuple(trace.token_ids[:5].tolist()), max_new_tokens=6, seed=3, forced=((6, 40),)),
        plan=PLAN,
    )
    list(run.prefill())
    while not run.finish_reason:
        same(trace.truncated(run.n_read), run.trace())
        run.step()
    same(trace.truncated(len(trace)), trace)
    assert trace.truncated(3).n_prompt == 3
    for length in (0, -1, len(trace) + 1):
        with pytest.raises(ValueError, match=f"length is {length}; this run has 1 to 11"):
            trace.truncated(length)


def test_what_was_not_recorded_is_named_with_the_reason(tiny_model, tokenizer, trace):
    with pytest.raises(KeyError, match=r"hook_embed was not recorded .it is not in the plan"):
        trace["hook_embed"]
    poor = trace_of(tiny_model, tokenizer, plan=RecordingPlan(budget_bytes=11 * 300 * 4))
    assert list(poor.arrays) == ["hook_logits"]
    with pytest.raises(KeyError, match=r"layers.1.attention.hook_v: .* bytes do not fit into the 0 left"):
        poor.values(1)


def test_lengths_must_agree(trace):
    with pytest.raises(ValueError, match="rank has 2 entries for 11 tokens"):
        dataclasses.replace(trace, rank=np.zeros(2))
    with pytest.raises(ValueError, match="hook_logits has 4 rows for 11 tokens"):
        dataclasses.replace(trace, arrays={"hook_logits": np.zeros((4, 2))})


def test_keys_and_values_are_kept_once_per_position(trace):
    assert trace.keys(1).shape == trace.values(1).shape == (11, TINY.n_kv_heads, TINY.head_dim)
    assert trace.pattern(2).shape == (11, TINY.n_heads, 5)
    assert trace.logits.shape == (11, TINY.vocab_size)


def test_rows_have_the_shapes_of_the_hooks(trace):
    for name, array in trace.arrays.items():
        assert array.shape[1:] == row_shape(TINY, name, 11)
    assert [offset_width(*pair) for pair in ((5, 3), (5, 9), (None, 9))] == [3, 5, 9]


def test_a_recorded_trace_plays_without_torch(trace, tmp_path):
    """In a fresh interpreter: load, look, redraw the sampling stages; torch is never imported."""
    trace.save(tmp_path / "a")
    code = f"""
import sys
import mistral_core, mistral_core.trace, mistral_core.sampling, mistral_core.config
from mistral_core import RecordingPlan, SamplingSettings, Trace, sampling_stages
trace = Trace.load({str(tmp_path / "a")!r})
stages = sampling_stages(trace.logits[-1], SamplingSettings(top_k=3), trace.token_ids)
assert stages[-1].n_choices == 3 and trace.pattern(0).shape[0] == len(trace) == {len(trace)}
heavy = {{"torch", "streamlit", "plotly", "transformers"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
