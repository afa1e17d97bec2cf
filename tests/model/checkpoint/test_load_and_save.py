"""Model folders: both layouts against transformers, and what is saved is what is loaded."""

import os
import shutil

import pytest
import torch
from safetensors import safe_open

from mistral_core.checkpoint.configuration import load_config
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.checkpoint.tensors import (
    expected_shapes,
    from_half_split,
    hash_tensors,
    hugging_face_name,
    to_half_split,
)
from mistral_core.config import MistralConfig
from mistral_core.model import Transformer, random_model
from mistral_core.verification.reference import Reference
from tests.model.checkpoint.folders import BUNDLED, TINY, TOKENIZER, TOKENS, relative_error, rewrite, split

torch.set_num_threads(1)


def test_expected_shapes_are_those_of_the_network():
    for config in (TINY, MistralConfig(**{**TINY._raw(), "tied_embeddings": True})):
        state = Transformer(config).state_dict()
        assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected_shapes(config)


@pytest.mark.parametrize("layout", ["mistral", "hf"])
def test_what_is_saved_is_loaded_bit_for_bit(layout, model, mistral_folder, hf_folder):
    loaded = load_model({"mistral": mistral_folder, "hf": hf_folder}[layout])
    assert loaded.config == TINY
    assert loaded.notices == ()
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("a king")) == "a king"


@pytest.mark.parametrize("tied", [False, True])
def test_saved_folders_run_the_same_in_transformers(tmp_path, tied):
    transformers = pytest.importorskip("transformers")
    model = random_model(MistralConfig(**{**TINY._raw(), "tied_embeddings": tied}), seed=2, std=0.4)
    save_hugging_face(model, tmp_path)
    theirs = transformers.MistralForCausalLM.from_pretrained(tmp_path, dtype=torch.float32, attn_implementation="eager")
    assert relative_error(model(TOKENS), theirs(TOKENS, use_cache=False).logits.detach()) < 1e-4


FAMILIES = {
    "llama": {"num_key_value_heads": 2},
    "llama, silent on its key/value heads": {},
    "ministral, windows by turns": {
        "num_key_value_heads": 2, "sliding_window": 5,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "nemo, wide heads": {"num_key_value_heads": 2, "head_dim": 10, "sliding_window": None},
}  # fmt: skip


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_families_of_this_network_run_as_in_transformers_past_three_windows(tmp_path, family, tied):
    """In shards, and token by token too; the reference that `verify` uses reads them the same way."""
    transformers = pytest.importorskip("transformers")
    name = {"llama": "Llama", "ministral": "Ministral", "nemo": "Mistral"}[family.partition(",")[0]]
    config = getattr(transformers, f"{name}Config")(
        **{
            "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4, "head_dim": 6,
            "intermediate_size": 24, "vocab_size": 4096, "rms_norm_eps": 1e-5, "tie_word_embeddings": tied,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}, "initializer_range": 0.4,
        }
        | FAMILIES[family]
    )  # fmt: skip
    torch.manual_seed(5)
    theirs = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    theirs.set_attn_implementation("eager")
    theirs.save_pretrained(tmp_path, max_shard_size="100KB")
    shutil.copy(TOKENIZER, tmp_path)
    loaded = load_model(tmp_path)
    tokens = torch.randint(3, 4096, (1, 24), generator=torch.Generator().manual_seed(2))
    wanted = theirs(tokens, use_cache=False).logits.detach()
    assert relative_error(loaded.model(tokens), wanted) < 1e-4
    cache = loaded.model.empty_kv_cache(max_context=24)
    step_by_step = torch.cat([loaded.model(tokens[:, t : t + 1], kv_cache=cache) for t in range(24)], 1)
    assert relative_error(step_by_step, wanted) < 1e-4
    assert relative_error(Reference(tmp_path).logits(tokens[0].tolist()), wanted[0].double()) < 1e-4


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("shard_size", ["1GB", "100KB"])
def test_folders_written_by_transformers_run_the_same_here(tmp_path, tied, shard_size):
    transformers = pytest.importorskip("transformers")
    theirs_config = transformers.MistralConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=6,
        intermediate_size=24,
        vocab_size=4096,
        rms_norm_eps=1e-5,
        sliding_window=5,
        tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        initializer_range=0.4,
    )
    torch.manual_seed(3)
    theirs = transformers.MistralForCausalLM(theirs_config).eval()
    theirs.set_attn_implementation("eager")
    theirs.save_pretrained(tmp_path, max_shard_size=shard_size)
    shutil.copy(TOKENIZER, tmp_path)
    assert (tmp_path / "model.safetensors.index.json").exists() == (shard_size == "100KB")
    loaded = load_model(tmp_path)
    assert loaded.config == MistralConfig(**{**TINY._raw(), "tied_embeddings": tied})
    assert relative_error(loaded.model(TOKENS), theirs(TOKENS, use_cache=False).logits.detach()) < 1e-4


