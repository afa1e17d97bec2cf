"""Every check passes on a sound model, and fails on a planted fault of its own kind."""

import json
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from mistral_core import attention as attention_module
from mistral_core.checkpoint.golden import make_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.checkpoint.variants import with_windows
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.model import Transformer, random_model
from mistral_core.rope import rotate
from mistral_core.verification import operations, subject
from mistral_core.verification import verify as verify_module
from mistral_core.verification.verify import CHECKS, CheckResult, Substitutes, table, to_json, verify

TOKENIZER = Path(__file__).parents[3] / "assets/models/storyteller/tokenizer.model"
SHAPE = MistralConfig(
    dim=16,
    n_layers=3,
    n_heads=6,
    n_kv_heads=2,
    head_dim=4,
    hidden_dim=24,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=100.0,
    sliding_window=5,
)


def load_random(folder, config, seed=3):
    save_mistral(random_model(config, seed=seed, std=0.4), folder, TOKENIZER)
    return load_model(folder)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    load_random(folder, SHAPE)
    make_golden(folder)
    return load_model(folder)


def only(monkeypatch, *names):
    monkeypatch.setattr(verify_module, "CHECKS", {name: CHECKS[name] for name in names})


def failed(results):
    """Found wrong; the rotary order of an untrained model is not proven, which is neither."""
    assert {line.check for line in results if not line.proven} <= {"rotary order"}
    return {line.check for line in results if not line.ok and line.proven}


def test_a_sound_model_passes_everything(loaded):
    reports = []
    results = verify(loaded, progress=lambda *report: reports.append(report))
    assert failed(results) == set(), table(results)
    assert {line.check for line in results} == set(CHECKS) - {"rounded weights"}
    assert all(line.applies for line in results)
    assert reports == [*((i, len(CHECKS), name) for i, name in enumerate(CHECKS)), (len(CHECKS), len(CHECKS), "")]


# One fault for each check, written as a mistake that somebody could make.


def half_split_rotary(model, tokens):
    """Hugging Face's weights taken without converting their rows."""

    def rotate_halves(x, turn):
        half = x.shape[-1] // 2
        pairs = torch.stack((x[..., :half], x[..., half:]), -1).flatten(-2)
        turned = rotate(pairs, turn).unflatten(-1, (-1, 2))
        return torch.cat((turned[..., 0], turned[..., 1]), -1)

    with mock.patch.object(attention_module, "rotate", rotate_halves):
        return operations.dense(model, tokens)


def window_one_too_wide(model, tokens):
    return operations.decode(with_windows(model, SHAPE.sliding_window + 1), tokens)


def write_before_read(model, tokens, chunk_size):
    true_read_and_write = attention_module.read_and_write

    def faulty(ring, k, v, positions, plan):
        if positions.shape[1] > 1:
            ring.write(k, v, plan)
        return true_read_and_write(ring, k, v, positions, plan)

    with mock.patch.object(attention_module, "read_and_write", faulty):
        return operations.prefill(model, tokens, chunk_size)


def next_slot(model, tokens, n_first):
    """Position p in slot (p + 1) % W: attention does not notice, a reader of the slots does."""
    kv_cache = operations.fill_rings(model, tokens, n_first)
    for ring in kv_cache.rings:
        ring.keys, ring.values, ring.positions = ring.keys.roll(1, 2), ring.values.roll(1, 2), ring.positions.roll(1, 1)
    return kv_cache


def keys_before_rotation(model, tokens, n_first):
    kv_cache = operations.fill_rings(model, tokens, n_first)
    for ring in kv_cache.rings:
        back = rotation_of(ring.positions, model.config)
        ring.keys.copy_(rotate(ring.keys.transpose(1, 2), back).transpose(1, 2))
    return kv_cache


def rotation_of(positions, config):
    from mistral_core.rope import rotation

    return rotation(positions, config.head_dim, config.rope_theta, torch.float64).conj()


