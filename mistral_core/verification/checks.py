"""The checks of the network, each against something written independently of what it tests.

    golden logits        another program's numbers       = a dense pass
    cached decode        the ring, token by token        = one dense pass
    chunked prefill      the ring, in chunks around W    = one dense pass
    ring contents        slot p % W                      = key and value of position p, bit for bit
    grouped queries      the model's attention           = every head with its own copied keys, in loops
    explicit attention   the model's attention           = torch's fused one

The operation on the left can be replaced by a faulty one; the right side never is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mistral_core.analysis.accounting import parameter_count
from mistral_core.attention import Attention
from mistral_core.checkpoint.golden import load_golden
from mistral_core.checkpoint.variants import in_dtype
from mistral_core.config import Window
from mistral_core.hooks import recording
from mistral_core.model import Transformer
from mistral_core.verification.operations import Substitutes
from mistral_core.verification.subject import (
    FLOAT32_BOUND,
    FLOAT64_BOUND,
    LARGE_MODEL,
    STATED_CHUNK,
    CheckResult,
    Subject,
    dense_reference,
    difference,
    join,
    name_of,
    result,
    skipped,
    worse,
    worst_of,
)

GOLDEN_BOUND = 2e-6
"""Allowed difference from stored logits, relative to the largest one.

The model computes in float64, so what is measured is the rounding of the stored numbers, the same on every
processor: on the bundled models, which have transformers' float32, 4e-7 to 8.1e-7; 6e-8 where the reference made them.
Faults lie above it: theta x 1.001 at 3.0e-6 behind windows of 4 and from 3.2e-5 behind wider ones, eps 1e-6 for
1e-5 from 5.1e-5.
"""
Reference = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Attention of one text: `(q, keys, values, visible) -> z`, shapes as in `by_loops`."""


