"""A Mistral written a second time, from the papers, in float64 and from the files themselves.

It shares nothing with the network that is checked: it reads configuration and tensors from the folder, by the
names and in the row order of the file, and computes one whole text with plain matrices. So it needs no stored
numbers, and rows that were not converted, pairs that are not turned, another gate, eps, theta or window show.

    RMSNorm    x / sqrt(mean(x^2) + eps) * gain                        Zhang & Sennrich 2019 (arXiv 1910.07467)
    RoPE       pair i at position p times exp(i p theta^(-2i / d))     Su et al. 2021 (arXiv 2104.09864)
    GQA        consecutive query heads share a key/value head          Ainslie et al. 2023 (arXiv 2305.13245)
    window     the query's own key and the W - 1 before it             "Mistral 7B" (arXiv 2310.06825), section 2
    SwiGLU     w2 (SiLU(w1 x) * w3 x)                                  Shazeer 2020 (arXiv 2002.05202)

The two features of a pair lie side by side in Mistral's files (`wq`) and in GGUF (`attn_q`), half a head apart in
Hugging Face's (`q_proj`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from mistral_core.checkpoint.folder import GGUF, HUGGING_FACE, MISTRAL, detect_layout, read_json, weight_files

_COLUMNS = {MISTRAL: 0, HUGGING_FACE: 1, GGUF: 2}
_LAYOUTS = {  # ours, Mistral's, Hugging Face's, llama.cpp's; a layer's number takes the place of {}
    "embedding": ("tok_embeddings", "model.embed_tokens", "token_embd"),
    "last norm": ("norm", "model.norm", "output_norm"),
    "output": ("output", "lm_head", "output"),
    "norm 1": ("layers.{}.attention_norm", "model.layers.{}.input_layernorm", "blk.{}.attn_norm"),
    "q": ("layers.{}.attention.wq", "model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
    "k": ("layers.{}.attention.wk", "model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
    "v": ("layers.{}.attention.wv", "model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
    "o": ("layers.{}.attention.wo", "model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
    "norm 2": ("layers.{}.ffn_norm", "model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
    "gate": ("layers.{}.feed_forward.w1", "model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"),
    "up": ("layers.{}.feed_forward.w3", "model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"),
    "down": ("layers.{}.feed_forward.w2", "model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
}
_NUMBERS: dict[
    str, tuple[str, str, str, Any]
] = {  # in params.json, config.json and GGUF; what transformers takes where its file is silent
    "layers": ("n_layers", "num_hidden_layers", "llama.block_count", None),
    "heads": ("n_heads", "num_attention_heads", "llama.attention.head_count", None),
    "kv_heads": ("n_kv_heads", "num_key_value_heads", "llama.attention.head_count_kv", 8),
    "dim": ("dim", "hidden_size", "llama.embedding_length", None),
    "head_dim": ("head_dim", "head_dim", "llama.attention.key_length", None),
    "eps": ("norm_eps", "rms_norm_eps", "llama.attention.layer_norm_rms_epsilon", 1e-6),
    "theta": ("rope_theta", "rope_theta", "llama.rope.freq_base", None),
    "window": ("sliding_window", "sliding_window", "llama.attention.sliding_window", 4096),
}
_NULL = {"sliding_window", "num_key_value_heads"}
"""Keys whose null says something: no window, as many as query heads. Any other null is a key that is not there."""
QUERIES = 256
"""Rows of scores made at once, so that a long text needs little memory."""
KEPT_BYTES = 2**28
"""Of tensors kept for the next text; those of a large model are read again."""


def _as_mistral_inference_reads(params: dict[str, Any]) -> dict[str, Any]:
    """A window under its other name, and the rotary base where the file names none."""
    window = params.get("sliding_window") or params.get("_sliding_window")
    some = any(window) if isinstance(window, list) else window is not None
    return {"rope_theta": 1e4 if some else 1e6, **params, "sliding_window": window}


class Reference:
    """The network that the files of a folder describe.

    Args:
        folder: of a model, in any layout.
        weights: dtype that the stored weights are rounded to first; float64 = as they are stored.
        instead: weights in place of the stored ones, by Mistral's names and in the order of its rows.

    Attributes:
        half_split: whether pairs of `q` and `k` are taken half a head apart; set from the layout.
        windows: of the layers. head_dim: features of a head.
    """

    def __init__(
        self, folder: Path, weights: torch.dtype = torch.float64, instead: Callable[[str], Tensor | None] | None = None
    ) -> None:
        layout = detect_layout(folder)
        self.half_split, self._column, self._weights = layout == HUGGING_FACE, _COLUMNS[layout], weights
        self._instead = instead
        self._gguf: dict[str, Any] = {}
        if layout == GGUF:
            given, self._gguf = read_gguf(weight_files(folder, layout)[0])
        else:
            given = read_json(folder / ("params.json", "config.json")[self._column])
        places = (given, given.get("rope_scaling") or {}, given.get("rope_parameters") or {})
        given = {key: value for place in places for key, value in place.items() if value is not None or key in _NULL}
        if layout == MISTRAL:
            given = _as_mistral_inference_reads(given)
        silent = layout == HUGGING_FACE
        number: dict[str, Any] = {
            ours: given.get(keys[self._column], keys[3] if silent else None) for ours, keys in _NUMBERS.items()
        }
        self._eps, self._theta, self._heads = float(number["eps"]), float(number["theta"] or 1e4), int(number["heads"])
        self.head_dim = int(number["head_dim"] or number["dim"] // self._heads)
        if (
            given.get("model_type") == "llama"
        ):  # has no windows, and as many key/value heads as heads where it is silent
            number |= {"window": None, "kv_heads": given.get("num_key_value_heads")}
        pattern = number["window"] if isinstance(number["window"], list) else [number["window"]]
        if given.get("model_type") == "ministral" and given.get("layer_types"):
            pattern = [number["window"] if kind == "sliding_attention" else None for kind in given["layer_types"]]
        self._kv_heads = int(number["kv_heads"] or self._heads)
        self.windows = [pattern[layer % len(pattern)] for layer in range(number["layers"])]
        if instead is not None:
            self.half_split, self._column = False, _COLUMNS[MISTRAL]
        self._files: dict[str, Path] = {}
        self._kept: dict[str, Tensor] = {}
        for path in [] if layout == GGUF else weight_files(folder, layout):
            with safe_open(path, framework="pt") as file:
                self._files |= dict.fromkeys(file.keys(), path)

    def logits(self, tokens: Sequence[int], n_layers: int | None = None) -> Float[Tensor, "pos vocab_size"]:
        """Logits after every token, float64; `n_layers`: only the first layers, between embedding and output."""
        embedding = self._stored("embedding")
        x = embedding[list(tokens)]
        for layer, window in enumerate(self.windows[:n_layers]):
            x = x + self._attention(self._norm(x, "norm 1", layer), layer, window)
            y = self._norm(x, "norm 2", layer)
            gate = y @ self._stored("gate", layer).T
            x = x + (gate / (1 + torch.exp(-gate)) * (y @ self._stored("up", layer).T)) @ self._stored("down", layer).T
        return self._norm(x, "last norm") @ (self._stored("output") if self._has("output") else embedding).T

    def _attention(self, x: Tensor, layer: int, window: int | None) -> Tensor:
        q, k, v = ((x @ self._stored(name, layer).T).unflatten(1, (-1, self.head_dim)) for name in "qkv")
        q, k, at, heads = self._turned(q), self._turned(k), torch.arange(len(x)), []
        for head in range(self._heads):
            shared, parts = head * self._kv_heads // self._heads, []
            for query in at.split(QUERIES):
                back = query[:, None] - at
                seen = (back >= 0) & (back < (window or len(x)))
                scores = q[query, head] @ k[:, shared].T / self.head_dim**0.5
                power = torch.exp(scores - scores.where(seen, -torch.inf).amax(1, keepdim=True)).where(seen, 0.0)
                parts.append(power @ v[:, shared] / power.sum(1, keepdim=True))
            heads.append(torch.cat(parts))
        return torch.cat(heads, 1) @ self._stored("o", layer).T

    def _turned(self, x: Tensor) -> Tensor:
        half = self.head_dim // 2
        a, b = x.unflatten(2, (2, half)).unbind(2) if self.half_split else x.unflatten(2, (half, 2)).unbind(3)
        place, pair = torch.arange(len(x), dtype=torch.float64), torch.arange(half, dtype=torch.float64)
        angle = place[:, None, None] / self._theta ** (pair / half)
        # The order of the features of a result is free: a score sums over them.
        return torch.cat((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), 2)

    def _norm(self, x: Tensor, name: str, layer: int | None = None) -> Tensor:
        return x / (x.square().mean(1, keepdim=True) + self._eps).sqrt() * self._stored(name, layer)

    def _name(self, name: str, layer: int | None = None) -> str:
        return f"{_LAYOUTS[name][self._column].format(layer)}.weight"

    def _has(self, name: str) -> bool:
        key = self._name(name)
        return key in self._files | self._gguf if self._instead is None else self._instead(key) is not None

    def _stored(self, name: str, layer: int | None = None) -> Tensor:
        key = self._name(name, layer)
        if key in self._kept:
            return self._kept[key]
        if self._instead is not None:
            given = self._instead(key)
            if given is None:
                raise ValueError(f"no weights are given for {key}; give all of the network's")
            stored = given
        elif key in self._gguf:
            stored = torch.from_numpy(self._gguf[key]())
        else:
            with safe_open(self._files[key], framework="pt") as file:
                stored = file.get_tensor(key)
        stored = stored.to(self._weights).double()
        if stored.nbytes + sum(tensor.nbytes for tensor in self._kept.values()) <= KEPT_BYTES:
            self._kept[key] = stored
        return stored


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, Callable[[], np.ndarray]]]:
    """The numbers of a GGUF file, and what reads each tensor, all by the reader of the `gguf` package."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    reader = GGUFReader(path)
    numbers = {key: field.contents() for key, field in reader.fields.items() if key.startswith("llama.")}

    def reading(tensor: Any) -> Callable[[], np.ndarray]:
        return lambda: np.array(dequantize(tensor.data, tensor.tensor_type), np.float32).reshape(tensor.shape[::-1])

    return numbers, {tensor.name: reading(tensor) for tensor in reader.tensors}
