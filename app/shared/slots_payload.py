"""Keys and values of a run as the browser gets them; neither torch nor Streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.shared.run_payload import RunLike
from mistral_core.config import MistralConfig
from mistral_core.trace.trace import KEYS, VALUES, layer_hook


def records_slots(trace: RunLike) -> bool:
    """Whether a run keeps the keys and values of all its layers."""
    return all(has_hook(trace, layer, hook) for layer in range(trace.config.n_layers) for hook in (KEYS, VALUES))


def has_hook(trace: RunLike, layer: int, hook: str) -> bool:
    """Whether a run keeps what a hook of a layer gave."""
    return layer_hook(layer, hook) in getattr(trace, "arrays", {})


def slots_bytes(config: MistralConfig, tokens: int) -> int:
    """Bytes of the keys and values of so many tokens, all layers, as float32."""
    return tokens * config.n_layers * 2 * config.n_kv_heads * config.head_dim * 4


def stacked(trace: RunLike, hook: str, layers: Sequence[int], tokens: slice = slice(None)) -> np.ndarray:
    """`[n, layers, n_kv_heads, head_dim]` of these tokens, float32."""
    return np.stack([np.asarray(trace[layer_hook(layer, hook)][tokens], np.float32) for layer in layers], axis=1)
