"""Golden logits: stored ones are met, a wrong rotary layout is caught, damage is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from mistral_core.checkpoint.golden import GOLDEN_FILE, golden_length, golden_positions, load_golden, make_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_mistral
from mistral_core.checkpoint.tensors import rotary_heads, to_half_split
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.model import random_model

torch.set_num_threads(1)
BUNDLED = Path(__file__).parents[3] / "assets/models/storyteller"
BOUND = 1e-4
TINY = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=24,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=500.0,
    sliding_window=5,
)


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
def test_mistrals_layout_is_made_by_way_of_a_converted_copy(tmp_path, window, tied):
    pytest.importorskip("transformers")
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
    save_file({"tokens": np.zeros(1)}, tmp_path / GOLDEN_FILE, metadata={"golden": 100_000 * "["})
    with pytest.raises(ValueError, match="cannot be read as golden logits"):
        load_golden(tmp_path)
    shutil.copy(BUNDLED / "model.safetensors", tmp_path / GOLDEN_FILE)
    with pytest.raises(ValueError, match="cannot be read as golden logits"):
        load_golden(tmp_path)
