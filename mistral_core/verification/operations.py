"""What `verify` puts to the test, operation by operation, so that a test can plant a fault in each.

Every check compares two ways to the same numbers. One of them is an operation listed in
`Substitutes`; the other is written down independently in `checks.py`, `reach.py` or `runs.py`, or is the plain
dense pass. `verify(loaded)` runs the real operations. A test replaces one with a faulty one and
must see the check fail: a check that cannot fail proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.attention import Attention, hidden_keys
from mistral_core.checkpoint.load import LoadedModel, load_model
from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.generation import generate
from mistral_core.hooks import Replacing, Sinks, recording, watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer
from mistral_core.request import GenerationRequest
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.trace import Trace

MISTRAL_LAYOUT, HUGGING_FACE_LAYOUT = "Mistral", "Hugging Face"
_SAVE = {MISTRAL_LAYOUT: save_mistral, HUGGING_FACE_LAYOUT: save_hugging_face}


def dense(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos vocab_size"]:
    """Logits of a whole text in one pass, no ring."""
    with torch.inference_mode():
        return model(tokens).cpu()


def decode(model: Transformer, tokens: Int[Tensor, "1 pos"]) -> Float[Tensor, "1 pos vocab_size"]:
    """Logits of a text read token by token through the ring."""
    return prefill(model, tokens, chunk_size=1)


def prefill(model: Transformer, tokens: Int[Tensor, "1 pos"], chunk_size: int) -> Float[Tensor, "1 pos vocab_size"]:
    """Logits of a text read in chunks through the ring."""
    kv_cache = model.empty_kv_cache(max_context=tokens.shape[1])
    with torch.inference_mode():
        return torch.cat([model(chunk, kv_cache=kv_cache).cpu() for chunk in tokens.split(chunk_size, 1)], 1)


def fill_rings(model: Transformer, tokens: Int[Tensor, "1 pos"], n_first: int) -> KVCache:
    """The rings after a chunk of `n_first` tokens and then one token at a time."""
    kv_cache = model.empty_kv_cache(max_context=tokens.shape[1])
    with torch.inference_mode():
        for chunk in (tokens[:, :n_first], *tokens[:, n_first:].split(1, 1)):
            model(chunk, kv_cache=kv_cache)
    return kv_cache


def attend(
    attention: Attention,
    q: Float[Tensor, "batch pos n_heads head_dim"],
    keys: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    values: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    positions: Int[Tensor, "batch pos"],
) -> Float[Tensor, "batch pos n_heads head_dim"]:
    """The model's own attention on given queries, keys and values, all from the same positions."""
    with watching(None), torch.inference_mode():
        hidden = hidden_keys(positions, positions, attention.window, attention.sinks)
        return attention.attend(q, keys, values, positions, positions, hidden)


def streams(model: Transformer, tokens: Int[Tensor, "1 pos"]) -> list[Float[Tensor, "pos dim"]]:
    """The residual stream after each layer, dense."""
    names = [f"layers.{layer}.hook_resid_post" for layer in range(model.config.n_layers)]
    with recording(names) as seen, torch.inference_mode():
        model(tokens)
    return [seen[name][0].cpu() for name in names]