def golden_logits(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """The whole model against numbers that another program made from the same file, in float64 if it is not large."""
    name, loaded = "golden logits", subject.loaded
    large = parameter_count(loaded.config)["total"] > LARGE_MODEL
    dtype, share = (torch.float32, FLOAT32_BOUND) if large else (torch.float64, GOLDEN_BOUND)
    compared = f"dense logits with those that are stored, {name_of(dtype)}"
    golden = load_golden(loaded.folder)
    if golden is None:
        return [skipped(name, compared, "no golden.safetensors beside the weights; `golden` makes one")]
    if loaded.model.dtype not in (torch.float32, torch.float64):
        return [skipped(name, compared, "the model is loaded in half precision; load it as float32 to compare")]
    if loaded.weights != "float32":
        return [skipped(name, compared, f"the weights are kept in {loaded.weights}; keep them in float32 to compare")]
    logits = operations.dense(in_dtype(loaded.model, dtype), torch.from_numpy(golden.tokens)[None])[0]
    error, largest = golden.max_error(logits.numpy())
    note = f"{len(golden.positions)} positions of {len(golden.tokens)} tokens, by {golden.made_by}"
    if golden.model_hash != loaded.model_hash:
        note += "; stored for other weights (their hashes differ)"
    return [result(name, compared, error, share * largest, note)]


def cached_decode(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Token by token through the ring, past four windows."""
    results = []
    for dtype, model in subject.models.items():
        reference = dense_reference(model, subject.tokens)
        error, bound = difference(operations.decode(model, subject.tokens), reference, subject.share)
        compared = f"logits decoded token by token with a dense pass, {name_of(dtype)}"
        note = join(f"{subject.tokens.shape[1]} tokens", subject.note)
        results.append(result("cached decode", compared, error, bound, note))
    return results


def chunked_prefill(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """In chunks shorter than, equal to and longer than each window."""
    windows = {window or STATED_CHUNK for window in subject.windows}
    sizes = sorted({1, 3} | {n for w in (min(windows), max(windows)) for n in (w - 1, w, w + 1, 2 * w + 3)} - {0})
    results = []
    for dtype, model in subject.models.items():
        reference = dense_reference(model, subject.tokens)
        read = (operations.prefill(model, subject.tokens, size) for size in sizes)
        errors = [difference(logits, reference, subject.share) for logits in read]
        compared = f"logits read in chunks with a dense pass, {name_of(dtype)}"
        note = join(f"chunks of {', '.join(map(str, sizes))}", subject.note)
        results.append(result("chunked prefill", compared, *worst_of(errors), note))
    return results


def ring_contents(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Slot p % W holds position p, with the key and value that were computed for it."""
    model, tokens = subject.models[torch.float64], subject.tokens
    names = [f"layers.{i}.attention.{hook}" for i in range(len(subject.windows)) for hook in ("hook_rot_k", "hook_v")]
    with recording(names) as seen:
        kv_cache = operations.fill_rings(model, tokens, 2 * subject.widest + 3)
    with recording(names) as dense, torch.inference_mode():
        model(tokens)
    exact, close = 0.0, 0.0
    for layer, window in enumerate(subject.windows):
        length = tokens.shape[1]
        positions = torch.arange(max(0, length - (window or length)), length)
        slots = positions % (window or length)
        ring, keys, values = kv_cache.rings[layer], *names[2 * layer : 2 * layer + 2]
        for held, name in ((ring.keys, keys), (ring.values, values)):
            computed = held[0, :, slots].transpose(0, 1)  # [kept, n_kv_heads, head_dim]
            exact = worse(exact, difference(computed, torch.cat(seen.values[name], 1)[0, positions])[0])
            close = worse(close, difference(computed, dense[name][0, positions])[0])
        exact = worse(exact, difference(ring.positions[0, slots], positions)[0])
    note = join("chunk of 2W + 3, then decoded past 4W", subject.note)
    written = "slot p % W with key, value and position of the last W tokens as written"
    return [
        result("ring contents", written, exact, 0.0, note),
        result("ring contents", "the same with keys and values of a dense pass, float64", close, FLOAT64_BOUND, note),
    ]


def grouped_queries(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Every query head with its own copy of the keys, head by head."""
    config = subject.models[torch.float64].config
    results = []
    for dtype, model in subject.models.items():
        compared = f"attention with keys and values copied to every head, in loops, {name_of(dtype)}"
        if config.repeats == 1:
            results.append(skipped("grouped queries", compared, "every query head has its own key head"))
            continue
        results.append(_compare_attention("grouped queries", compared, subject, operations, model, by_loops))
    return results


def explicit_attention(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Scores, mask, softmax and sum against torch's own."""
    return [
        _compare_attention(
            "explicit attention",
            f"attention with F.scaled_dot_product_attention, {name_of(dtype)}",
            subject,
            operations,
            model,
            by_torch,
        )
        for dtype, model in subject.models.items()
    ]


def _compare_attention(
    check: str, compared: str, subject: Subject, operations: Substitutes, model: Transformer, reference: Reference
) -> CheckResult:
    """The model's attention on the queries, keys and values of a real pass, in every layer."""
    tokens = subject.tokens[:, : 2 * subject.widest + 5]
    hooks = ("hook_rot_q", "hook_rot_k", "hook_v")
    with recording([name for name in model.hook_names if name.endswith(hooks)]) as seen, torch.inference_mode():
        model(tokens)
    positions = torch.arange(tokens.shape[1])[None]
    errors = []
    for layer in range(model.config.n_layers):
        q, k, v = (seen[f"layers.{layer}.attention.{hook}"] for hook in hooks)
        keys, values = k.transpose(1, 2), v.transpose(1, 2)
        computed = operations.attend(_attention(model, layer), q, keys, values, positions.to(q.device))
        expected = reference(q[0], keys[0], values[0], visible_by_loops(len(positions[0]), model.config.windows[layer]))
        errors.append(difference(computed[0], expected))
    return result(check, compared, *worst_of(errors), join(f"{len(errors)} layers", subject.note))


def _attention(model: Transformer, layer: int) -> Attention:
    return cast(Attention, model.get_submodule(f"layers.{layer}.attention"))


def visible_by_loops(length: int, window: Window) -> Bool[Tensor, "query_pos key_pos"]:
    """The mask from the definition: the last W keys up to the query's own."""
    rows = [[max(0, q - (window or length) + 1) <= k <= q for k in range(length)] for q in range(length)]
    return torch.tensor(rows)


def by_loops(
    q: Float[Tensor, "pos n_heads head_dim"],
    keys: Float[Tensor, "n_kv_heads pos head_dim"],
    values: Float[Tensor, "n_kv_heads pos head_dim"],
    visible: Bool[Tensor, "pos pos"],
) -> Float[Tensor, "pos n_heads head_dim"]:
    """Attention of each head on its own, with the softmax written out."""
    n_heads, n_kv_heads = q.shape[1], keys.shape[0]
    owner = [group for group in range(n_kv_heads) for _ in range(n_heads // n_kv_heads)]
    heads = []
    for head in range(n_heads):
        scores = (q[:, head] @ keys[owner[head]].T / q.shape[-1] ** 0.5).double()
        scores = scores.masked_fill(~visible.to(q.device), float("-inf"))
        weights = (scores - scores.amax(1, keepdim=True)).exp()
        pattern = weights / weights.sum(1, keepdim=True)
        heads.append((pattern @ values[owner[head]].double()).to(q.dtype))
    return torch.stack(heads, 1)


def by_torch(
    q: Float[Tensor, "pos n_heads head_dim"],
    keys: Float[Tensor, "n_kv_heads pos head_dim"],
    values: Float[Tensor, "n_kv_heads pos head_dim"],
    visible: Bool[Tensor, "pos pos"],
) -> Float[Tensor, "pos n_heads head_dim"]:
    """Attention by torch's fused function, keys and values repeated to all heads."""
    repeats = q.shape[1] // keys.shape[0]
    keys, values = (x.repeat_interleave(repeats, 0)[None] for x in (keys, values))
    z = F.scaled_dot_product_attention(q.transpose(0, 1)[None], keys, values, attn_mask=visible.to(q.device))
    return z[0].transpose(0, 1)
