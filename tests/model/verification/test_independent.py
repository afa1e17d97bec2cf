"""What a model without golden logits is held against: a forward from the papers, and how well it predicts a text."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from mistral_core.checkpoint.golden import load_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.checkpoint.tensors import from_half_split, to_half_split
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from mistral_core.verification import verify as verify_module
from mistral_core.verification.reference import Reference
from mistral_core.verification.verify import CHECKS, table, verify
from tests.model import reference as loops

MODELS = Path(__file__).parents[3] / "assets/models"
BUNDLED = sorted(path.name for path in MODELS.iterdir() if path.is_dir())
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
    sliding_window=(5, None, 7),
)


@pytest.fixture(autouse=True)
def the_checks_from_outside(monkeypatch):
    """The others compare the model with itself, which every fault below passes."""
    names = ("independent forward", "rotary order", "golden logits")
    monkeypatch.setattr(verify_module, "CHECKS", {name: CHECKS[name] for name in names if name in CHECKS})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained model as somebody else's would come: without golden logits."""
    folder = tmp_path_factory.mktemp("model") / "baseline"
    shutil.copytree(MODELS / "baseline", folder, ignore=shutil.ignore_patterns("golden.safetensors"))
    return folder


def failed(results):
    return {line.check for line in results if not line.ok and line.proven}


def unconverted(weight, heads):
    return weight


@contextlib.contextmanager
def planted(fault, folder):
    """The model of a folder with one thing wrong in the program or in its numbers, never in the reference."""
    config = {"eps": {"norm_eps": 1e-6}, "theta": {"rope_theta": 1e4 * 1.001}, "window": {"sliding_window": 17}}.get(
        fault
    )
    patch = {
        "no rotation": mock.patch("mistral_core.attention.rotate", lambda x, turn: x),
        "rows not converted": mock.patch("mistral_core.checkpoint.stored.from_half_split", unconverted),
        "GELU": mock.patch("mistral_core.feed_forward.F.silu", F.gelu),
    }.get(fault, contextlib.nullcontext())
    with patch:
        loaded = load_model(folder)
        if config is not None:
            model = type(loaded.model)(replace(loaded.config, **config)).requires_grad_(False)
            model.load_state_dict(loaded.model.state_dict())
            loaded = replace(loaded, model=model.eval())
        yield loaded


@pytest.mark.parametrize("fault", ["no rotation", "rows not converted", "GELU", "eps", "theta", "window"])
def test_without_golden_logits_a_fault_of_the_network_is_found(folder, fault):
    """Every other check compares the model with itself, and all of them hold."""
    with planted(fault, folder) as loaded:
        results = verify(loaded)
    assert failed(results) == {"independent forward"}, table(results)
    assert not any(line.applies for line in results if line.check == "golden logits")


@pytest.mark.parametrize("layout", ["Mistral", "Hugging Face"])
def test_rows_that_the_file_has_in_the_other_order_are_found_by_what_they_predict(folder, tmp_path, layout):
    """Loader and reference both believe the layout, so their logits agree; but the text is predicted worse."""
    loaded = load_model(folder)
    save, name, turn = {
        "Mistral": (save_mistral, "consolidated.safetensors", to_half_split),
        "Hugging Face": (save_hugging_face, "model.safetensors", from_half_split),
    }[layout]
    save(loaded.model, tmp_path, folder / "tokenizer.model")
    results = verify(load_model(tmp_path))
    assert all(line.ok for line in results), table(results)
    tensors = load_file(tmp_path / name)
    for key, heads in (("wq", 8), ("q_proj", 8), ("wk", 2), ("k_proj", 2)):
        tensors |= {full: turn(tensor, heads) for full, tensor in tensors.items() if f".{key}." in full}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / name)
    results = verify(load_model(tmp_path))
    assert failed(results) == {"rotary order"}, table(results)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_model_passes_without_its_golden_logits(name, tmp_path):
    shutil.copytree(MODELS / name, tmp_path / name, ignore=shutil.ignore_patterns("golden.safetensors"))
    results = verify(load_model(tmp_path / name))
    assert all(line.ok for line in results), table(results)
    assert {line.check for line in results if line.applies} >= {"independent forward", "rotary order"}


def test_of_an_untrained_model_the_order_is_not_proven_and_that_is_not_ok(tmp_path, capsys):
    from mistral_core.cli.main import main

    save_mistral(random_model(SHAPE, seed=3, std=0.4), tmp_path, MODELS / "baseline/tokenizer.model")
    results = verify(load_model(tmp_path))
    assert failed(results) == set()
    (line,) = [line for line in results if not line.proven]
    assert (line.check, line.ok, line.applies) == ("rotary order", False, True)
    assert "not proven" in line.note
    assert table(results).splitlines()[-1] == "2 of 3 lines ok, 1 not proven, 1 do not apply"
    assert main(["verify", "--model", str(tmp_path), "--json"]) == 3
    assert [line["proven"] for line in json.loads(capsys.readouterr().out)].count(False) == 1


def test_a_window_that_is_too_wide_to_be_reached_is_not_proven(tmp_path, monkeypatch):
    from mistral_core.verification import independent

    config = replace(SHAPE, sliding_window=200)
    save_mistral(random_model(config, seed=3, std=0.4), tmp_path, MODELS / "baseline/tokenizer.model")
    loaded = load_model(tmp_path)
    assert all(line.ok for line in independent_lines(verify(loaded)))
    monkeypatch.setattr(independent, "MOST_WORK", 1000.0)
    lines = independent_lines(verify(loaded))
    assert [(line.ok, line.proven) for line in lines] == [(True, True), (True, True), (False, False)]
    assert "first 1 of 3 layers" in lines[0].note
    assert "a window is 200 keys wide and 96 tokens are read" in lines[2].note


