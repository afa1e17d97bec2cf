"""What the tensors of a network are called, how large they are, and in which order their rows lie.

Three layouts exist. Mistral's own is the one this program thinks in. GGUF has other names and the same order of
rows. Hugging Face's has other names too, and stores the rows of wq and wk so that rotary pairs lie half a head apart
("half-split"); here and in the other two they are neighbours. Both directions are in this file.

Source: mistral-inference (names); transformers `convert_mistral_weights_to_hf.py`, `permute`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.checkpoint.folder import GGUF, HUGGING_FACE
from mistral_core.config import MistralConfig

_TO_HF = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_TO_GGUF = {
    "attention.wq": "attn_q",
    "attention.wk": "attn_k",
    "attention.wv": "attn_v",
    "attention.wo": "attn_output",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w2": "ffn_down",
    "feed_forward.w3": "ffn_up",
    "attention_norm": "attn_norm",
    "ffn_norm": "ffn_norm",
}
_TO_GGUF_TOP = {"tok_embeddings": "token_embd", "norm": "output_norm", "output": "output"}
_TO_HF_TOP = {"tok_embeddings": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}


def expected_shapes(config: MistralConfig) -> dict[str, tuple[int, ...]]:
    """Mistral's name of every tensor of the network, and its shape (rows = output features).

    >>> from mistral_core.config import MISTRAL_7B
    >>> expected_shapes(MISTRAL_7B)["layers.0.attention.wk.weight"]
    (1024, 4096)
    """
    c = config
    query, stored = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "attention.wq": (query, c.dim),
        "attention.wk": (stored, c.dim),
        "attention.wv": (stored, c.dim),
        "attention.wo": (c.dim, query),
        "feed_forward.w1": (c.hidden_dim, c.dim),
        "feed_forward.w2": (c.dim, c.hidden_dim),
        "feed_forward.w3": (c.hidden_dim, c.dim),
        "attention_norm": (c.dim,),
        "ffn_norm": (c.dim,),
    }
    shapes: dict[str, tuple[int, ...]] = {"tok_embeddings.weight": (c.vocab_size, c.dim)}
    for index in range(c.n_layers):
        shapes |= {f"layers.{index}.{part}.weight": shape for part, shape in layer.items()}
    shapes["norm.weight"] = (c.dim,)
    if not c.tied_embeddings:
        shapes["output.weight"] = (c.vocab_size, c.dim)
    return shapes


def hugging_face_name(name: str) -> str:
    """Hugging Face's name of the tensor that Mistral calls `name`.

    >>> hugging_face_name("layers.3.feed_forward.w2.weight")
    'model.layers.3.mlp.down_proj.weight'

    Raises:
        KeyError: the network has no such tensor.
    """
    stem = name.removesuffix(".weight")
    if stem in _TO_HF_TOP:
        return f"{_TO_HF_TOP[stem]}.weight"
    _, index, part = stem.split(".", 2)
    return f"model.layers.{index}.{_TO_HF[part]}.weight"


def gguf_name(name: str) -> str:
    """llama.cpp's name of the tensor that Mistral calls `name`.

    >>> gguf_name("layers.3.feed_forward.w2.weight")
    'blk.3.ffn_down.weight'

    Raises:
        KeyError: the network has no such tensor.
    """
    stem = name.removesuffix(".weight")
    if stem in _TO_GGUF_TOP:
        return f"{_TO_GGUF_TOP[stem]}.weight"
    _, index, part = stem.split(".", 2)
    return f"blk.{index}.{_TO_GGUF[part]}.weight"


def rotary_heads(config: MistralConfig, name: str) -> int | None:
    """Heads of a tensor whose rows the two layouts order differently; `None` for all others."""
    heads = {"attention.wq.weight": config.n_heads, "attention.wk.weight": config.n_kv_heads}
    return next((count for suffix, count in heads.items() if name.endswith(suffix)), None)


def file_name(name: str, layout: str) -> str:
    """What a folder of this layout calls the tensor that Mistral calls `name`."""
    if layout == GGUF:
        return gguf_name(name)
    return hugging_face_name(name) if layout == HUGGING_FACE else name


def from_half_split(weight: Float[Tensor, "rows dim"], heads: int) -> Float[Tensor, "rows dim"]:
    """Rows of wq or wk from Hugging Face's order to Mistral's: `(0, d/2, 1, d/2 + 1, ...)` in each head.

    >>> from_half_split(torch.arange(8.0)[:, None], heads=2).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
    """
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def to_half_split(weight: Float[Tensor, "rows dim"], heads: int) -> Float[Tensor, "rows dim"]:
    """The inverse of `from_half_split`: features `(0, 2, 4, ..., 1, 3, 5, ...)` of each head."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def hash_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over name, dtype, shape and bytes of tensors, in the order given.

    The hash of a model takes them by Mistral's names, sorted, in Mistral's row order and in the
    dtype of the file.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors:
        add_to_hash(digest, name, tensor)
    return digest.hexdigest()


def add_to_hash(digest: Any, name: str, tensor: Tensor) -> None:
    """Adds one tensor to a digest of `hashlib`, as `hash_tensors` does."""
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
