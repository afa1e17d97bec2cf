"""Configurations of published folders: what is understood, what is assumed and said, what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mistral_core.checkpoint.configuration import (
    config_from_hugging_face,
    config_to_hugging_face,
    load_config,
    read_config,
)
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.config import ConfigNotice, MistralConfig

TINY = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=24,
    vocab_size=4100,
    norm_eps=1e-5,
    rope_theta=500.0,
    sliding_window=5,
)


@pytest.fixture
def hf_folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config_to_hugging_face(TINY, "float32")))
    return tmp_path


@pytest.fixture
def mistral_folder(tmp_path):
    (tmp_path / "params.json").write_text(json.dumps(TINY.to_params()))
    return tmp_path


def edit(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))


def test_config_json_of_transformers_4_and_5_and_every_head_dim(hf_folder):
    path = hf_folder / "config.json"
    edit(
        path,
        rope_theta="absent",
        rope_parameters={"rope_theta": 500.0, "rope_type": "default"},
        torch_dtype="absent",
        dtype="float32",
        layer_types=["sliding_attention"] * 2,
    )
    assert load_config(hf_folder) == TINY
    for head_dim in ("absent", None):
        edit(path, head_dim=head_dim, sliding_window=None, layer_types="absent")
        assert (load_config(hf_folder).head_dim, load_config(hf_folder).sliding_window) == (4, None)


def test_what_config_json_leaves_out_is_taken_from_transformers_and_said(hf_folder):
    transformers = pytest.importorskip("transformers")
    edit(hf_folder / "config.json", rope_theta="absent", sliding_window="absent", rms_norm_eps="absent")
    theirs = transformers.MistralConfig()
    with pytest.warns(ConfigNotice) as notices:
        config = load_config(hf_folder)
    assert len(notices) == 3
    assert (config.sliding_window, config.norm_eps) == (theirs.sliding_window, theirs.rms_norm_eps)
    assert config.rope_theta == theirs.rope_parameters["rope_theta"]
    assert read_config(hf_folder)[1] == tuple(str(notice.message) for notice in notices)


def test_keys_of_other_programs_are_ignored_with_a_notice_and_a_null_base_beside_a_nested_one_is_none(hf_folder):
    path = hf_folder / "config.json"
    before = load_config(hf_folder)
    edit(
        path,
        unsloth_version="2026.1",
        _model_name_or_path="x",
        cls_token_id=None,
        use_sliding_window=False,
        rope_theta=None,
        rope_parameters={"rope_theta": 500.0, "rope_type": "default"},
    )
    config, notices = read_config(hf_folder)
    assert config == before
    assert notices == (
        "config.json has _model_name_or_path, cls_token_id, unsloth_version, use_sliding_window, "
        "which change nothing here",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "gemma"}, "model_type is 'gemma', only 'mistral', 'ministral', 'llama' can be run"),
        ({"model_type": "llama"}, "architectures is .*sliding_window is 5, and Llama has none"),
        ({"model_type": ["llama"]}, "model_type is"),
        ({"rope_interleaved": True}, "half a head apart"),
        (
            {"model_type": "ministral", "architectures": ["MinistralForCausalLM"], "layer_types": ["full_attention"]},
            "one for each layer",
        ),
        ({"architectures": ["MistralForSequenceClassification"]}, "architectures"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"attention_bias": True}, "biases"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ({"rope_parameters": {"rope_theta": 500.0, "rope_type": "yarn", "factor": 4.0}}, "rope_type must be default"),
        ({"rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}}, "rope_theta is given as 500.0 and as 7.0"),
        ({"partial_rotary_factor": 0.5}, "every pair"),
        ({"quantization_config": {"quant_method": "gptq"}}, "before quantisation"),
        ({"num_local_experts": 8}, "unknown keys num_local_experts"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "contradict sliding_window 5"),
        ({"hidden_size": "absent", "num_hidden_layers": "absent"}, "lacks hidden_size, num_hidden_layers"),
        ({"hidden_size": 18, "head_dim": None}, "second must divide the first"),
        ({"sliding_window": 0}, "sliding_window is 0"),
        ({"num_attention_heads": 3}, "n_heads is 3 and n_kv_heads is 2"),
    ],
)
def test_config_json_of_another_network_is_refused(hf_folder, changes, reason):
    edit(hf_folder / "config.json", **changes)
    with pytest.raises(ValueError, match=reason):
        load_config(hf_folder)


def test_all_reasons_against_a_config_json_come_together():
    with pytest.raises(CheckpointError, match=r"model_type.*hidden_act.*unknown keys.*lacks"):
        config_from_hugging_face({"model_type": "x", "hidden_act": "gelu", "foo": 1})


def test_params_json_of_v01_names_no_theta(mistral_folder):
    edit(mistral_folder / "params.json", rope_theta="absent")
    with pytest.warns(ConfigNotice, match="taking 10000"):
        assert load_config(mistral_folder).rope_theta == 10_000


@pytest.mark.parametrize("content", ["{", "[1]", "", '"x"', "\xff", '{"dim": ' + 100_000 * "["])
def test_a_configuration_that_is_no_json_object(mistral_folder, content):
    (mistral_folder / "params.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"params.json"):
        load_config(mistral_folder)


@pytest.mark.parametrize(("consolidated", "dim"), [(True, 16), (False, 8)])
def test_of_two_configurations_the_one_with_weights_is_read(tmp_path, consolidated, dim):
    """Published folders often carry both layouts; params.json counts where its weights are there."""
    (tmp_path / "params.json").write_text(json.dumps(TINY.to_params()))
    other = MistralConfig(**{**TINY.to_params(), "dim": 8})
    (tmp_path / "config.json").write_text(json.dumps(config_to_hugging_face(other, "float32")))
    if consolidated:
        (tmp_path / "consolidated.safetensors").touch()
    assert load_config(tmp_path).dim == dim


def test_a_configuration_is_read_without_torch():
    code = (
        "import sys; from mistral_core.checkpoint.configuration import load_config; load_config(sys.argv[1]); "
        "from mistral_core import tokenizer; from mistral_core.checkpoint import registry; print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, str(root / "assets/models/storyteller")]
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout == "False\n"