def interleaved_groups(attention, q, keys, values, positions):
    """Query head h reads key head h % n_kv_heads, as `repeat` instead of `repeat_interleave` gives."""
    n_heads, repeats = attention.n_heads, attention.n_heads // attention.n_kv_heads
    order = torch.arange(n_heads).view(repeats, attention.n_kv_heads).T.flatten()
    z = operations.attend(attention, q[:, :, order], keys, values, positions)
    return z[:, :, order.argsort()]


def no_scale(attention, q, keys, values, positions):
    return operations.attend(attention, q * attention.head_dim**0.5, keys, values, positions)


def streams_one_too_wide(model, tokens):
    return operations.streams(with_windows(model, SHAPE.sliding_window + 1), tokens)


def streams_of_another_text(model, tokens):
    """Nothing moves anywhere, so that nothing beyond the edge moves proves nothing."""
    return operations.streams(model, torch.zeros_like(tokens))


def derivatives_one_too_narrow(model, tokens, queries):
    return operations.derivatives(with_windows(model, SHAPE.sliding_window - 1), tokens, queries)


def detached(model, tokens, queries):
    return [torch.zeros_like(gradient) for gradient in operations.derivatives(model, tokens, queries)]


def padding_is_seen(model, rows, n_decoded):
    def forward(self, tokens, positions=None, kv_cache=None, last_only=False):
        if tokens.shape[1] > 1:
            positions = torch.arange(tokens.shape[1]).expand(tokens.shape)
            seen = true_forward(self, tokens, positions, kv_cache, last_only)
            kv_cache.n_seen = lengths.clone()
            return seen
        return true_forward(self, tokens, positions, kv_cache, last_only)

    true_forward = Transformer.forward
    lengths = torch.tensor([max(len(row) - n_decoded, 1) for row in rows])
    with mock.patch.object(Transformer, "forward", forward):
        return operations.ragged(model, rows, n_decoded)


def saved_in_half_precision(model, folder, layout, tokenizer_path):
    (save_mistral if layout == operations.MISTRAL_LAYOUT else save_hugging_face)(
        model, folder, tokenizer_path, torch.bfloat16
    )
    return load_model(folder)


def trace_in_float16(trace, path):
    arrays = {name: array.astype(np.float16).astype(np.float32) for name, array in trace.arrays.items()}
    return operations.trace_round_trip(replace(trace, arrays=arrays), path)


def trace_without_settings(trace, path):
    return operations.trace_round_trip(replace(trace, settings={}), path)


def seed_ignored(model, tokenizer, request):
    return operations.sample(model, tokenizer, replace(request, seed=0))


def unseeded(model, tokenizer, request, _entropy=iter(range(100))):
    return operations.sample(model, tokenizer, replace(request, seed=next(_entropy)))


FAULTS = [
    ("dense", half_split_rotary, {"golden logits", "independent forward"}),
    ("decode", window_one_too_wide, {"cached decode"}),
    ("prefill", write_before_read, {"chunked prefill"}),
    ("fill_rings", next_slot, {"ring contents"}),
    ("fill_rings", keys_before_rotation, {"ring contents"}),
    ("attend", interleaved_groups, {"grouped queries", "explicit attention"}),
    ("attend", no_scale, {"grouped queries", "explicit attention"}),
    ("streams", streams_one_too_wide, {"reach"}),
    ("streams", streams_of_another_text, {"reach"}),
    ("derivatives", derivatives_one_too_narrow, {"reach"}),
    ("derivatives", detached, {"reach"}),
    ("ragged", padding_is_seen, {"ragged batch"}),
    ("checkpoint_round_trip", saved_in_half_precision, {"save and load"}),
    ("trace_round_trip", trace_in_float16, {"save and load"}),
    ("trace_round_trip", trace_without_settings, {"save and load"}),
    ("sample", seed_ignored, {"seeded sampling"}),
    ("sample", unseeded, {"seeded sampling"}),
]


