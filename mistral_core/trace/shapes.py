"""What the hooks of a network are called in a trace, and the shape of what one position contributes to each.

Attention is stored by offset: column `o` of a query at position `q` is the key at `q - o`. Where a configuration keeps
first positions ("sinks") beside a window of W, column `W + p` is the key at position `p` < sinks, as long as that is
outside the window.
"""

from __future__ import annotations

import numpy as np

from mistral_core.config import MistralConfig, Window

LOGITS = "hook_logits"
PATTERN, KEYS, VALUES = "attention.hook_pattern", "attention.hook_rot_k", "attention.hook_v"
BY_OFFSET = frozenset({PATTERN, "attention.hook_attn_scores"})
"""Hooks whose tensor has a key axis; stored by offset."""


def layer_hook(layer: int, suffix: str) -> str:
    """The full name of a hook of one layer: `layers.3.attention.hook_pattern`."""
    return f"layers.{layer}.{suffix}"


def hook_shapes(config: MistralConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shape of one position's row for every hook; a key axis is written as 0 (its width varies)."""
    c = config
    q, kv = (c.n_heads, c.head_dim), (c.n_kv_heads, c.head_dim)
    layer: dict[str, tuple[int, ...]] = {
        "hook_resid_pre": (c.dim,),
        "hook_resid_mid": (c.dim,),
        "hook_resid_post": (c.dim,),
        "attention_norm.hook_scale": (1,),
        "attention_norm.hook_normalized": (c.dim,),
        "ffn_norm.hook_scale": (1,),
        "ffn_norm.hook_normalized": (c.dim,),
        "attention.hook_q": q,
        "attention.hook_k": kv,
        VALUES: kv,
        "attention.hook_rot_q": q,
        KEYS: kv,
        "attention.hook_attn_scores": (c.n_heads, 0),
        PATTERN: (c.n_heads, 0),
        "attention.hook_z": q,
        "attention.hook_result": (c.n_heads, c.dim),
        "hook_attn_out": (c.dim,),
        "feed_forward.hook_pre": (c.hidden_dim,),
        "feed_forward.hook_pre_linear": (c.hidden_dim,),
        "feed_forward.hook_post": (c.hidden_dim,),
        "hook_mlp_out": (c.dim,),
    }
    model: dict[str, tuple[int, ...]] = {
        "hook_embed": (c.dim,),
        "norm.hook_scale": (1,),
        "norm.hook_normalized": (c.dim,),
        LOGITS: (c.vocab_size,),
    }
    return {"model": model, "layer": layer}


def row_shape(config: MistralConfig, name: str, max_context: int) -> tuple[int, ...]:
    """Shape of what one position contributes to the array called `name`."""
    shapes = hook_shapes(config)
    if name in shapes["model"]:
        return shapes["model"][name]
    _, layer, suffix = name.split(".", 2)
    shape = shapes["layer"][suffix]
    if suffix in BY_OFFSET:
        return (shape[0], offset_width(config.windows[int(layer)], max_context, config.sinks))
    return shape


def offset_width(window: Window, max_context: int, sinks: int = 0) -> int:
    """Columns needed to store one query's attention: the window and the sinks outside it, at most the context."""
    return max_context if window is None else min(window + sinks, max_context)


def key_positions(queries: np.ndarray, width: int, window: Window) -> np.ndarray:
    """Which key each column stands for: `[queries, width]` positions, -1 where there is none.

    Args:
        queries: positions. width: of the stored rows. window: of the layer.

    >>> key_positions(np.arange(5), 3, 2).tolist()  # a window of 2, and position 0 kept
    [[0, -1, -1], [1, 0, -1], [2, 1, 0], [3, 2, 0], [4, 3, 0]]
    """
    offsets = np.arange(width)
    keys = np.maximum(queries[:, None] - offsets, -1)
    if window is not None and width > window:
        kept = offsets[window:] - window
        keys[:, window:] = np.where(queries[:, None] - kept >= window, kept, -1)
    return keys
