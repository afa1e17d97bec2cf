"""Golden logits: stored ones are met, a wrong rotary layout is caught, damage is named."""

import shutil
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from mistral_core.checkpoint.golden import GOLDEN_FILE, golden_length, golden_positions, load_golden, make_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_mistral
from mistral_core.checkpoint.tensors import rotary_heads, to_half_split
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.model import random_model
from mistral_core.verification.checks import golden_logits
from mistral_core.verification.operations import Substitutes
from mistral_core.verification.subject import make_subject
from tests.model.checkpoint.folders import BUNDLED, TINY

torch.set_num_threads(1)
BOUND = 1e-4


def relative_error(golden, model):
    error, scale = golden.max_error(model(torch.tensor(golden.tokens)[None])[0].numpy())
    return error / scale


def test_the_bundled_model_computes_what_transformers_did():
    loaded, golden = load_model(BUNDLED), load_golden(BUNDLED)
    assert golden.model_hash == loaded.model_hash
    assert golden.text == loaded.tokenizer.decode(golden.tokens.tolist())
    assert relative_error(golden, loaded.model) < BOUND
    assert (BUNDLED / GOLDEN_FILE).stat().st_size < 400_000
    reach = loaded.config.exact_reach()
    assert len(golden.tokens) == reach + 2 * 16
    assert {0, 15, 16, 17, 32, 48, reach - 1, reach, reach + 1, len(golden.tokens) - 1} <= set(
        golden.positions.tolist()
    )


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLED.parent.iterdir() if path.is_dir()))
@pytest.mark.parametrize("fault", [{}, {"norm_eps": 1e-6}, {"rope_theta": 10_010.0}], ids=str)
def test_the_bound_of_verify_separates_rounding_from_a_small_fault(name, fault):
    """It was 170 times the rounding: another eps and theta x 1.001 passed."""
    folder = BUNDLED.parent / name
    loaded = load_model(folder, dtype=torch.float64)
    model = random_model(replace(loaded.config, **fault), dtype=torch.float64)
    model.load_state_dict(loaded.model.state_dict())
    (line,) = golden_logits(make_subject(replace(loaded, model=model)), Substitutes())
    assert line.max_abs_error is not None
    if fault:
        assert not line.ok and line.max_abs_error > 1.4 * line.bound
    else:
        assert line.ok and line.max_abs_error < line.bound / 2


def test_golden_logits_are_not_made_of_what_the_loader_made_of_the_file(tmp_path):
    """A conversion that is forgotten at load must not be in the numbers that are to find it."""
    for name in ("config.json", "model.safetensors", "tokenizer.model"):
        shutil.copy(BUNDLED.parent / "baseline" / name, tmp_path / name)
    save_mistral(load_model(tmp_path).model, tmp_path / "own", tmp_path / "tokenizer.model")
    with mock.patch("mistral_core.checkpoint.stored.from_half_split", lambda weight, heads: weight):
        made = make_golden(tmp_path)
    right, theirs = make_golden(tmp_path / "own"), load_golden(BUNDLED.parent / "baseline")
    assert np.array_equal(made.logits, right.logits)
    assert np.abs(right.logits - theirs.logits).max() < 1e-6 * np.abs(theirs.logits).max()


def test_of_rows_in_the_other_order_no_golden_logits_are_made(tmp_path):
    """Mistral's layout with Hugging Face's rows: the logits of that network would prove it right."""
    loaded = load_model(BUNDLED.parent / "baseline")
    save_mistral(loaded.model, tmp_path, BUNDLED / "tokenizer.model")
    tensors = load_file(tmp_path / "consolidated.safetensors")
    for name, tensor in tensors.items():
        if (heads := rotary_heads(loaded.config, name)) is not None:
            tensors[name] = to_half_split(tensor, heads)
    save_file(tensors, tmp_path / "consolidated.safetensors")
    with pytest.raises(ValueError, match=r"rows of wq and wk in another order .* convert them first"):
        make_golden(tmp_path)
    assert load_golden(tmp_path) is None


@pytest.mark.parametrize("fault", ["rotary layout", "window", "theta"])
def test_faults_that_a_program_cannot_see_by_itself_are_caught(fault):
    loaded, golden = load_model(BUNDLED), load_golden(BUNDLED)
    model, config = loaded.model, loaded.config
    if fault == "rotary layout":
        for name, tensor in model.state_dict().items():
            if (heads := rotary_heads(config, name)) is not None:
                tensor.copy_(to_half_split(tensor.clone(), heads))
    else:
        changes = {"window": {"sliding_window": 17}, "theta": {"rope_theta": 1e6}}[fault]
        model = random_model(MistralConfig(**{**config.to_params(), **changes}))
        model.load_state_dict(loaded.model.state_dict())
    assert relative_error(golden, model) > 100 * BOUND


@pytest.mark.parametrize(("window", "tied"), [(5, True), (1, False), (None, False)])
def test_what_is_made_is_stored_and_is_what_the_model_computes(tmp_path, window, tied):
    config = MistralConfig(**{**TINY.to_params(), "sliding_window": window, "tied_embeddings": tied})
    save_mistral(random_model(config, seed=4, std=0.4), tmp_path, BUNDLED / "tokenizer.model")
    assert load_golden(tmp_path) is None
    made = make_golden(tmp_path)
    stored, loaded = load_golden(tmp_path), load_model(tmp_path)
    assert np.array_equal(stored.logits, made.logits)
    assert len(stored.tokens) == golden_length(config)
    assert relative_error(stored, loaded.model) < BOUND


@pytest.mark.parametrize("window", [1, 5, 16, 4096, None, (3, None), (3, 8)])
def test_positions_lie_in_the_text_and_at_its_edges(window):
    config = TINY.with_window(window)
    length = golden_length(config)
    positions = golden_positions(config, length)
    assert positions == sorted(set(positions))
    assert positions[0] == 0
    assert positions[-1] == length - 1 < 160
    assert min(12, length) <= len(positions) <= 16


def test_a_window_beyond_the_longest_text_is_cut():
    assert golden_length(MISTRAL_7B) == 160


def test_logits_of_another_text_are_refused():
    golden = load_golden(BUNDLED)
    with pytest.raises(ValueError, match=r"shape \(3, 4096\)"):
        golden.max_error(np.zeros((3, 4096), dtype=np.float32))


def test_one_wrong_number_is_found():
    golden = load_golden(BUNDLED)
    logits = np.zeros((len(golden.tokens), 4096), dtype=np.float32)
    logits[golden.positions] = golden.logits
    assert golden.max_error(logits)[0] == 0
    logits[golden.positions[5], 77] += 0.5
    assert golden.max_error(logits)[0] == pytest.approx(0.5, rel=1e-6)


def test_damaged_files_are_named(tmp_path):
    content = (BUNDLED / GOLDEN_FILE).read_bytes()
    for damaged in (b"", content[:500], content[:-1]):
        (tmp_path / GOLDEN_FILE).write_bytes(damaged)
        with pytest.raises(ValueError, match=r"golden.safetensors cannot be read as golden logits"):
            load_golden(tmp_path)
    save_numpy({"tokens": np.zeros(1)}, tmp_path / GOLDEN_FILE, metadata={"golden": 100_000 * "["})
    with pytest.raises(ValueError, match="cannot be read as golden logits"):
        load_golden(tmp_path)
    shutil.copy(BUNDLED / "model.safetensors", tmp_path / GOLDEN_FILE)
    with pytest.raises(ValueError, match="cannot be read as golden logits"):
        load_golden(tmp_path)
