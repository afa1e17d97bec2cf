"""Weights in int8 and bfloat16: a sound model passes all checks, and each fault of narrow weights is found by its own."""

from dataclasses import replace

import pytest
import torch

from mistral_core.checkpoint import narrow
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.save import save_hugging_face
from mistral_core.cli.main import main
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from mistral_core.verification import verify as verify_module
from mistral_core.verification.verify import CHECKS, table, verify

STORYTELLER = bundled_root() / "storyteller"
SHAPE = MistralConfig(
    dim=32,
    n_layers=3,
    n_heads=6,
    n_kv_heads=2,
    head_dim=4,
    hidden_dim=48,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=100.0,
    sliding_window=5,
)
BOTH = pytest.mark.parametrize("weights", ["int8", "bfloat16"])


KERNEL = pytest.mark.skipif(not narrow.int8_is_exact(), reason="this processor sums no int8 products exactly")


@pytest.fixture
def folder(tmp_path):
    """Hugging Face's layout, so that what is kept has another order of rows than the file; and tied."""
    network = random_model(replace(SHAPE, tied_embeddings=True), seed=3, std=0.15)
    save_hugging_face(network, tmp_path / "m", STORYTELLER / "tokenizer.model")
    return tmp_path / "m"


def only(monkeypatch, *names):
    monkeypatch.setattr(verify_module, "CHECKS", {name: CHECKS[name] for name in names})


def wrong(results):
    return {line.check for line in results if not line.ok and line.proven}


@BOTH
def test_a_sound_model_passes(folder, weights):
    results = verify(load_model(folder, weights=weights))
    assert wrong(results) == set(), table(results)
    assert {line.check for line in results if not line.applies} == {"golden logits", "save and load"}
    forward = [line for line in results if line.check == "independent forward"]
    assert len(forward) == 2 and all(f"as they are kept in {weights}" in line.compared for line in forward)
    assert forward[1].max_abs_error < 1e-9, "the numbers that the weights stand for, in float64"


@BOTH
@pytest.mark.slow
def test_the_bundled_model_passes_and_says_how_far_its_predictions_lie_from_float32(either_way, weights):
    results = verify(load_model(STORYTELLER, weights=weights))
    assert wrong(results) == set(), table(results)
    (line,) = [line for line in results if line.check == "rounded weights"]
    if weights == "bfloat16" and not either_way:
        # Its file is in bfloat16 and the inputs stay float32: nothing is rounded but where one row is read alone.
        assert 0 <= line.max_abs_error < 1e-6 and "the likeliest token is the same after 100%" in line.note
        return
    assert 0 < line.max_abs_error < line.bound == 0.02
    assert line.note.startswith("largest 0.0") and "the likeliest token is the same after 9" in line.note


def test_numbers_that_are_not_those_of_the_files_are_found_by_what_they_predict(monkeypatch):
    """7 steps in place of 127: products with them are right, predictions are not."""
    only(monkeypatch, "independent forward", "rounded weights")
    monkeypatch.setattr(narrow, "LARGEST", 7)
    loaded = load_model(STORYTELLER, weights="int8")
    monkeypatch.undo()
    only(monkeypatch, "independent forward", "rounded weights")
    results = verify(loaded)
    assert wrong(results) == {"rounded weights"}, table(results)


@KERNEL
def test_a_product_that_loses_the_second_byte_of_its_input_is_found(folder, monkeypatch):
    only(monkeypatch, "independent forward")
    loaded = load_model(folder, weights="int8")
    true = narrow.two_bytes

    def one_byte(x):
        rows = true(x)
        numbers = rows.numbers.clone()
        numbers[len(x) :] = 128
        return narrow.TwoBytes(numbers, rows.unit)

    monkeypatch.setattr(narrow, "two_bytes", one_byte)
    float32, float64 = verify(loaded)
    assert not float32.ok and float64.ok, table([float32, float64])


@KERNEL
def test_rows_in_another_order_are_found(folder, monkeypatch):
    only(monkeypatch, "independent forward")
    loaded = load_model(folder, weights="int8")
    matrix = loaded.model.layers[1].attention.wo.matrix
    assert narrow.stands_for(loaded.model.state_dict(), "layers.1.attention.wo.weight").shape == (32, 24)
    monkeypatch.setattr(
        narrow.Int8Matrix, "times", lambda self, x: times(self, x).flip(-1) if self is matrix else times(self, x)
    )
    float32, float64 = verify(loaded)
    assert not float32.ok and float64.ok


def test_rows_in_another_order_are_found_where_weights_are_widened(folder, monkeypatch):
    only(monkeypatch, "independent forward")
    monkeypatch.setattr(narrow, "int8_is_exact", lambda: False)
    loaded = load_model(folder, weights="int8")
    matrix, true = loaded.model.layers[1].attention.wo.matrix, narrow.product
    monkeypatch.setattr(
        narrow, "product", lambda x, weight: true(x, weight).flip(-1) if weight is matrix.numbers else true(x, weight)
    )
    float32, float64 = verify(loaded)
    assert not float32.ok and float64.ok


times = narrow.Int8Matrix.times


def test_the_command_says_it(folder, capsys, monkeypatch):
    only(monkeypatch, "rounded weights")
    assert main(["verify", "--model", str(folder), "--weights", "int8"]) == 0
    said = capsys.readouterr()
    assert "mean KL of the next token's distribution" in said.out and "int8" in said.err
    assert torch.get_default_dtype() == torch.float32
