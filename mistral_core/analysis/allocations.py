"""One mask, three allocations: all keys kept, a ring of W slots, a ring with some slack. Same numbers, other bytes.

What a query may see is decided by positions (`mask.allowed`), never by what happens to be stored. A program may
therefore keep every key and mask most of them, or keep W and overwrite, or keep a few more than W: the predictions are
the same, the memory and the products are not.

Source: "Mistral 7B" section 2, "Rolling Buffer Cache".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mistral_core.analysis.progress import Report, silent
from mistral_core.config import MistralConfig, Window
from mistral_core.hooks import watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer


class AllKeys(KVCache):
    """A slot for every token of the text, in layers with a window too: nothing is ever overwritten."""

    def n_slots(self, window: Window) -> int:
        return max(self.max_context or 0, 0 if window is None else window + self.sinks)


class Slack(KVCache):
    """A ring with more slots than its window.

    Args:
        slack: slots beyond the window.
    """

    def __init__(self, config: MistralConfig, batch: int = 1, *, slack: int, **given: Any) -> None:
        self.slack = slack
        super().__init__(config, batch, **given)

    def n_slots(self, window: Window) -> int:
        return super().n_slots(window) + (0 if window is None else self.slack)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """One way to keep the keys.

    Attributes:
        nbytes: of keys, values and positions, taken before the first token. slots: of the first layer.
        seconds: of reading the text token by token, each repeat.
        difference: largest absolute difference of the logits to the ring's.
    """

    name: str
    slots: int
    nbytes: int
    seconds: tuple[float, ...]
    difference: float


def allocations(
    model: Transformer, token_ids: Sequence[int], slack: int, *, repeats: int = 2, report: Report = silent
) -> list[Allocation]:
    """Reads a text token by token with each allocation, in turns: what else the machine does meets all alike.

    Raises:
        ValueError: no token, no repeat, or a slack below 1.
    """
    if not token_ids or repeats < 1 or slack < 1:
        raise ValueError(f"{len(token_ids)} tokens, {repeats} repeats and a slack of {slack}; each must be at least 1")
    given = {"max_context": len(token_ids), "dtype": model.dtype}
    kinds: list[tuple[str, type[KVCache], dict[str, Any]]] = [
        ("a ring of W slots", KVCache, given),
        (f"a ring with {slack} slots more", Slack, {**given, "slack": slack}),
        ("all keys", AllKeys, given),
    ]
    seconds: list[list[float]] = [[] for _ in kinds]
    logits: list[torch.Tensor] = []
    caches: list[KVCache] = []
    for repeat in range(repeats):
        for number, (name, kind, arguments) in enumerate(kinds):
            report(repeat * len(kinds) + number, repeats * len(kinds), name)
            kv_cache = kind(model.config, **arguments)
            begun, made = time.perf_counter(), _decode(model, token_ids, kv_cache)
            seconds[number].append(time.perf_counter() - begun)
            if not repeat:
                logits.append(made)
                caches.append(kv_cache)
    report(repeats * len(kinds), repeats * len(kinds), "done")
    return [
        Allocation(
            name=name,
            slots=kv_cache.n_slots(model.config.windows[0]),
            nbytes=kv_cache.nbytes,
            seconds=tuple(taken),
            difference=float((made - logits[0]).abs().max()),
        )
        for (name, _, _), kv_cache, taken, made in zip(kinds, caches, seconds, logits, strict=True)
    ]


def _decode(model: Transformer, token_ids: Sequence[int], kv_cache: KVCache) -> torch.Tensor:
    with watching(None), torch.inference_mode():
        return torch.cat([model(torch.tensor([[token]]), kv_cache=kv_cache)[0] for token in token_ids])