def test_rotary_rows_are_turned_both_ways():
    rows = torch.arange(12.0)[:, None] * torch.ones(1, 3)
    assert to_half_split(rows, heads=2)[:, 0].tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]
    assert torch.equal(from_half_split(to_half_split(rows, 2), 2), rows)


def test_shards_and_the_other_file_name_of_mistrals_layout(model, mistral_folder, hf_folder):
    whole = load_model(mistral_folder).model_hash
    split(mistral_folder, "consolidated.safetensors", [f"consolidated-0000{i}-of-00002.safetensors" for i in (1, 2)])
    split(
        hf_folder, "model.safetensors", ["model-1.safetensors", "model-2.safetensors"], "model.safetensors.index.json"
    )
    assert load_model(mistral_folder).model_hash == load_model(hf_folder).model_hash == whole
    other = mistral_folder.parent / "other"
    save_mistral(model, other, TOKENIZER)
    (other / "consolidated.safetensors").rename(other / "model.safetensors")
    assert load_model(other).model_hash == whole


def test_the_hash_depends_on_weights_and_file_dtype_alone(tmp_path, model, mistral_folder, hf_folder):
    first = load_model(mistral_folder)
    assert load_model(hf_folder, dtype=torch.bfloat16).model_hash == first.model_hash
    assert hash_tensors(sorted(model.state_dict().items())) == first.model_hash
    save_mistral(model, tmp_path / "half", TOKENIZER, dtype=torch.bfloat16)
    half = load_model(tmp_path / "half")
    save_hugging_face(model, tmp_path / "half_hf", TOKENIZER, dtype=torch.bfloat16)
    assert load_model(tmp_path / "half_hf").model_hash == half.model_hash != first.model_hash

    def nudge(tensors):
        tensors["norm.weight"][0] += 1

    rewrite(mistral_folder, nudge)
    assert load_model(mistral_folder).model_hash != first.model_hash


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_compute_dtype_is_the_callers(dtype, hf_folder):
    loaded = load_model(hf_folder, dtype=dtype)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {dtype}
    assert loaded.model(TOKENS).dtype == dtype


def test_the_file_may_be_replaced_after_loading(mistral_folder):
    """Weights are copies, not views of the open file: a shortened file must not crash a running model."""
    loaded = load_model(mistral_folder)
    before = loaded.model(TOKENS)
    os.truncate(mistral_folder / "consolidated.safetensors", 100)
    assert torch.equal(loaded.model(TOKENS), before)


def test_a_folder_with_two_layouts_is_never_written(mistral_folder, hf_folder, model):
    for save, folder in ((save_hugging_face, mistral_folder), (save_mistral, hf_folder)):
        with pytest.raises(ValueError, match="already holds"):
            save(model, folder)
    save_mistral(model, mistral_folder)  # the same layout is replaced


def test_layers_with_different_windows_need_mistrals_layout(tmp_path):
    model = random_model(TINY.with_window((3, None)), seed=1)
    with pytest.raises(ValueError, match=r"windows \[3, None\].*Mistral's layout"):
        save_hugging_face(model, tmp_path / "h")
    assert not (tmp_path / "h").exists()
    save_mistral(model, tmp_path / "m", TOKENIZER)
    assert load_model(tmp_path / "m").config.windows == (3, None)


def test_names_of_the_bundled_file():
    with safe_open(BUNDLED / "model.safetensors", framework="pt") as file:
        stored = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    shapes = expected_shapes(load_config(BUNDLED))
    assert {hugging_face_name(name): shape for name, shape in shapes.items()} == stored
