"""GGUF files: what is read of small ones equals what was written, and what cannot be read is refused in a sentence."""

from __future__ import annotations

import math
import random
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.checkpoint import registry
from mistral_core.checkpoint.configuration import read_config
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.gguf_folder import READ, header_of, read_tensor
from mistral_core.checkpoint.gguf_header import StoredTensor, bytes_of, read_header
from mistral_core.checkpoint.load import load_model
from mistral_core.verification.reference import Reference
from tests.model.checkpoint import gguf_files
from tests.model.checkpoint.gguf_files import CONFIG, write

TEXT = torch.randint(3, CONFIG.vocab_size, (1, 40), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("window", [None, 7])
def test_weights_and_numbers_are_those_that_were_written(tmp_path, tied, window):
    config = replace(CONFIG, tied_embeddings=tied, sliding_window=window)
    values = [("llama.attention.sliding_window", window)] if window else []
    written = write(tmp_path, config, values=values)
    loaded = load_model(tmp_path)
    assert loaded.config.with_window(window) == replace(config, norm_eps=loaded.config.norm_eps)
    assert loaded.config.norm_eps == pytest.approx(1e-5, rel=1e-6), "stored in float32"
    for name, tensor in written.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name
    theirs = Reference(tmp_path).logits(TEXT[0].tolist())
    assert torch.allclose(loaded.model(TEXT)[0].double(), theirs, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_tensors_are_what_the_package_makes_of_them(tmp_path, kind):
    """And near what was written: within half a step of the largest number of a block."""
    written = write(tmp_path, kind=kind)
    loaded = load_model(tmp_path)
    step = {"F16": 1e-3, "BF16": 8e-3, "Q8_0": 1e-2, "Q4_0": 0.14, "Q4_1": 0.14, "Q5_0": 0.07, "Q5_1": 0.07}[kind]
    for name, tensor in written.state_dict().items():
        got = loaded.model.state_dict()[name]
        assert (got - tensor).abs().max() <= step * tensor.abs().max(), name
        assert tensor.ndim == 1 or not torch.equal(got, tensor)
    theirs = Reference(tmp_path).logits(TEXT[0].tolist())  # the same blocks by the package's own reader
    assert torch.allclose(loaded.model(TEXT)[0].double(), theirs, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("kind", gguf_files.SCALES)
def test_k_quants_compute_what_another_forward_reads_from_the_same_blocks(tmp_path, kind):
    write(tmp_path, replace(CONFIG, dim=256, n_heads=8, hidden_dim=512), kind=kind)
    logits = load_model(tmp_path).model(TEXT)[0].double()
    theirs = Reference(tmp_path).logits(TEXT[0].tolist())  # by the package's own reader
    assert logits.std() > 1e-3
    assert torch.allclose(logits, theirs, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("kind", READ)
def test_every_type_that_is_read_has_blocks_whose_size_is_known(tmp_path, kind):
    from gguf.constants import GGMLQuantizationType

    path = tmp_path / "blocks"
    tensor = StoredTensor(name="t", shape=(2, 512), kind=GGMLQuantizationType[kind].value, offset=0)
    path.write_bytes(bytes(bytes_of(tensor)))
    header = type(read_header(write_small(tmp_path)))(path=path, values={}, tensors={}, size=path.stat().st_size)
    assert np.array_equal(read_tensor(header, tensor), np.zeros((2, 512), np.float32))


def write_small(tmp_path):
    write(tmp_path / "small")
    return tmp_path / "small" / "model.gguf"


REFUSED = {
    "another architecture": ({"architecture": "gemma2"}, "architecture 'gemma2'"),
    "rope scaling": ({"values": [("llama.rope.scaling.type", "yarn")]}, "rope.scaling.type is 'yarn'"),
    "experts": ({"values": [("llama.expert_count", 8)]}, "expert_count is 8: a mixture of experts"),
    "unknown key": ({"values": [("llama.logit_scale", 0.5)]}, "unknown keys llama.logit_scale"),
    "no width": ({"leave_out": ["llama.embedding_length"]}, "it lacks llama.embedding_length"),
    "no shape": ({"change": lambda state: state.pop("token_embd.weight")}, "no matrix token_embd.weight"),
    "a bias": ({"change": lambda s: s.update({"blk.0.attn_q.bias": np.zeros(128, np.float32)})}, "is a bias"),
    "scaled angles": ({"change": lambda s: s.update({"rope_freqs.weight": np.ones(16, np.float32)})}, "rope_freqs"),
    "missing": ({"change": lambda state: state.pop("blk.1.ffn_up.weight")}, r"missing: blk.1.ffn_up.weight \[96, 64\]"),
    "extra": ({"change": lambda s: s.update({"blk.7.x.weight": np.ones((2, 32), np.float32)})}, "extra: blk.7.x"),
    "wrong shape": (
        {"change": lambda s: s.update({"output_norm.weight": np.ones(32, np.float32)})}, r"is \[32\], must be \[64\]"
    ),
    "not a number": (
        {"change": lambda s: s["blk.0.ffn_up.weight"].fill(np.nan)}, "layers.0.feed_forward.w3.weight holds NaN"
    ),
    "two widths": ({"values": [("llama.rope.dimension_count", 16)]}, r"a head the widths \[32, 16\]"),
    "huge": ({"values": [("llama.block_count", 10**9)]}, "n_layers is 1000000000"),
    "no scores": ({"model": "llama"}, "lacks tokenizer.ggml.scores"),
    "other tokenizer": ({"model": "t5"}, "put the tokenizer.model of the model's source beside it"),
    "other cuts": ({"pre": "qwen2"}, "cuts texts as 'qwen2' does; known are smollm, gpt-2, llama-bpe, tekken"),
    "a merge of nothing": ({"merges": ["t h", "x yz"]}, "merges 'x yz'"),
    "tokens too few": ({"tokens": gguf_files.TOKENS[:-1], "merges": gguf_files.MERGES[:-1]}, "has 263 tokens, but the network has 264"),
    "no bytes": ({"tokens": [*gguf_files.TOKENS[:-1], "日"], "merges": gguf_files.MERGES[:-1]}, "stands for no byte"),
    "a token twice": ({"tokens": [*gguf_files.TOKENS[:-1], "an"], "merges": gguf_files.MERGES[:-1]}, "1 tokens twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_this_network_is_refused_by_name(tmp_path, case):
    options, said = REFUSED[case]
    write(tmp_path, **options)
    with pytest.raises(ValueError, match=said):
        load_model(tmp_path)


NONSENSE = ["abc", "", "32", math.nan, math.inf, 32.5, -1, True, [1, 2], [1.5], ["a", "b"]]
SENSE = {"llama.rope.freq_base": [32.5], "tokenizer.ggml.add_bos_token": [True]}
CHECKED = [
    *("general.architecture", "general.alignment", "llama.block_count", "llama.embedding_length"),
    *("llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv"),
    *("llama.attention.key_length", "llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base"),
    *("llama.attention.sliding_window", "llama.expert_count", "llama.rope.scaling.type", "tokenizer.ggml.model"),
    *("tokenizer.ggml.pre", "tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type"),
    *("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_bos_token"),
]


@pytest.mark.parametrize("key", CHECKED)
def test_a_value_of_another_kind_is_refused_with_what_it_is_and_whose(tmp_path, key):
    """Such a file is well formed, so no bound on bytes catches it."""
    for value in NONSENSE:
        if value in SENSE.get(key, []):
            continue
        write(tmp_path, instead={key: value})
        with pytest.raises(ValueError, match=r"model\.gguf|it must be|tokens, but the network") as refusal:
            load_model(tmp_path)
        assert len(str(refusal.value)) < 1000, value


def test_values_that_change_nothing_are_said_or_ignored(tmp_path):
    write(
        tmp_path, instead={"llama.vocab_size": 7, "llama.context_length": "long", "llama.attention.sliding_window": 0}
    )
    loaded = load_model(tmp_path)
    assert loaded.notices == ("model.gguf says vocab_size 7; taking the embedding's 264 rows",)
    assert set(loaded.config.windows) == {None}
    write(tmp_path, leave_out=["llama.rope.freq_base"])
    assert load_model(tmp_path).config.rope_theta == 10_000
    write(tmp_path, instead={"llama.rope.freq_base": 0})
    with pytest.raises(ValueError, match="rope_theta is 0"):
        load_model(tmp_path)


def test_tokens_of_a_type_that_cuts_texts_otherwise_are_refused(tmp_path):
    types = [3 if token in gguf_files.CONTROL else 1 for token in gguf_files.TOKENS]
    write(tmp_path, instead={"tokenizer.ggml.token_type": [*types[:-1], 6]})
    with pytest.raises(CheckpointError, match="token 263, 'and', the type 6"):
        load_model(tmp_path)
    write(tmp_path, instead={"tokenizer.ggml.tokens": list(range(264))})
    with pytest.raises(CheckpointError, match="tokens or merges that are no texts"):
        load_model(tmp_path)


def test_a_sentence_stays_short_whatever_the_file_holds(tmp_path):
    many = {f"llama.k{number}": 1 for number in range(2000)}
    for instead in ({"general.architecture": "x" * 10**6}, {"llama." + "k" * 5000: 1}, {"": 1}, many):
        write(tmp_path, instead=instead)
        with pytest.raises(CheckpointError) as refusal:
            load_model(tmp_path)
        assert len(str(refusal.value)) < 600


def test_files_that_are_none(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is empty"):
        read_config(tmp_path)
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(CheckpointError, match="does not begin with GGUF"):
        read_config(tmp_path)
    (tmp_path / "second.gguf").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"must have one \.gguf file, and has model\.gguf, second\.gguf"):
        read_config(tmp_path)


def test_a_header_that_claims_more_than_there_is_builds_nothing(tmp_path):
    path = write_small(tmp_path)
    whole = path.read_bytes()
    for at, what in ((8, "tensors"), (16, "metadata keys"), (24, "the length of a metadata key|a metadata key")):
        for claim in (2**60, 2**63, 2**32):
            path.write_bytes(whole[:at] + struct.pack("<Q", claim) + whole[at + 8 :])
            with pytest.raises(CheckpointError, match=what):
                read_header(path)
    where = whole.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens") + 8  # after two types: the count
    path.write_bytes(whole[:where] + struct.pack("<Q", 2**60) + whole[where + 8 :])
    with pytest.raises(CheckpointError, match=r"entries of tokenizer\.ggml\.tokens"):
        read_header(path)
    path.write_bytes(whole[:4] + struct.pack("<I", 9) + whole[8:])
    with pytest.raises(CheckpointError, match="GGUF version 9"):
        read_header(path)


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    path = write_small(tmp_path)
    whole = path.read_bytes()
    for end in [*range(0, 6000, 131), *range(6000, len(whole), 9973), len(whole) - 1]:
        path.write_bytes(whole[:end])
        with pytest.raises(CheckpointError):
            read_config(path.parent)


def test_damaged_bytes_are_refused_or_harmless(tmp_path):
    """400 files with a few bytes of the header changed: a sentence or a network, never another error."""
    path = write_small(tmp_path)
    whole = path.read_bytes()
    begin = min(tensor.offset for tensor in header_of(path).tensors.values())
    draw, refused = random.Random(0), 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(begin)] = draw.choice((0, 1, 255, draw.randrange(256)))
        path.write_bytes(data)
        try:
            read_config(path.parent)
            load_model(path.parent)
        except ValueError as error:
            refused += 1
            assert len(str(error)) > 20
    assert 100 < refused < 400


def test_a_folder_with_such_a_file_is_offered_like_any_other(tmp_path, monkeypatch):
    write(tmp_path / "mine")
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path))
    assert registry.resolve_browser("mine") == tmp_path / "mine"
    assert not registry.is_bundled(tmp_path / "mine")
