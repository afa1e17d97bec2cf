"""The part of a payload that all pictures share which step through a run: its tokens, their attention, its state.

A payload holds the tokens `[from, to)` of one run; the browser appends what is new, so payloads may
overlap and a lost one is healed by the next; `prefix` tells it whether what it holds is the same text.
Attention goes as `round(weight * 65535)` by key offset: column `o` of a query at `q` is the key at
`q - o`; behind the window of a layer stand the first positions that are kept beside it. Every field and
array is written down in `app/shared/messages.py`.

Nothing here imports torch or Streamlit, so a recorded run plays without either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np

from app.shared.messages import ModelShape, PatternShape, PictureName, Place, RunHeader, Status, Token
from app.wire import Parts
from mistral_core.config import MistralConfig
from mistral_core.sampling import entropy_of
from mistral_core.trace.compact import TOP_ENTROPY, TOP_LABELS, TOP_STAGES

AVERAGED = "attention is the mean of the heads: all of them would be too much to send"
PATTERN_BUDGET = 64 * 1024
"""Bytes of attention per token that are worth sending: 8 x 8 x 16 needs 2 KiB; above it, heads are averaged."""


class RunLike(Protocol):
    """What is read of a run; `Trace` has it, and so has a run that is still being written."""

    @property
    def config(self) -> MistralConfig: ...
    @property
    def model_name(self) -> str: ...
    @property
    def n_prompt(self) -> int: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def token_ids(self) -> np.ndarray: ...
    @property
    def token_texts(self) -> Sequence[str]: ...
    @property
    def token_labels(self) -> Sequence[str]: ...
    @property
    def probability(self) -> np.ndarray: ...
    @property
    def rank(self) -> np.ndarray: ...
    @property
    def logits(self) -> np.ndarray: ...
    def __len__(self) -> int: ...
    def __getitem__(self, name: str) -> np.ndarray: ...
    def pattern(self, layer: int) -> np.ndarray: ...


def prefix_hash(token_ids: np.ndarray) -> int:
    """A number for the tokens before a payload, so that the browser notices if it holds other ones.

    `h = h * 31 + id + 1 (mod 2**32)`, from 0.

    >>> prefix_hash(np.array([])), prefix_hash(np.array([5])), prefix_hash(np.array([5, 2]))
    (0, 6, 189)
    """
    ids = np.asarray(token_ids, np.uint32) + np.uint32(1)
    powers = np.cumprod(np.full(len(ids), 31, np.uint32), dtype=np.uint32)
    weights = np.concatenate((np.ones(1, np.uint32), powers))[: len(ids)][::-1]
    return int((ids * weights).sum(dtype=np.uint32))


def run_parts(
    trace: RunLike,
    *,
    picture: PictureName,
    run: str,
    start: int = 0,
    stop: int | None = None,
    total: int | None = None,
    status: Status = "recorded",
    message: str = "",
    provenance: Literal["model", "recorded"] = "recorded",
    tokens_per_second: float | None = None,
    at: Place | None = None,
) -> Parts:
    """Tokens `[start, stop)` of a run, and what surrounds them.

    Args:
        trace: the run; a `Trace`, or a run being written.
        picture: the page whose picture shows it. run: its name; a branch has another one.
        start, stop: which tokens are contained; `start == stop` sends none (only the status).
        total: tokens expected in the end, for the timeline; default: those there are.
        message: one plain sentence for the status.
        provenance: "model" for a live run, "recorded" for a stored one.
        at: where the playhead starts when the run is new to the browser.

    Raises:
        ValueError: an unknown picture or status, or an impossible range.
    """
    stop = len(trace) if stop is None else stop
    for name, value, known in (("picture", picture, get_args(PictureName)), ("status", status, get_args(Status))):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
    if not 0 <= start <= stop <= len(trace):
        raise ValueError(f"tokens {start} to {stop} are not in this run; it has 0 to {len(trace)}")
    total = max(total or 0, len(trace))
    arrays, pattern, note = _token_arrays(trace, start, stop, total)
    header: RunHeader = {
        "picture": picture,
        "run": run,
        "mode": "start" if picture == "start" else "desk",
        "from": start,
        "to": stop,
        "prefix": prefix_hash(trace.token_ids[:start]),
        "total": total,
        "status": status,
        "message": message,
        "provenance": provenance,
        "n_prompt": trace.n_prompt,
        "model": model_shape(trace),
        "settings": _plain(trace.settings),
        "tokens_per_second": tokens_per_second,
        "at": at,
        "pattern": pattern,
        "note": note,
        "tokens": tokens_of(trace, start, stop),
    }
    return Parts(header, arrays)


def tokens_of(trace: RunLike, start: int, stop: int) -> list[Token]:
    """Text, printable form and id of the tokens `[start, stop)`."""
    return [(trace.token_texts[i], trace.token_labels[i], int(trace.token_ids[i])) for i in range(start, stop)]


def _token_arrays(
    trace: RunLike, start: int, stop: int, total: int
) -> tuple[dict[str, np.ndarray], PatternShape | None, str]:
    arrays: dict[str, np.ndarray] = {
        "probability": np.asarray(trace.probability[start:stop], np.float32),
        "rank": np.asarray(trace.rank[start:stop], np.int32),
        "entropy": _entropy(trace, start, stop),
    }
    layers = kept_layers(trace)
    pattern, why = _pattern(trace, layers, start, stop, total)
    if pattern is None:
        return arrays, None, why
    arrays["pattern"] = pattern
    missing = sorted({*range(trace.config.n_layers)} - {*layers})
    averaged = pattern.shape[2] < trace.config.n_heads
    notes = [AVERAGED] if averaged else []
    if missing:
        numbers = ", ".join(str(layer + 1) for layer in layers)
        notes.append(f"attention was kept of layers {numbers} alone: of all it would take more memory than a text may")
    shape: PatternShape = {"heads": pattern.shape[2], "width": pattern.shape[3], "mean": averaged, "missing": missing}
    return arrays, shape, "; ".join(notes)


def kept_layers(trace: RunLike) -> list[int]:
    """The layers whose attention was recorded."""
    layers = []
    for layer in range(trace.config.n_layers):
        try:
            trace.pattern(layer)
        except KeyError:
            continue
        layers.append(layer)
    return layers


def _entropy(trace: RunLike, start: int, stop: int) -> np.ndarray:
    if start == stop:
        return np.empty(0, np.float32)
    try:
        return np.asarray(entropy_of(np.asarray(trace.logits[start:stop], np.float64)), np.float32)
    except KeyError:
        pass
    try:
        return np.asarray(trace[TOP_ENTROPY][start:stop], np.float32)
    except KeyError:
        return np.full(stop - start, np.nan, np.float32)


def _pattern(
    trace: RunLike, recorded: Sequence[int], start: int, stop: int, total: int
) -> tuple[np.ndarray | None, str]:
    """`[n, layers, heads, width]` uint16, or the mean of the heads, 0 for layers not kept; or nothing, and why.

    What is sent is decided by the length that the run will have, so that it never changes on the way.
    """
    config = trace.config
    layers = {layer: trace.pattern(layer) for layer in recorded}
    if not layers:
        return None, "attention was not recorded in this run"
    widest = max(layer.shape[-1] for layer in layers.values())
    width = min(widest, max(stop, 1))
    by_head = config.n_layers * config.n_heads * min(widest, total) * 2
    if by_head // config.n_heads > PATTERN_BUDGET:
        return None, f"attention is not shown: {by_head:,} bytes a token are too many to send"
    averaged = by_head > PATTERN_BUDGET
    packed = np.zeros((stop - start, config.n_layers, 1 if averaged else config.n_heads, width), np.uint16)
    for index, layer in layers.items():
        weights = np.asarray(layer[start:stop, :, :width], np.float32)
        if averaged:
            weights = weights.mean(1, keepdims=True)
        packed[:, index, :, : weights.shape[-1]] = np.round(np.clip(weights, 0, 1) * 65535)
    return packed, ""


def model_shape(trace: RunLike) -> ModelShape:
    """The model that wrote a run, as far as pictures need it."""
    config = trace.config
    return {
        "name": trace.model_name,
        "n_layers": config.n_layers,
        "n_heads": config.n_heads,
        "n_kv_heads": config.n_kv_heads,
        "windows": list(config.windows),
        "sinks": config.sinks,
        "vocab": config.vocab_size,
    }


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the tables of a distilled recording, which travel elsewhere."""
    return {name: value for name, value in settings.items() if name not in (TOP_LABELS, TOP_STAGES)}
