"""What the page attention sends: a run, and what is derived from its attention.

The run goes by growth. What is computed from the whole of it (the **extras**: numbers of the heads, maps
across the layers, the pattern without position 0) goes under a key that tells the browser whether it has
them already.

Nothing here imports torch or Streamlit, so a recorded run is shown without either.

Source: the numbers are those of `mistral_core.analysis`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.attention.messages import ExtrasHeader, Finding
from app.shared.run_payload import kept_layers, run_parts
from app.wire import Parts
from mistral_core.analysis.flow import max_attention, mean_attention, rollout
from mistral_core.analysis.heads import MEASURES, hide_sink, summarise
from mistral_core.trace.trace import Trace, layer_hook

SCORES = "attention.hook_attn_scores"
BAND_BUDGET = 4 * 2**20
"""Bytes of one derived array; what is larger is left out and named."""
PATTERN_WORK = 16 * 2**20
"""Numbers of attention in a run from which nothing is derived: it would hold the page up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extras:
    """What is derived from a run of a certain length.

    Attributes:
        header: key, notes, names and counts. arrays: by name, see `derive`.
    """

    header: ExtrasHeader
    arrays: Mapping[str, np.ndarray]

    @property
    def key(self) -> str:
        """Names run, length and what is contained; the browser keeps what it has under the same key."""
        return self.header["key"]


def derive(trace: Trace, key: str, scores: Trace | None = None, said: Sequence[str] = ()) -> Extras:
    """Numbers of the heads and maps across layers.

    Arrays: `measures` `[6, n_layers, n_heads]` float32 (NaN = not defined in this run); `mean` and `max`
    `[T, W]` and `rollout` `[T, reach + 1]`, by offset, as `round(65535 x value)`; `without_first`
    `[rows, n_layers, n_heads, W]` likewise, for the queries that see position 0; `scores`
    `[T, n_layers, n_heads, W]` float32 where the run has them. Behind the W columns by offset stand those of the
    first positions that are kept beside a window; rollout has them by offset like all others.

    Args:
        scores: the same text, read again with its scores; default: those of the run itself, if any.
        said: sentences to add to the notes.
    """
    config = trace.config
    try:
        sizes = [trace.pattern(layer).size for layer in range(config.n_layers)]
    except KeyError:
        what = "numbers of the heads need the attention of all layers, which was not kept"
        return nothing(key, [what if kept_layers(trace) else "attention was not recorded in this run", *said])
    if sum(sizes) > PATTERN_WORK:
        return nothing(key, ["this run is too long for numbers over all of it", *said])
    summary = summarise(trace)
    bands = {"mean": mean_attention(trace), "max": max_attention(trace)}
    length, notes, arrays = len(trace), list[str](), dict[str, np.ndarray]()
    arrays["measures"] = np.array([getattr(summary, name) for name in MEASURES], np.float32)
    reach = config.exact_reach()
    everywhere = reach is None or config.sinks > 0
    if 2 * length * min(length, length if everywhere or reach is None else reach + 1) <= BAND_BUDGET:
        bands["rollout"] = rollout(trace)[-1]
    else:
        notes.append("rollout is left out: this run is too long to send it")
    for name, band in bands.items():
        arrays[name] = _shares(band[:, :length])
    arrays |= _hidden(trace, notes) | _scores(trace if scores is None else scores, notes)
    queries = {name: counts.tolist() for name, counts in summary.queries.items()}
    return Extras(
        header={"key": key, "notes": [*notes, *said], "measures": list(MEASURES), "queries": queries}, arrays=arrays
    )


def nothing(key: str, why: list[str]) -> Extras:
    """Extras of a run from which nothing can be derived."""
    return Extras(header={"key": key, "notes": why, "measures": [], "queries": {}}, arrays={})


def attention_parts(trace: Trace, *, run: str, extras: Extras | None, finding: Finding, **growth: Any) -> Parts:
    """Tokens of a run, the state of the search in it, and what is derived from it.

    Args:
        extras: from `derive`; `None` = the browser has them, or they are not ready.
        finding: the state of the search for a disagreement.
        growth: as for `run_parts`.

    Raises:
        ValueError: as `run_parts`.
    """
    beside = {"finding": finding, "extras": None if extras is None else extras.header}
    return run_parts(trace, picture="attention", run=run, **growth) | Parts(
        beside, {} if extras is None else extras.arrays
    )


def _hidden(trace: Trace, notes: list[str]) -> dict[str, np.ndarray]:
    """The pattern without position 0, for the queries that see it, unless that is too large."""
    config, width = trace.config, _width(trace)
    rows = len(trace) if config.sinks else min(width, len(trace))
    if 2 * rows * config.n_layers * config.n_heads * width > BAND_BUDGET:
        notes.append("position 0 cannot be hidden here: the windows are too wide to send them twice")
        return {}
    weights = np.zeros((rows, config.n_layers, config.n_heads, width))
    for layer in range(config.n_layers):
        hidden = hide_sink(trace.pattern(layer)[:rows], window=config.windows[layer])[:, :, :width]
        weights[:, layer, :, : hidden.shape[2]] = hidden
    return {"without_first": _shares(weights)}


def _scores(trace: Trace, notes: list[str]) -> dict[str, np.ndarray]:
    """The scores before the softmax, where they were recorded and are not too large."""
    config = trace.config
    if any(layer_hook(layer, SCORES) not in trace.arrays for layer in range(config.n_layers)):
        return {}
    layers = [trace[layer_hook(layer, SCORES)] for layer in range(config.n_layers)]
    width = min(max(layer.shape[2] for layer in layers), len(trace))
    if 4 * len(trace) * config.n_layers * config.n_heads * width > BAND_BUDGET:
        notes.append("the scores of this run are too many to send")
        return {}
    scores = np.full((len(trace), config.n_layers, config.n_heads, width), -np.inf, np.float32)
    for index, layer in enumerate(layers):
        scores[:, index, :, : min(width, layer.shape[2])] = layer[:, :, :width]
    return {"scores": scores}


def _width(trace: Trace) -> int:
    """Keys that the widest layer can show of this run."""
    return min(max(trace.pattern(layer).shape[2] for layer in range(trace.config.n_layers)), len(trace))


def _shares(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * 65535).astype(np.uint16)
