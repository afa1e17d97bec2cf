"""A Mistral written a second time, one number after the other, straight from the papers.

It shares nothing with `mistral_core` but the configuration: no torch, no matrix of keys, no mask,
no ring. Loops over layers, positions, heads and visible keys, in float64. Slow, and meant to be
held beside the formulas:

    RMSNorm    Zhang & Sennrich 2019, equation 4, with eps under the root
    RoPE       Su et al. 2021, equation 34: the complex number a + ib of pair i times exp(i p theta_i)
    GQA        Ainslie et al. 2023, figure 2: query heads in consecutive groups share one key/value head
    window     "Mistral 7B" section 2: a cache of W entries, so the query's own key and the W - 1 before it
    SwiGLU     Shazeer 2020, equation 5
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence

import numpy as np

from mistral_core.config import MistralConfig

Array = np.ndarray


def weights_of(model) -> dict[str, Array]:
    """The parameters of a torch module as float64 arrays, by name."""
    return {name: value.detach().double().cpu().numpy().copy() for name, value in model.state_dict().items()}


def rms_norm(x: Array, gain: Array, eps: float) -> tuple[float, Array, Array]:
    """Divisor, quotient and output for one vector."""
    scale = math.sqrt(math.fsum(float(v) ** 2 for v in x) / len(x) + eps)
    normalized = np.array([v / scale for v in x])
    return scale, normalized, np.array([n * g for n, g in zip(normalized, gain, strict=True)])


def rope(head: Array, position: int, theta: float) -> Array:
    """One head's vector turned for its position: adjacent pairs as complex numbers."""
    turned = []
    for i in range(len(head) // 2):
        angle = position / theta ** (2 * i / len(head))
        z = complex(head[2 * i], head[2 * i + 1]) * cmath.exp(1j * angle)
        turned += [z.real, z.imag]
    return np.array(turned)


def softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    total = math.fsum(powers)
    return [p / total for p in powers]


def silu(x: float) -> float:
    return x / (1.0 + math.exp(-x)) if x >= 0 else x * math.exp(x) / (1.0 + math.exp(x))


def visible_keys(query: int, window: int | None) -> range:
    """Positions a query sees in a text that starts at 0: itself and the W - 1 before it."""
    return range(0 if window is None else max(0, query - window + 1), query + 1)


def forward(weights: Mapping[str, Array], config: MistralConfig, tokens: Sequence[int]) -> dict[str, Array]:
    """Every named tensor of a pass over one whole text.

    Returns:
        hook name -> array without the batch axis; `hook_logits` is `[pos, vocab_size]`.
    """
    seen: dict[str, Array] = {}
    stream = [weights["tok_embeddings.weight"][token] for token in tokens]
    seen["hook_embed"] = np.array(stream)
    for layer in range(config.n_layers):
        stream = _block(weights, config, layer, stream, seen)
    scales, quotients, logits = [], [], []
    output = weights["tok_embeddings.weight"] if config.tied_embeddings else weights["output.weight"]
    for x in stream:
        scale, normalized, final = rms_norm(x, weights["norm.weight"], config.norm_eps)
        scales.append([scale])
        quotients.append(normalized)
        logits.append(output @ final)
    seen["norm.hook_scale"], seen["norm.hook_normalized"] = np.array(scales), np.array(quotients)
    seen["hook_logits"] = np.array(logits)
    return seen


def logits(weights: Mapping[str, Array], config: MistralConfig, tokens: Sequence[int]) -> Array:
    """`[pos, vocab_size]`."""
    return forward(weights, config, tokens)["hook_logits"]


def _block(weights, config: MistralConfig, layer: int, stream: list[Array], seen: dict[str, Array]) -> list[Array]:
    at = f"layers.{layer}."
    kept: dict[str, list] = {}

    def keep(name: str, value) -> None:
        kept.setdefault(at + name, []).append(np.array(value))

    normed = []
    for x in stream:
        keep("hook_resid_pre", x)
        scale, normalized, out = rms_norm(x, weights[at + "attention_norm.weight"], config.norm_eps)
        keep("attention_norm.hook_scale", [scale])
        keep("attention_norm.hook_normalized", normalized)
        normed.append(out)
    attended = _attention(weights, config, layer, normed, keep, seen)
    after = []
    for x, added in zip(stream, attended, strict=True):
        mid = x + added
        keep("hook_attn_out", added)
        keep("hook_resid_mid", mid)
        scale, normalized, out = rms_norm(mid, weights[at + "ffn_norm.weight"], config.norm_eps)
        keep("ffn_norm.hook_scale", [scale])
        keep("ffn_norm.hook_normalized", normalized)
        fed = _feed_forward(weights, at + "feed_forward.", out, keep)
        keep("hook_mlp_out", fed)
        keep("hook_resid_post", mid + fed)
        after.append(mid + fed)
    seen.update({name: np.array(rows) for name, rows in kept.items()})
    return after


def _attention(weights, config: MistralConfig, layer: int, normed: list[Array], keep, seen) -> list[Array]:
    at, width, n = f"layers.{layer}.attention.", config.head_dim, len(normed)
    queries, keys, values = [], [], []
    for position, x in enumerate(normed):
        q = (weights[at + "wq.weight"] @ x).reshape(config.n_heads, width)
        k = (weights[at + "wk.weight"] @ x).reshape(config.n_kv_heads, width)
        v = (weights[at + "wv.weight"] @ x).reshape(config.n_kv_heads, width)
        queries.append([rope(head, position, config.rope_theta) for head in q])
        keys.append([rope(head, position, config.rope_theta) for head in k])
        values.append(v)
        for name, value in (("q", q), ("k", k), ("v", v), ("rot_q", queries[-1]), ("rot_k", keys[-1])):
            keep(f"attention.hook_{name}", value)
    scores = np.full((config.n_heads, n, n), -np.inf)
    pattern = np.zeros((config.n_heads, n, n))
    out = []
    group = config.n_heads // config.n_kv_heads
    for position in range(n):
        z = np.zeros((config.n_heads, width))
        for head in range(config.n_heads):
            shared = head // group
            seen_here = visible_keys(position, config.windows[layer])
            raw = [
                math.fsum(queries[position][head][d] * keys[k][shared][d] for d in range(width)) / math.sqrt(width)
                for k in seen_here
            ]
            for k, score, share in zip(seen_here, raw, softmax(raw), strict=True):
                scores[head, position, k], pattern[head, position, k] = score, share
                z[head] += share * values[k][shared]
        wo = weights[at + "wo.weight"]
        parts = [wo[:, head * width : (head + 1) * width] @ z[head] for head in range(config.n_heads)]
        keep("attention.hook_z", z)
        keep("attention.hook_result", parts)
        out.append(np.sum(parts, axis=0))
    seen[at + "hook_attn_scores"], seen[at + "hook_pattern"] = scores, pattern
    return out


def _feed_forward(weights, at: str, x: Array, keep) -> Array:
    gate, value = weights[at + "w1.weight"] @ x, weights[at + "w3.weight"] @ x
    hidden = np.array([silu(float(g)) * u for g, u in zip(gate, value, strict=True)])
    for name, kept in (("pre", gate), ("pre_linear", value), ("post", hidden)):
        keep(f"feed_forward.hook_{name}", kept)
    return weights[at + "w2.weight"] @ hidden
