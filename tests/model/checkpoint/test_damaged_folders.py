"""Model folders that cannot be one model: every kind of damage is refused in a sentence."""

import json
import math
import os
import shutil

import pytest
import torch

from mistral_core.checkpoint import load as load_module
from mistral_core.checkpoint.folder import INDEX_FILE, CheckpointError
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_mistral
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from tests.model.checkpoint.folders import BUNDLED, TINY, TOKENIZER, edit, rewrite, split

torch.set_num_threads(1)


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
    assert str(caught.value).endswith("and 8975 more of the kind")
    assert len(str(caught.value)) < 600


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
        ("x" * 5000, "x{60}… is missing"),
        ("\0", "is missing"),
        ("a\x1b[31mb", r"'a\\x1b\[31mb' is missing"),
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


def test_a_configuration_without_end_is_not_read(mistral_folder):
    with (mistral_folder / "params.json").open("ab") as file:
        file.truncate(2**33)  # a hole: it takes no room on the disk
    with pytest.raises(
        CheckpointError, match=r"params.json has 8,589,934,592 bytes; no configuration .* copy it again"
    ):
        load_model(mistral_folder)


def test_one_tensor_in_two_shards_is_refused(mistral_folder):
    shutil.copy(mistral_folder / "consolidated.safetensors", mistral_folder / "consolidated-2.safetensors")
    with pytest.raises(CheckpointError, match=r"wk.weight is both in consolidated-2.safetensors and in"):
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
    with pytest.raises(CheckpointError, match=r"tekken\.json has no config with a pattern"):
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


def test_what_does_not_fit_is_refused_before_anything_is_taken_and_says_what_would(mistral_folder, monkeypatch):
    from mistral_core.checkpoint import load

    config = load_model(mistral_folder).config
    weights = sum(math.prod(shape) for shape in load.expected_shapes(config).values())
    biggest = 4 * config.vocab_size * config.dim
    monkeypatch.setattr(load, "_read_weights", lambda *_: pytest.fail("weights were read"))
    monkeypatch.setattr(load, "free_bytes", lambda: 3 * weights + biggest)
    with pytest.raises(CheckpointError, match=r"weights and needs .* as float32, but .* load it as bfloat16"):
        load_model(mistral_folder)
    monkeypatch.setattr(load, "free_bytes", lambda: weights)
    with pytest.raises(CheckpointError, match="free memory, or take a smaller model"):
        load_model(mistral_folder)