@pytest.fixture(scope="module")
def users(loaded):
    """Operation -> the checks that call it, as observed while a sound model passes."""
    seen = {field.name: set() for field in fields(Substitutes)}
    running = []

    def spy(name):
        def operation(*arguments):
            seen[name].add(running[-1])
            return getattr(operations, name)(*arguments)

        return operation

    spies = Substitutes(**{name: spy(name) for name in seen})
    results = verify(loaded, substitutes=spies, progress=lambda done, total, name: running.append(name))
    assert failed(results) == set(), table(results)
    return seen


@pytest.mark.parametrize(("operation", "fault", "caught_by"), FAULTS, ids=[fault.__name__ for _, fault, _ in FAULTS])
def test_a_planted_fault_is_caught(loaded, users, monkeypatch, operation, fault, caught_by):
    """By every check that uses the operation; the others cannot be touched by it."""
    assert users[operation] == caught_by
    only(monkeypatch, *caught_by)
    results = verify(loaded, substitutes=Substitutes(**{operation: fault}))
    assert failed(results) == caught_by
    # Caught by the comparison, not by an exception on the way:
    assert all(line.max_abs_error is not None for line in results if not line.ok)


def test_every_check_has_a_planted_fault():
    """That of the rotary order is one of the file, see `test_independent.py`; of rounded weights `test_narrow.py`."""
    assert set().union(*(caught for _, _, caught in FAULTS)) == set(CHECKS) - {"rotary order", "rounded weights"}


def test_the_two_attention_checks_fail_for_their_own_reasons(loaded):
    """A reference that shares the fault would pass; each reference is right about what the other is for."""
    q, k, v = (torch.randn(7, n, 4, dtype=torch.float64) for n in (6, 2, 2))
    visible = torch.ones(7, 7).tril().bool()
    from mistral_core.verification.checks import by_loops, by_torch

    a, b = (f(q, k.transpose(0, 1), v.transpose(0, 1), visible) for f in (by_loops, by_torch))
    assert torch.allclose(a, b, atol=1e-12)


def test_a_check_that_breaks_off_is_a_failure_and_the_others_run(loaded, monkeypatch):
    def broken(model, tokens):
        raise RuntimeError("out of memory")

    only(monkeypatch, "cached decode", "explicit attention")
    results = verify(loaded, substitutes=Substitutes(decode=broken))
    assert [(line.check, line.ok) for line in results] == [
        ("cached decode", False),
        ("explicit attention", True),
        ("explicit attention", True),
    ]
    assert "out of memory" in results[0].note


def test_nan_is_never_within_a_bound(loaded, monkeypatch):
    only(monkeypatch, "cached decode")

    def not_a_number(model, tokens):
        logits = operations.decode(model, tokens)
        logits[0, 0, 0] = float("nan")
        return logits

    results = verify(loaded, substitutes=Substitutes(decode=not_a_number))
    assert failed(results) == {"cached decode"}
    json.dumps(to_json(results), allow_nan=False)


@pytest.mark.parametrize("windows", [None, 1, (4, None, 7), (2, 9)])
def test_other_windows(tmp_path, windows):
    results = verify(load_random(tmp_path, replace(SHAPE, sliding_window=windows)))
    assert failed(results) == set()
    skipped = {line.check for line in results if not line.applies}
    expected = {"golden logits"} | ({"reach"} if windows is None else set())
    assert skipped == expected | ({"save and load"} if isinstance(windows, tuple) else set())
    assert all(line.note.startswith("does not apply: ") for line in results if not line.applies)


def test_without_grouped_queries_that_check_does_not_apply(tmp_path):
    results = verify(load_random(tmp_path, replace(SHAPE, n_kv_heads=6)))
    assert failed(results) == set()
    assert {line.check for line in results if not line.applies} == {"golden logits", "grouped queries"}


