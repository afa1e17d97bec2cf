"""Published configurations: each is read as what it is known to be, or refused by the name of the key that is why."""

import json

import pytest

from mistral_core.analysis.accounting import kv_bytes_per_token, kv_cache_bytes, parameter_count, without_gqa
from mistral_core.checkpoint.configuration import published_text, read_published
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.published import windows_in_words
from tests.model.checkpoint import gguf_files
from tests.model.checkpoint.published_files import CONFIG_JSON, PARAMS_JSON, REFUSED

EVERY = [("config.json", name, known) for name, known in CONFIG_JSON.items()]
EVERY += [("params.json", name, known) for name, known in PARAMS_JSON.items()]
LLAMA = CONFIG_JSON["Llama 2 7B"].content
MISTRAL = CONFIG_JSON["Mistral 7B v0.1"].content
PARAMS = PARAMS_JSON["Mistral Nemo 12B"].content
MIB, GIB = 2**20, 2**30


def read(content):
    return published_text(json.dumps(content), "the text")


@pytest.mark.parametrize(("file", "name", "known"), EVERY, ids=lambda value: value if isinstance(value, str) else "")
def test_a_published_file_is_the_model_that_it_is_known_to_be(file, name, known):
    published = read(known.content)
    config = published.config
    assert parameter_count(config)["total"] == known.parameters
    assert kv_bytes_per_token(config) == known.per_token == kv_cache_bytes(config, 1)
    assert windows_in_words(config.windows) == known.windows
    assert published.trained_context == known.trained
    assert published.layout == ("Hugging Face" if file == "config.json" else "Mistral")
    assert {*published.read, *published.ignored} == set(known.content)
    assert not {*published.read} & {*published.ignored}


