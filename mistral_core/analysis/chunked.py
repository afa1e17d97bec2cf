"""The prompt in chunks: which sizes and which order of reading and writing give what one dense pass gives.

    read, then write    a chunk meets (ring before it) + (itself), then its last W keys are stored: exact for every size
    write, then read    what is written first destroys keys that the chunk's early queries still need

With `slack` slots more than W, a chunk of c tokens may be written first without a loss while

    c <= slack + 1      its first query sees back to W - 1 before itself; the ring then holds W + slack up to the last

The mistake is made by a sink from outside (`WriteFirst`): keys whose slots the chunk would have overwritten are hidden
from it. A query that finds no key at all has no weights (0/0); such a size is given as not a number.

Source: "Mistral 7B" section 2, "Pre-fill and Chunking" (figure 3); the order was wrong in pytorch/executorch until
pull request 20346.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mistral_core.analysis.progress import Report, silent
from mistral_core.config import MistralConfig
from mistral_core.hooks import watching
from mistral_core.mask import allowed
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True)
class ChunkError:
    """One size of a chunk.

    Attributes:
        right, wrong: largest absolute difference of the logits to the dense pass: read first, and written first.
            NaN = a query found no key.
    """

    size: int
    right: float
    wrong: float


def largest_exact_chunk(slack: int) -> int:
    """The largest chunk that may be written before it is read, in a ring of W + slack slots.

    >>> largest_exact_chunk(0), largest_exact_chunk(8)
    (1, 9)
    """
    return slack + 1


LATER, OLDER, ITSELF, RING, LOST = range(5)
"""What a key is to a query of a chunk: not written yet; older than W; of the chunk itself; in the ring before it; gone,
since the chunk was written first."""


def chunk_pairs(
    start: int, stop: int, window: int, *, sinks: int = 0, lost_from: int | None = None
) -> tuple[list[int], Int[Tensor, "query_pos key_pos"]]:
    """The three blocks of a chunk's mask: what lies before its ring, the ring, and the chunk itself.

    Args:
        start, stop: positions of the chunk, without `stop`.
        lost_from: slots beyond W, if the chunk is written before it is read; `None` = it is read first.

    Returns:
        positions of the keys that are drawn, and what each is to each query.

    Raises:
        ValueError: a chunk of no token.

    Source: "Mistral 7B" section 2, figure 3.

    >>> keys, pairs = chunk_pairs(4, 6, 3)
    >>> keys, pairs.tolist()
    ([0, 1, 2, 3, 4, 5], [[1, 1, 3, 3, 2, 0], [1, 1, 1, 3, 2, 2]])
    """
    if not 0 <= start < stop:
        raise ValueError(f"the chunk begins at {start} and ends before {stop}; it must have at least one token")
    first = max(0, start - 2 * window)
    keys = [*range(min(sinks, first)), *range(first, stop)]
    query, key = torch.arange(start, stop)[None], torch.tensor([keys])
    seen = allowed(query, key, window, sinks)[0]
    pairs = torch.where(key[0] > query[0][:, None], LATER, OLDER)
    pairs = torch.where(seen, torch.where(key[0] >= start, ITSELF, RING), pairs)
    if lost_from is not None:
        gone = overwritten(key, torch.tensor([[stop - 1]]), window + lost_from, sinks)[0]
        pairs = torch.where(seen & gone, LOST, pairs)
    return keys, pairs


def overwritten(
    key_positions: Int[Tensor, "batch key_pos"], last: Int[Tensor, "batch 1"], slots: int, sinks: int
) -> Bool[Tensor, "batch key_pos"]:
    """Keys that a ring of so many slots has no more once position `last` is written; the first `sinks` it keeps.

    >>> overwritten(torch.tensor([[0, 1, 2, 3, 4]]), torch.tensor([[4]]), 3, 1).tolist()
    [[False, True, False, False, False]]
    """
    return (key_positions <= last - slots) & (key_positions >= sinks)


class WriteFirst:
    """A sink that hides the keys which are gone if a chunk is written before it is read.

    Args:
        slack: slots of each ring beyond its window.
    """

    def __init__(self, config: MistralConfig, slack: int = 0) -> None:
        self.names = {f"layers.{layer}.attention.hook_attn_scores": layer for layer in range(config.n_layers)}
        self.windows, self.sinks, self.slack = config.windows, config.sinks, slack

    def wants(self, name: str) -> bool:
        return name in self.names

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        window = self.windows[self.names[name]]
        if window is None or query_positions is None or key_positions is None:
            return value
        last = query_positions.amax(1, keepdim=True)
        lost = overwritten(key_positions, last, window + self.slack, self.sinks)
        return value.masked_fill(lost[:, None, None, :], float("-inf"))


def chunked_logits(
    model: Transformer, token_ids: Sequence[int], size: int, sink: WriteFirst | None = None
) -> Float[Tensor, "pos vocab_size"]:
    """Predictions of a text read through the rings, `size` tokens at once.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1:
        raise ValueError(f"the chunk has {size} tokens; it must have at least 1")
    kv_cache, parts = model.empty_kv_cache(max_context=len(token_ids)), []
    with watching(sink), torch.inference_mode():
        for chunk in torch.tensor([list(token_ids)]).split(size, 1):
            parts.append(model(chunk, kv_cache=kv_cache)[0])
    return torch.cat(parts)


def chunk_errors(
    model: Transformer, token_ids: Sequence[int], sizes: Sequence[int], slack: int = 0, report: Report = silent
) -> Iterator[ChunkError]:
    """Each size, read first and written first, beside one dense pass over the text."""
    report(0, len(sizes) + 1, "one dense pass")
    with watching(None), torch.inference_mode():
        dense = model(torch.tensor([list(token_ids)]))[0]
    for done, size in enumerate(sizes, 1):
        report(done, len(sizes) + 1, f"chunks of {size}")
        right, wrong = (
            float((chunked_logits(model, token_ids, size, sink) - dense).abs().max())
            for sink in (None, WriteFirst(model.config, slack))
        )
        yield ChunkError(size=size, right=right, wrong=wrong)
    report(len(sizes) + 1, len(sizes) + 1, "done")