class _KeepGraph:
    """Keeps the streams after each layer with their history, which `Capture` cuts off."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def wants(self, name: str) -> bool:
        return name.endswith(".hook_resid_post")

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        self.values.append(value)
        return value


def derivatives(
    model: Transformer, tokens: Int[Tensor, "1 pos"], queries: Sequence[int]
) -> list[Float[Tensor, "pos dim"]]:
    """How the stream after layer `i`, at position `queries[i]`, changes with the embedding of each token.

    The stream is projected on a fixed random direction, so that no symmetry can hide a change.
    """
    leaf = model.tok_embeddings(tokens.to(model.tok_embeddings.weight.device)).detach().requires_grad_(True)
    graph = _KeepGraph()
    with watching(Sinks(Replacing({"hook_embed": lambda _: leaf}), graph)), torch.enable_grad():
        model(tokens)
    direction = torch.randn(leaf.shape[-1], generator=torch.Generator().manual_seed(0), dtype=leaf.dtype)
    gradients = []
    for stream, query in zip(graph.values, queries, strict=False):
        (gradient,) = torch.autograd.grad(stream[0, query] @ direction.to(leaf.device), leaf, retain_graph=True)
        gradients.append(gradient[0].cpu())
    return gradients


def ragged(
    model: Transformer, rows: Sequence[Int[Tensor, " _"]], n_decoded: int
) -> list[Float[Tensor, "_ vocab_size"]]:
    """Logits of texts of different lengths in one batch: padded prefill, then token by token.

    Args:
        rows: token ids of each text.
        n_decoded: the last tokens of each text are read one by one; a text that has fewer left
            than the others is padding from there on.
    """
    n_prefill = [max(len(row) - n_decoded, 1) for row in rows]
    kv_cache = model.empty_kv_cache(len(rows), max_context=max(len(row) for row in rows))
    seen: list[list[Tensor]] = [[] for _ in rows]
    width = max(n_prefill)
    calls = [[(0, n) for n in n_prefill]]
    calls += [
        [(n + i, min(n + i + 1, len(row))) for n, row in zip(n_prefill, rows, strict=True)]
        for i in range(max(len(row) - n for n, row in zip(n_prefill, rows, strict=True)))
    ]
    for call in calls:
        tokens, positions = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -1)
        for index, (start, stop) in enumerate(call):
            if start < stop:
                tokens[index, : stop - start] = rows[index][start:stop]
                positions[index, : stop - start] = torch.arange(start, stop)
        with torch.inference_mode():
            logits = model(tokens, positions, kv_cache).cpu()
        for index, (start, stop) in enumerate(call):
            seen[index].append(logits[index, : max(stop - start, 0)])
        width = 1
    return [torch.cat(parts) for parts in seen]


def checkpoint_round_trip(model: Transformer, folder: Path, layout: str, tokenizer_path: Path) -> LoadedModel:
    """Saves the model in a layout and loads it again."""
    _SAVE[layout](model, folder, tokenizer_path)
    return load_model(folder, dtype=model.dtype)


def trace_round_trip(trace: Trace, path: Path) -> Trace:
    """Saves a Trace and loads it again."""
    trace.save(path)
    return Trace.load(path)


def sample(model: Transformer, tokenizer: Tokenizer, request: GenerationRequest) -> list[int]:
    """The tokens that a request gives."""
    return [step.token_id for step in generate(model, tokenizer, request)]


@dataclass(frozen=True, kw_only=True)
class Substitutes:
    """The operations that `verify` compares with something independent; by default the real ones.

    A substitute takes and returns what the function of the same name in this module does.
    """

    dense: Callable[[Transformer, Tensor], Tensor] = dense
    decode: Callable[[Transformer, Tensor], Tensor] = decode
    prefill: Callable[[Transformer, Tensor, int], Tensor] = prefill
    fill_rings: Callable[[Transformer, Tensor, int], KVCache] = fill_rings
    attend: Callable[[Attention, Tensor, Tensor, Tensor, Tensor], Tensor] = attend
    streams: Callable[[Transformer, Tensor], list[Tensor]] = streams
    derivatives: Callable[[Transformer, Tensor, Sequence[int]], list[Tensor]] = derivatives
    ragged: Callable[[Transformer, Sequence[Tensor], int], list[Tensor]] = ragged
    checkpoint_round_trip: Callable[[Transformer, Path, str, Path], LoadedModel] = checkpoint_round_trip
    trace_round_trip: Callable[[Trace, Path], Trace] = trace_round_trip
    sample: Callable[[Transformer, Tokenizer, GenerationRequest], list[int]] = sample