@pytest.mark.parametrize("name", sorted(set(CONFIG_JSON) - {"Ministral 8B by layer"}))
def test_transformers_counts_the_same_parameters(name):
    """Its networks, built without memory; what is known of them stands in the table, and this is a third count."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    content = CONFIG_JSON[name].content
    kind = {"mistral": transformers.MistralConfig, "llama": transformers.LlamaConfig}[content["model_type"]]
    config = kind(**{key: value for key, value in content.items() if key not in ("torch_dtype", "architectures")})
    with torch.device("meta"):
        network = transformers.AutoModelForCausalLM.from_config(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == CONFIG_JSON[name].parameters
    assert config.head_dim == read(content).config.head_dim


def test_both_layouts_of_a_model_are_one_configuration():
    for name, known in PARAMS_JSON.items():
        assert read(known.content).config == read(CONFIG_JSON[name].content).config


def test_the_ring_of_mistral_at_32k_is_what_the_paper_saves():
    config = read(MISTRAL).config
    held = [kv_cache_bytes(config, 32768)]
    held += [kv_cache_bytes(other.with_window(None), 32768) for other in (config, without_gqa(config))]
    assert held == [512 * MIB, 4 * GIB, 16 * GIB]
    assert config.exact_reach() == 32 * 4095


@pytest.mark.parametrize("name", REFUSED)
def test_another_network_is_refused_by_the_names_of_its_keys(name):
    content, keys = REFUSED[name]
    with pytest.raises(ValueError) as refusal:
        read(content)
    assert all(key in str(refusal.value) for key in keys), str(refusal.value)
    assert len(str(refusal.value)) < 600
    fine = {"attention_bias", "mlp_bias", "hidden_size", "use_sliding_window", "pretraining_tp"}
    assert not [key for key in fine - set(keys) if key in str(refusal.value)]
    if isinstance(refusal.value, CheckpointError):
        assert len(refusal.value.problems) >= 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_name_or_path", "somewhere"),
        ("_model_name_or_path", "somewhere"),
        ("attention_bias", False),
        ("attention_dropout", 0.1),
        ("bos_token_id", 7),
        ("cls_token_id", None),
        ("eos_token_id", [2, 7]),
        ("initializer_range", 0.5),
        ("is_llama_config", True),
        ("max_position_embeddings", 12),
        ("mlp_bias", False),
        ("partial_rotary_factor", 1.0),
        ("pretraining_tp", 2),
        ("quantization_config", None),
        ("rope_interleaved", False),
        ("rope_scaling", None),
        ("torch_dtype", "float32"),
        ("transformers.js_config", {"dtype": "q4"}),
        ("unsloth_version", "2025.1"),
        ("use_cache", False),
        ("use_sliding_window", False),
        ("a_key_that_nobody_knows", None),
    ],
)
def test_a_key_without_effect_is_named_and_changes_nothing(key, value):
    published = read({**LLAMA, key: value})
    assert key in published.ignored and key not in published.read
    assert published.config == read(LLAMA).config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attention_bias", True),
        ("mlp_bias", True),
        ("hidden_act", "gelu"),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}),
        ("partial_rotary_factor", 0.5),
        ("rope_interleaved", True),
        ("rope_scaling", {"type": "linear", "factor": 2.0}),
        ("rope_parameters", {"rope_type": "yarn", "factor": 4.0}),
        ("sliding_window", 4096),
        ("attn_logit_softcapping", 50.0),
        ("logit_scale", 0.0625),
        ("num_local_experts", 8),
    ],
)
def test_a_key_that_changes_the_network_refuses_it_by_name(key, value):
    with pytest.raises(CheckpointError, match=key):
        read({**LLAMA, key: value})


@pytest.mark.parametrize(
    ("base", "key", "same_as"),
    [
        (LLAMA, "head_dim", {}),
        (LLAMA, "rope_theta", {}),
        (LLAMA, "rope_parameters", {}),
        (LLAMA, "hidden_act", {}),
        (LLAMA, "tie_word_embeddings", {}),
        (LLAMA, "architectures", {}),
        (LLAMA, "layer_types", {}),
        (LLAMA, "rms_norm_eps", {"rms_norm_eps": 1e-6}),  # transformers' own, with a notice
        (MISTRAL, "sliding_window", {"sliding_window": None}),  # says: none
        (MISTRAL, "num_key_value_heads", {"num_key_value_heads": 32}),  # says: as many as query heads
        (PARAMS, "rope_theta", {"rope_theta": 1e6}),
        (PARAMS, "sliding_window", {}),
        (PARAMS, "moe", {}),
        (PARAMS, "tied_embeddings", {}),
    ],
)
def test_a_null_says_nothing_but_for_two_keys(base, key, same_as):
    """`head_dim` null is hidden_size / heads, a null window is none: in each case what transformers builds."""
    published = read({**base, key: None})
    assert published.config == read({**base, **same_as}).config
    assert (key in published.ignored) == (base is not MISTRAL)


@pytest.mark.parametrize(("base", "key"), [(LLAMA, "vocab_size"), (PARAMS, "dim"), (PARAMS, "norm_eps")])
def test_a_null_where_a_number_is_needed_is_a_key_that_is_lacking(base, key):
    with pytest.raises(ValueError, match=rf"lacks {key}"):
        read({**base, key: None})


def test_a_null_base_beside_a_nested_one_is_none():
    nested = {"rope_theta": 5e5, "rope_type": "default"}
    assert read({**LLAMA, "rope_theta": None, "rope_parameters": nested}).config.rope_theta == 5e5
    assert (
        read({**LLAMA, "rope_theta": 5e5, "rope_parameters": {**nested, "rope_theta": None}}).config.rope_theta == 5e5
    )
    with pytest.raises(CheckpointError, match=r"rope_theta is given as 10000\.0 and as 500000.0"):
        read({**LLAMA, "rope_theta": 1e4, "rope_parameters": nested})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is not readable as JSON"),
        ("hello", "the text is not readable as JSON"),
        ("[1, 2]", "holds a JSON list"),
        ("{}", "neither the keys of a config.json .* nor those of a params.json"),
        ('{"weight_map": {}}', "neither the keys"),
        (
            '{"model_type": "distilbert", "dim": 768, "n_layers": 6, "architectures": ["X"]}',
            "model_type is 'distilbert'",
        ),
        ('{"dim": 8, "hidden_size": 8}', "unknown keys dim"),
        ('{"dim": 8}', "params.json lacks"),
    ],
)
def test_a_text_that_is_no_configuration_is_a_sentence(text, reason):
    with pytest.raises(ValueError, match=reason):
        published_text(text, "the text")


def test_a_mark_of_the_byte_order_is_no_part_of_the_text():
    assert published_text("\ufeff" + json.dumps(MISTRAL), "x").config == read(MISTRAL).config


@pytest.mark.parametrize(
    ("said", "trained"),
    [(4096, 4096), (None, None), ("long", None), (True, None), (0, None), (-5, None), (2**60, None), (8.5, None)],
)
def test_the_context_of_the_training_limits_nothing_and_nonsense_is_none(said, trained):
    published = read({**LLAMA, "max_position_embeddings": said})
    assert published.trained_context == trained
    assert published.config == read(LLAMA).config


def test_a_gguf_file_says_its_context_too(tmp_path):
    gguf_files.write(tmp_path)
    assert read_published(tmp_path).trained_context == 512 == load_model(tmp_path).trained_context
    gguf_files.write(tmp_path, leave_out=("llama.context_length",))
    assert read_published(tmp_path).trained_context is None