def test_a_text_beyond_a_wide_window_is_read_in_chunks(tmp_path):
    config = replace(SHAPE, sliding_window=600)
    save_mistral(random_model(config, seed=3, std=0.4), tmp_path, MODELS / "baseline/tokenizer.model")
    loaded = load_model(tmp_path)
    lines = independent_lines(verify(loaded))
    assert all(line.ok and "616 tokens" in line.note for line in lines), table(lines)
    wider = type(loaded.model)(config.with_window(601)).requires_grad_(False)
    wider.load_state_dict(loaded.model.state_dict())
    assert failed(verify(replace(loaded, model=wider.eval()))) == {"independent forward"}


def independent_lines(results):
    return [line for line in results if line.check == "independent forward"]


@pytest.mark.parametrize("name", BUNDLED)
def test_the_reference_computes_what_transformers_did(name):
    """The stored logits of the bundled models are transformers' in float32; 1e-6 is that program's rounding."""
    golden = load_golden(MODELS / name)
    logits = Reference(MODELS / name).logits(golden.tokens.tolist())
    error, largest = golden.max_error(logits.numpy())
    assert error < 1e-6 * largest


@pytest.mark.parametrize("layout", ["Mistral", "Hugging Face"])
@pytest.mark.parametrize("tied", [False, True])
def test_the_reference_computes_what_the_loops_do(tmp_path, layout, tied):
    config = replace(SHAPE, tied_embeddings=tied, sliding_window=(5, None, 7) if layout == "Mistral" else 5)
    model = random_model(config, seed=5, std=0.4)
    (save_mistral if layout == "Mistral" else save_hugging_face)(model, tmp_path)
    tokens = np.random.default_rng(0).integers(0, 4096, 19).tolist()
    expected = loops.logits(loops.weights_of(model), config, tokens)
    got = Reference(tmp_path).logits(tokens).numpy()
    assert np.abs(got - expected).max() < 1e-12 * np.abs(expected).max()


def test_weights_that_are_loaded_in_half_precision_are_rounded_in_the_reference_too(tmp_path):
    save_mistral(random_model(SHAPE, seed=3, std=0.4), tmp_path, MODELS / "baseline/tokenizer.model")
    half = load_model(tmp_path, dtype=torch.bfloat16)
    lines = independent_lines(verify(half))
    assert len(lines) == 2 and all(line.ok for line in lines), table(lines)


def test_numbers_that_a_configuration_leaves_open_are_those_of_transformers(tmp_path):
    save_hugging_face(random_model(replace(SHAPE, sliding_window=5, n_kv_heads=6), std=0.4), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    shutil.copy(MODELS / "baseline/tokenizer.model", tmp_path / "tokenizer.model")
    without = {key: value for key, value in config.items() if key != "sliding_window"}
    (tmp_path / "config.json").write_text(json.dumps(without))
    assert Reference(tmp_path).windows == [4096] * 3
    for missing in ("rms_norm_eps", "rope_theta", "num_key_value_heads"):
        without = {key: value for key, value in config.items() if key != missing}
        if missing == "num_key_value_heads":
            without[missing] = None
        (tmp_path / "config.json").write_text(json.dumps(without))
        lines = independent_lines(verify(load_model(tmp_path)))
        assert all(line.ok for line in lines), table(lines)
    nested = {**config, "rope_parameters": {"rope_theta": 100.0, "rope_type": "default"}}
    del nested["rope_theta"]
    (tmp_path / "config.json").write_text(json.dumps(nested))
    assert all(line.ok for line in independent_lines(verify(load_model(tmp_path))))


def test_what_a_file_says_with_null_or_under_its_other_names_is_read_alike_by_both(tmp_path):
    """The reader of the checks is not the loader's: where the two take a file differently, a sound model would fail."""
    model = random_model(replace(SHAPE, sliding_window=(5, None, 7), n_kv_heads=6, rope_theta=1e6), std=0.4)
    save_mistral(model, tmp_path / "m", MODELS / "baseline/tokenizer.model")
    save_hugging_face(
        random_model(replace(SHAPE, sliding_window=5), std=0.4), tmp_path / "h", MODELS / "baseline/tokenizer.model"
    )
    whole = {name: json.loads((tmp_path / name).read_text()) for name in ("m/params.json", "h/config.json")}
    default = {"rope_type": "default", "rope_theta": None}
    for name, changes in (
        ("m/params.json", {"rope_theta": None}),
        ("m/params.json", {"rope_theta": None, "sliding_window": None}),
        ("m/params.json", {"sliding_window": None, "_sliding_window": [5, None, 7], "moe": None}),
        ("h/config.json", {"rms_norm_eps": None}),
        ("h/config.json", {"rope_parameters": default}),
        ("h/config.json", {"rope_theta": None, "rope_scaling": {"rope_type": "default", "rope_theta": 50.0}}),
        ("h/config.json", {"sliding_window": None, "hidden_act": None, "tie_word_embeddings": None}),
    ):
        (tmp_path / name).write_text(json.dumps(whole[name] | changes))
        lines = independent_lines(verify(load_model((tmp_path / name).parent)))
        assert lines and all(line.ok for line in lines), (changes, table(lines))
