"""Model folders: both layouts against transformers, every kind of damage."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mistral_core.checkpoint import load as load_module
from mistral_core.checkpoint.configuration import load_config
from mistral_core.checkpoint.folder import INDEX_FILE, CheckpointError
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

torch.set_num_threads(1)
BUNDLED = Path(__file__).parents[3] / "assets/models/storyteller"
TOKENIZER = BUNDLED / "tokenizer.model"
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
TOKENS = torch.randint(3, 4096, (2, 13), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model():
    return random_model(TINY, seed=1, std=0.4)


@pytest.fixture
def mistral_folder(tmp_path, model):
    save_mistral(model, tmp_path / "m", TOKENIZER)
    return tmp_path / "m"


@pytest.fixture
def hf_folder(tmp_path, model):
    save_hugging_face(model, tmp_path / "h", TOKENIZER)
    return tmp_path / "h"


def relative_error(got, wanted):
    return float((got - wanted).abs().max() / wanted.abs().max())


def rewrite(folder, change, file="consolidated.safetensors"):
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file)


def edit(path, **changes):
    content = json.loads(path.read_text())
    content |= changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))


def split(folder, file, names, index=None):
    """Rewrites one safetensors file as two shards."""
    tensors = load_file(folder / file)
    halves = sorted(tensors)[::2], sorted(tensors)[1::2]
    for name, keys in zip(names, halves, strict=True):
        save_file({key: tensors[key] for key in keys}, folder / name)
    (folder / file).unlink()
    if index:
        weight_map = {key: name for name, keys in zip(names, halves, strict=True) for key in keys}
        (folder / index).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


# --- the two layouts


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


# --- damage


def test_all_defects_of_the_tensors_come_in_one_error(mistral_folder):
    def damage(tensors):
        del tensors["layers.1.attention.wk.weight"], tensors["norm.weight"]
        tensors["layers.0.feed_forward.w4.weight"] = torch.zeros(2, 2)
        tensors["layers.0.attention.wq.weight"] = torch.zeros(16, 24)
        tensors["layers.1.ffn_norm.weight"] = torch.ones(16, dtype=torch.int8)

    rewrite(mistral_folder, damage)
    with pytest.raises(CheckpointError) as caught:
        load_model(mistral_folder)
    message = str(caught.value)
    for part in (
        "5 defects",
        "missing: layers.1.attention.wk.weight [12, 16]",
        "missing: norm.weight [16]",
        "extra: layers.0.feed_forward.w4.weight [2, 2]",
        "wrong shape: layers.0.attention.wq.weight is [16, 24], must be [24, 16]",
        "wrong type: layers.1.ffn_norm.weight is I8, must be one of BF16, F16, F32, F64",
    ):
        assert part in message


def test_layers_that_the_file_does_not_hold_are_counted_not_built(mistral_folder):
    """A thousand layers are possible; what a configuration claims is held against the tensors before it is built."""
    edit(mistral_folder / "params.json", n_layers=1000)
    with pytest.raises(CheckpointError, match=r"\(8982 defects\): missing: layers.2\.") as caught:
        load_model(mistral_folder)
    assert "layers.3." in str(caught.value)
    assert str(caught.value).endswith("and 8962 more of the kind")
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize(("key", "value"), [("n_layers", 10**9), ("sliding_window", 2**63), ("vocab_size", 10**12)])
def test_a_configuration_of_no_possible_network_is_refused_at_once(mistral_folder, key, value):
    edit(mistral_folder / "params.json", **{key: value})
    with pytest.raises(ValueError, match=rf"{key} is {value}; no published network has more"):
        load_model(mistral_folder)


def test_defects_carry_the_names_of_the_file(hf_folder):
    rewrite(hf_folder, lambda tensors: tensors.pop("lm_head.weight"), "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: lm_head.weight \[4096, 16\]"):
        load_model(hf_folder)


def test_a_tied_output_that_is_stored_must_equal_the_embedding(hf_folder):
    edit(hf_folder / "config.json", tie_word_embeddings=True)
    with pytest.raises(CheckpointError, match=r"lm_head.weight differs from the embedding"):
        load_model(hf_folder)

    def tie(tensors):
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()

    rewrite(hf_folder, tie, "model.safetensors")
    assert load_model(hf_folder).model.output is None


def test_derived_rotary_tables_of_old_files_are_left_alone(hf_folder):
    key = "model.layers.0.self_attn.rotary_emb.inv_freq"
    rewrite(hf_folder, lambda tensors: tensors.update({key: torch.zeros(3)}), "model.safetensors")
    load_model(hf_folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(mistral_folder, value):
    def spoil(tensors):
        tensors["layers.0.attention.wo.weight"][3, 4] = value

    rewrite(mistral_folder, spoil)
    with pytest.raises(CheckpointError, match=r"layers.0.attention.wo.weight holds NaN or infinite"):
        load_model(mistral_folder)


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_truncated_files_are_named(mistral_folder, kept):
    path = mistral_folder / "consolidated.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"consolidated.safetensors is not a complete safetensors file"):
        load_model(mistral_folder)


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".pkl"])
def test_pickles_are_refused_unopened(mistral_folder, suffix):
    (mistral_folder / "consolidated.safetensors").unlink()
    (mistral_folder / f"weights{suffix}").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for path in (mistral_folder, mistral_folder / f"weights{suffix}"):
        with pytest.raises(CheckpointError, match=r"can run any program when opened"):
            load_model(path)


@pytest.mark.parametrize(
    ("shard", "reason"),
    [
        ("gone.safetensors", "gone.safetensors is missing"),
        ("../h/model-1.safetensors", "not the name of a file in the model's folder"),
        ("/etc/passwd", "not the name of a file"),
        ("..", "not the name of a file"),
        ("pytorch_model-1.bin", "can run any program"),
    ],
)
def test_an_index_reaches_nothing_but_shards_beside_it(hf_folder, shard, reason):
    index = hf_folder / "model.safetensors.index.json"
    split(hf_folder, "model.safetensors", ["model-1.safetensors", "model-2.safetensors"], index.name)
    weight_map = json.loads(index.read_text())["weight_map"]
    edit(index, weight_map={**weight_map, "lm_head.weight": shard})
    with pytest.raises(CheckpointError, match=reason):
        load_model(hf_folder)


def test_one_tensor_in_two_shards_is_refused(mistral_folder):
    shutil.copy(mistral_folder / "consolidated.safetensors", mistral_folder / "consolidated-2.safetensors")
    with pytest.raises(CheckpointError, match=r"norm.weight is both in consolidated-2.safetensors and in"):
        load_model(mistral_folder)


def test_folders_without_parts_say_which(tmp_path, mistral_folder):
    with pytest.raises(CheckpointError, match="is not a folder"):
        load_model(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"neither params.json .* nor config.json"):
        load_model(tmp_path / "empty")
    (mistral_folder / "tokenizer.model").unlink()
    with pytest.raises(ValueError, match="no tokenizer at"):
        load_model(mistral_folder)
    (mistral_folder / "tekken.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tekken.json; a tokenizer.model is needed"):
        load_model(mistral_folder)
    (mistral_folder / "consolidated.safetensors").unlink()
    shutil.copy(TOKENIZER, mistral_folder)
    with pytest.raises(CheckpointError, match="has no weights"):
        load_model(mistral_folder)


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(tmp_path):
    save_mistral(random_model(MistralConfig(**{**TINY._raw(), "vocab_size": 4000})), tmp_path, TOKENIZER)
    with pytest.raises(CheckpointError, match="4096 tokens, but the network only 4000"):
        load_model(tmp_path)


def test_more_embedding_rows_than_pieces_are_refused(tmp_path):
    """A token of such a row has no text: the run would stop in the middle of one."""
    save_mistral(random_model(MistralConfig(**{**TINY._raw(), "vocab_size": 4100})), tmp_path, TOKENIZER)
    with pytest.raises(CheckpointError, match=r"4096 tokens, but the network has 4100: .* 4096 to 4099 .* no text"):
        load_model(tmp_path)


@pytest.mark.parametrize("how", ["another file", "the same file", "another shape", "params.json", "tokenizer.model"])
def test_files_that_change_while_they_are_read_are_refused(tmp_path, mistral_folder, monkeypatch, how):
    """Tensors are read one by one; a file exchanged in between would give two versions under a hash of neither."""
    shape = {"dim": 8} if how == "another shape" else {}
    other = random_model(MistralConfig(**{**TINY._raw(), **shape}), seed=9, std=0.4)
    save_mistral(other, tmp_path / "other", TOKENIZER)
    name = how if "." in how else "consolidated.safetensors"
    add, left = load_module.add_to_hash, [3]

    def exchange(*arguments):
        left[0] -= 1
        if left[0] == 0 and how == "the same file":
            (mistral_folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
        elif left[0] == 0:
            os.replace(tmp_path / "other" / name, mistral_folder / name)
        add(*arguments)

    monkeypatch.setattr(load_module, "add_to_hash", exchange)
    with pytest.raises(CheckpointError, match=rf"{name}.* changed while .* read.* load it again"):
        load_model(mistral_folder)
    assert left[0] <= 0
    monkeypatch.undo()
    if not shape:
        load_model(mistral_folder)


def test_a_stray_file_beside_indexed_shards_is_refused(hf_folder):
    """Nobody can say which of the two is the model; the single file used to win without a word."""
    whole = (hf_folder / "model.safetensors").read_bytes()
    split(hf_folder, "model.safetensors", ["model-1.safetensors", "model-2.safetensors"], INDEX_FILE)
    (hf_folder / "model.safetensors").write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"both model.safetensors and shards .*model-1.safetensors.*remove"):
        load_model(hf_folder)
    (hf_folder / INDEX_FILE).write_text(json.dumps({"weight_map": {"lm_head.weight": "model.safetensors"}}))
    load_model(hf_folder)  # an index of that very file is no second model
    (hf_folder / INDEX_FILE).unlink()
    with pytest.raises(CheckpointError, match=r"both model.safetensors and shards .*model-1.safetensors"):
        load_model(hf_folder)


def test_a_stray_file_of_mistrals_layout_is_refused(mistral_folder):
    shutil.copy(mistral_folder / "consolidated.safetensors", mistral_folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"both consolidated.safetensors and model.safetensors.*remove"):
        load_model(mistral_folder)
    shutil.copy(BUNDLED / "config.json", mistral_folder)
    load_model(mistral_folder)  # published folders carry both layouts whole; Mistral's own is read


@pytest.mark.parametrize("scale", [0.0, 1e30])
@pytest.mark.parametrize("name", ["tok_embeddings.weight", "output.weight", "layers.0.feed_forward.w2.weight"])
def test_weights_that_say_nothing_are_refused_at_load(mistral_folder, scale, name):
    """All logits 0 (an embedding of zeros, an overflow that the norm turns into 0) or none at all write noise."""

    def spoil(tensors):
        for key in tensors if scale else [name]:
            tensors[key] = tensors[key] * scale

    rewrite(mistral_folder, spoil)
    if name.startswith("layers") and not scale:
        load_model(mistral_folder)  # a projection of zeros is what some trainings begin with
        return
    with pytest.raises(
        CheckpointError, match=r"computes nothing: .* first token are .*(all 0|not finite).* in float32"
    ):
        load_model(mistral_folder)


def test_weights_of_a_bundled_model_are_those_that_came_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(load_module, "bundled_root", lambda: tmp_path)
    shutil.copytree(BUNDLED.parent / "relay", tmp_path / "relay")
    load_model(tmp_path / "relay")

    def nudge(tensors):
        tensors["model.norm.weight"][0] += 1

    rewrite(tmp_path / "relay", nudge, "model.safetensors")
    with pytest.raises(CheckpointError, match=r"weights of relay .* not those .* came with .* again"):
        load_model(tmp_path / "relay")
    monkeypatch.undo()
    load_model(tmp_path / "relay")  # elsewhere it is anybody's model


def test_names_of_the_bundled_file():
    with safe_open(BUNDLED / "model.safetensors", framework="pt") as file:
        stored = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    shapes = expected_shapes(load_config(BUNDLED))
    assert {hugging_face_name(name): shape for name, shape in shapes.items()} == stored


# --- memory