def test_wide_windows_are_narrowed_and_it_says_so(tmp_path, monkeypatch):
    only(monkeypatch, "cached decode", "chunked prefill", "reach")
    config = replace(SHAPE, n_layers=2, sliding_window=4096)
    results = verify(load_random(tmp_path, config))
    assert failed(results) == set()
    notes = {line.check: line.note for line in results}
    assert "window narrowed from 4096 to 64" in notes["cached decode"]
    assert "chunks of 1, 3, 63, 64, 65, 131" in notes["chunked prefill"]


def test_windows_are_narrowed_further_where_all_depths_would_be_too_far(loaded, monkeypatch):
    from mistral_core.verification import reach

    monkeypatch.setattr(reach, "LONGEST_REACH", 8)
    only(monkeypatch, "reach")
    line = verify(loaded)[0]
    assert line.ok
    assert "edges 2 to 6" in line.note
    assert "here to 3" in line.note


def test_a_large_model_is_checked_on_its_first_layers(tmp_path, monkeypatch):
    loaded = load_random(tmp_path, replace(SHAPE, n_layers=5))
    monkeypatch.setattr(subject, "LARGE_MODEL", 1000)
    made = subject.make_subject(loaded)
    assert {model.config.n_layers for model in made.models.values()} == {2}
    assert "first 2 of 5 layers" in made.note
    shared = made.models[torch.float32].layers[1].attention.wq.weight
    assert shared.data_ptr() == loaded.model.layers[1].attention.wq.weight.data_ptr()
    results = verify(loaded)
    assert failed(results) == set()
    assert "first 2 of 5 layers" in next(line.note for line in results if line.check == "reach")


def test_golden_logits_of_other_weights_fail_and_say_why(loaded, tmp_path, monkeypatch):
    only(monkeypatch, "golden logits")
    other = load_random(tmp_path, SHAPE, seed=4)
    (tmp_path / "golden.safetensors").write_bytes((loaded.folder / "golden.safetensors").read_bytes())
    (line,) = [line for line in verify(other) if not line.ok]
    assert line.check == "golden logits"
    assert "other weights" in line.note


def test_half_precision_weights_are_checked_in_float32(loaded):
    half = load_model(loaded.folder, dtype=torch.bfloat16)
    results = verify(half)
    assert failed(results) == set()
    (skipped,) = [line for line in results if not line.applies]
    assert skipped.check == "golden logits"
    assert "float32" in skipped.note


def test_table_and_json():
    results = [
        CheckResult(check="a", compared="x with y", max_abs_error=2e-5, bound=1e-4, ok=True),
        CheckResult(check="b", compared="p with q", max_abs_error=1.0, bound=0.0, ok=False, note="worst at 3"),
        CheckResult(check="c", compared="-", max_abs_error=None, bound=None, ok=True, applies=False, note="no window"),
    ]
    lines = table(results).splitlines()
    assert lines[1].split() == ["ok", "a", "2.0e-05", "1.0e-04", "x", "with", "y"]
    assert lines[2].startswith("FAIL")
    assert lines[2].endswith("worst at 3")
    assert lines[3].startswith("-  ")
    assert lines[-1] == "1 of 2 lines ok, 1 FAILED, 1 do not apply"
    (first, *_) = to_json(results)
    assert {key: first[key] for key in ("check", "compared", "max_abs_error", "bound", "ok")} == {
        "check": "a",
        "compared": "x with y",
        "max_abs_error": 2e-5,
        "bound": 1e-4,
        "ok": True,
    }


def test_the_bounds_are_those_promised():
    assert (subject.FLOAT32_BOUND, subject.FLOAT64_BOUND) == (1e-4, 1e-10)
    assert MISTRAL_7B.n_layers > subject.LARGE_MODEL_LAYERS


@pytest.mark.slow
def test_the_bundled_model_passes(capsys):
    results = verify(load_model(TOKENIZER.parent))
    assert failed(results) == set()
    assert all(line.applies for line in results)
