"""A window imposed on a model that was trained without one: the loss by position, and where the attention goes.

W keys are in sight in all cases; with S kept first tokens, W - S of them follow the text. So what is compared costs the
same memory. Attention is told apart by where the key lies:

    first       the first `FIRST` tokens of the text
    itself      the query's own key
    oldest      the oldest other key in sight
    near        all others

Source: "attention sinks", Xiao et al. 2023 (arXiv 2309.17453); recorded measurements: `experiments/window_parts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.progress import Report, silent
from mistral_core.checkpoint.variants import with_windows
from mistral_core.hooks import watching
from mistral_core.mask import allowed
from mistral_core.model import Transformer

FIRST = 4
"""Tokens at the beginning that count as first."""
PLACES = ("first", "itself", "oldest", "near")


@dataclass(frozen=True, kw_only=True, eq=False)
class Imposed:
    """One reading.

    Attributes:
        window: keys in sight, the kept ones included; `None` = as trained. sinks: first tokens kept, of those.
        losses: -ln p of the token that follows each, nats.
        shares: mean attention weight by place of the key (`PLACES`), over heads and the queries from `start` on.
    """

    window: int | None
    sinks: int
    losses: Float[np.ndarray, " predicted"]
    shares: Float[np.ndarray, "layer place"]

    def loss_from(self, start: int) -> float:
        """Mean loss of the predictions from a position on, nats."""
        return float(self.losses[start:].mean())


def impose(
    model: Transformer,
    token_ids: Sequence[int],
    windows: Sequence[int],
    start: int,
    keeping: Sequence[int] = (0, 1, FIRST),
    report: Report = silent,
) -> list[Imposed]:
    """Reads a text as trained, then with each window and each number of kept first tokens that leaves room in it.

    Args:
        start: queries from here on count for the shares of attention.

    Raises:
        ValueError: `start` is not inside the text.
    """
    if not 0 < start < len(token_ids) - 1:
        raise ValueError(f"start is {start}; attention is counted from 1 to {len(token_ids) - 2} on in this text")
    variants: list[tuple[int | None, int]] = [(None, 0)]
    variants += [(window, sinks) for window in windows for sinks in keeping if sinks < window]
    out = []
    for done, (window, sinks) in enumerate(variants):
        said = "as trained" if window is None else f"window {window}, first {sinks} kept"
        report(done, len(variants), said)
        reader = model if window is None else with_windows(model, window - sinks, sinks)
        out.append(_read(reader, token_ids, window, sinks, start))
    report(len(variants), len(variants), "done")
    return out


class _Places:
    """A sink that adds up attention by place, layer by layer, and keeps no pattern."""

    def __init__(self, model: Transformer, length: int, start: int) -> None:
        config, positions = model.config, torch.arange(length)[None]
        self.names = {f"layers.{layer}.attention.hook_pattern": layer for layer in range(config.n_layers)}
        self.start, self.shares = start, np.zeros((config.n_layers, len(PLACES)))
        self.kinds = {
            window: _kinds(allowed(positions, positions, window, config.sinks)[0]) for window in set(config.windows)
        }
        self.windows = config.windows

    def wants(self, name: str) -> bool:
        return name in self.names

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        layer = self.names[name]
        mean = value[0].double().mean(0)[self.start :]
        kinds = self.kinds[self.windows[layer]][self.start :]
        self.shares[layer] = [float(mean[kinds == kind].sum()) / len(mean) for kind in range(len(PLACES))]
        return value


def _kinds(seen: Tensor) -> Tensor:
    """By query and key, the index in `PLACES`; -1 = not seen. What is first, or the query itself, is not oldest too."""
    length = len(seen)
    kinds = torch.where(seen, PLACES.index("near"), -1)
    rest = seen.clone()
    rest[:, :FIRST] = False
    rest.fill_diagonal_(False)
    has = rest.any(1)
    kinds[torch.arange(length)[has], rest.int().argmax(1)[has]] = PLACES.index("oldest")
    kinds.fill_diagonal_(PLACES.index("itself"))
    kinds[:, :FIRST] = torch.where(seen[:, :FIRST], PLACES.index("first"), -1)
    return kinds


def _read(model: Transformer, token_ids: Sequence[int], window: int | None, sinks: int, start: int) -> Imposed:
    ids = torch.tensor(list(token_ids))
    places = _Places(model, len(ids), start)
    with watching(places), torch.inference_mode():
        logits = model(ids[None])[0]
    losses = torch.nn.functional.cross_entropy(logits[:-1].double(), ids[1:], reduction="none")
    return Imposed(window=window, sinks=sinks, losses=losses.numpy(), shares=places.shares)
