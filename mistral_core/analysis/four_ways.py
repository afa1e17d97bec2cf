"""Four ways to read a long text with little memory, on the same text: what each costs, predicts and loses.

    full       every layer looks at all earlier tokens
    window     every layer looks at W keys, the token itself included; what lay before was passed on, layer by layer
    cut        only the last W tokens are read, anew for every prediction, each at its own position
    renumbered the same, and the positions are counted from 0

`window` keeps its keys in a ring; `cut` computes them again. The tokens in sight are the same, the keys are not: a key
of layer l (from 1) was made from a state that depends on (l - 1)(W - 1) tokens before it. In the ring those lay before
the cut. So, for the key that is `age` tokens old when W tokens are in sight,

    layer 1                     equal: it is made of the token alone
    layer 2                     equal for the newest token only, which sees no farther than the cut
    every deeper layer          differs

RoPE turns queries and keys by their positions and scores feel differences alone: renumbered equals cut, up to rounding.

Source: the recomputed window is the baseline of Xiao et al. 2023 (arXiv 2309.17453), "sliding window with
re-computation"; RoPE: Su et al. 2021 (arXiv 2104.09864).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.accounting import kv_cache_bytes
from mistral_core.analysis.gradients import log_probs
from mistral_core.analysis.influence import kl_divergence
from mistral_core.analysis.mask_reading import MOST_TOKENS
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.window_cost import scores_needed
from mistral_core.checkpoint.variants import with_windows
from mistral_core.hooks import recording
from mistral_core.model import Transformer

WayName = Literal["full", "window", "cut", "renumbered"]
WAYS: tuple[WayName, ...] = get_args(WayName)
LIKELIEST = 5
TOKENS_AT_ONCE = 2048
"""Of a batch of cut texts: progress is said, and cancelling heard, after each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """One way of reading.

    Attributes:
        scores: pairs of a query and a key in its sight, of one head of one layer, over all predictions of the text.
        kv_bytes: keys and values that are kept from one token to the next; 0 where all is computed anew.
        losses: -ln p of the token that follows, nats; one fewer than tokens.
        kl: KL(full || this) of each prediction, nats.
        likeliest, probabilities: of each prediction, the most probable tokens first.
    """

    scores: int
    kv_bytes: int
    losses: Float[np.ndarray, " predicted"]
    kl: Float[np.ndarray, " pos"]
    likeliest: Int[np.ndarray, "pos top"]
    probabilities: Float[np.ndarray, "pos top"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FourWays:
    """All four, and why a ring's keys are not those of a cut text.

    Attributes:
        window: W of every layer.
        keys: |k of the ring - k of the cut text| / |k of the ring|, of the key that is `age` tokens old at a position;
            NaN = before the text. 0 = the same bit for bit.
        renumbered: largest absolute difference of the logits between cut and renumbered.
    """

    window: int
    ways: Mapping[WayName, Way]
    keys: Float[np.ndarray, "pos layer age"]
    renumbered: float


def keys_equal(layer: int, age: int, window: int, position: int) -> bool:
    """Whether theory makes a key of the ring equal to that of the cut text: all that it depends on was not cut away.

    Args:
        layer: from 0. age: how many tokens back from `position`.

    >>> [keys_equal(layer, age, 3, 50) for layer, age in ((0, 2), (1, 0), (1, 1), (2, 0))]
    [True, True, False, False]
    """
    cut = max(0, position - window + 1)
    return max(0, position - age - layer * (window - 1)) >= cut


def scores_of(way: WayName, length: int, window: int) -> int:
    """Pairs of a query and a key that a head of one layer meets while a text is read token by token.

    >>> [scores_of(way, 5, 3) for way in WAYS]
    [15, 12, 22, 22]
    """
    if way in ("full", "window"):
        return scores_needed(length, None if way == "full" else window)
    return sum(scores_needed(min(window, position + 1), None) for position in range(length))


def four_ways(model: Transformer, token_ids: Sequence[int], window: int, report: Report = silent) -> FourWays:
    """Reads a text in all four ways.

    Args:
        window: W of every layer, and the tokens that a cut text keeps.

    Raises:
        ValueError: fewer than 2 tokens, more than `MOST_TOKENS`, or a window below 1.
    """
    length, n_layers = len(token_ids), model.config.n_layers
    if not 2 <= length <= MOST_TOKENS:
        raise ValueError(f"the text has {length:,} tokens; 2 to {MOST_TOKENS} can be read in four ways")
    ids = torch.tensor(list(token_ids))
    names = [f"layers.{layer}.attention.hook_rot_k" for layer in range(n_layers)]
    steps = 2 + 2 * -(-length * window // TOKENS_AT_ONCE)
    report(0, steps, "full attention")
    with torch.inference_mode():
        full = with_windows(model, None)(ids[None])[0]
    report(1, steps, "the sliding window")
    windowed = with_windows(model, window)
    with recording(names) as ring, torch.inference_mode():
        slid = windowed(ids[None])[0]
    logits: dict[WayName, Tensor] = {"full": full, "window": slid}
    keys = np.full((length, n_layers, min(window, length)), np.nan, np.float32)
    done = 2
    for way in WAYS[2:]:
        parts: list[Tensor] = []
        for start in range(0, length, max(1, TOKENS_AT_ONCE // window)):
            report(done, steps, "the text cut" + (", counted anew" if way == "renumbered" else ""))
            done = min(done + 1, steps - 1)
            ends = torch.arange(start, min(length, start + max(1, TOKENS_AT_ONCE // window)))
            tokens, positions = _cut(ids, ends, window)
            given = positions if way == "cut" else torch.where(positions < 0, -1, positions - _first(positions))
            with recording(names) as anew, torch.inference_mode():
                parts.append(windowed(tokens, positions=given, last_only=True)[:, 0])
            if way == "cut":
                for layer, name in enumerate(names):
                    keys[ends, layer] = _differences(ring[name][0], anew[name], positions, keys.shape[2])
        logits[way] = torch.cat(parts)
    report(steps, steps, "done")
    apart = float((logits["cut"] - logits["renumbered"]).abs().max())
    return FourWays(
        window=window,
        ways={way: _way(model, way, logits[way], full, ids, window) for way in WAYS},
        keys=keys,
        renumbered=apart,
    )


def _cut(ids: Int[Tensor, " pos"], ends: Int[Tensor, " row"], window: int) -> tuple[Tensor, Tensor]:
    """The last `window` tokens up to each end, a row each, and their positions; -1 before the text begins."""
    positions = ends[:, None] - torch.arange(window - 1, -1, -1)
    return ids[positions.clamp(min=0)], positions.clamp(min=-1)


def _first(positions: Int[Tensor, "row width"]) -> Int[Tensor, "row 1"]:
    return torch.where(positions < 0, positions.max() + 1, positions).amin(1, keepdim=True)


def _differences(
    ring: Float[Tensor, "pos n_kv_heads head_dim"],
    anew: Float[Tensor, "row width n_kv_heads head_dim"],
    positions: Int[Tensor, "row width"],
    ages: int,
) -> Float[np.ndarray, "row age"]:
    """Relative difference of each key, the newest first."""
    held = ring[positions.clamp(min=0)].double()
    apart = (held - anew.double()).flatten(2).norm(dim=-1) / held.flatten(2).norm(dim=-1)
    out: np.ndarray = apart.masked_fill(positions < 0, float("nan")).flip(1)[:, :ages].float().numpy()
    return out


def _way(model: Transformer, way: WayName, logits: Tensor, full: Tensor, ids: Tensor, window: int) -> Way:
    config, length = model.config, len(ids)
    said = log_probs(logits)
    top = said.topk(min(LIKELIEST, config.vocab_size), dim=-1)
    shape = config.with_window(None if way == "full" else window)
    return Way(
        scores=scores_of(way, length, window),
        kv_bytes=kv_cache_bytes(shape, length, logits.element_size()) if way in ("full", "window") else 0,
        losses=-said[:-1].gather(1, ids[1:, None])[:, 0].numpy(),
        kl=kl_divergence(log_probs(full), said).numpy(),
        likeliest=top.indices.numpy(),
        probabilities=top.values.exp().numpy(),
    )
