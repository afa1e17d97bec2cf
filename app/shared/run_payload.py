"""Packs a run, or the new part of one, into the bytes that the player component reads.

Layout: `u32 little-endian length of the header | JSON header, utf-8, padded with spaces | arrays`.
`header["arrays"]` says for each array its dtype, shape and offset (from the end of the header,
8-aligned). A payload holds the tokens `[from, to)` of one run; the client appends what is new, so
payloads may overlap and a lost one is healed by the next;
`prefix` tells it whether what it holds is the same text. What the sampling sliders change, the
**stage block**, has its own key and its own range: moving a slider resends that block alone.

Attention goes as `round(weight * 65535)` by key offset: column `o` of a query at `q` is the key at
`q - o`. Nothing here imports torch or Streamlit, so a recorded run plays without either.

Source: the layout is this project's own; stages are those of `mistral_core.sampling`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mistral_core.config import MistralConfig
from mistral_core.sampling import entropy_bits, softmax
from mistral_core.trace.compact import TOP_ENTROPY, TOP_IDS, TOP_KEPT, TOP_LABELS, TOP_PROBS, TOP_STAGES

TOP_K = 20
"""Alternatives shown for each step."""
PATTERN_BUDGET = 64 * 1024
"""Bytes of attention per token that are worth sending: 8 x 8 x 16 needs 2 KiB; above it, heads are averaged."""
LabelOf = Callable[[int], str]
"""Printable form of a token id."""


class StageLike(Protocol):
    """One sampling stage: `mistral_core.sampling.Stage`, or anything with these two."""

    @property
    def name(self) -> str: ...
    @property
    def probs(self) -> np.ndarray: ...


StagesOf = Callable[[np.ndarray, Sequence[int]], Sequence[StageLike]]
"""`(logits [vocab_size], ids read so far) -> stages`, the first being the model's own distribution."""


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


@dataclass(frozen=True, kw_only=True, eq=False)
class StageBlock:
    """The alternatives of the steps `[start, start + n)` and what each sampling stage makes of them.

    Attributes:
        key: names the settings that were applied; a new key replaces the old block on screen.
        start: first step.
        names: one per stage; the first is the model itself.
        ids: `[n, K]` int32 token ids, likeliest first by the model's own probability.
        probs: `[n, S, K]` float32 probability of each after each stage; 0 = cut.
        kept: `[n, S]` int32, how many of all tokens a stage leaves.
        labels: printable form of every id in `ids`.
    """

    key: str
    start: int
    names: tuple[str, ...]
    ids: np.ndarray
    probs: np.ndarray
    kept: np.ndarray
    labels: Mapping[int, str]

    @property
    def stop(self) -> int:
        """One past the last step."""
        return self.start + len(self.ids)


def stage_block(
    run: RunLike, stages_of: StagesOf, *, key: str, start: int, stop: int, label_of: LabelOf, top_k: int = TOP_K
) -> StageBlock:
    """Applies the sampling stages to the stored logits of the steps `[start, stop)`.

    Raises:
        ValueError: an empty or impossible range.
        KeyError: the run has no logits.
    """
    _check_range(start, stop, len(run))
    rows = np.asarray(run.logits[start:stop])
    k = min(top_k, rows.shape[-1])
    ids = np.stack([_likeliest(row, k) for row in rows]).astype(np.int32)
    names: tuple[str, ...] = ()
    probs, kept = [], []
    history = [int(i) for i in run.token_ids[:stop]]
    for step, row in enumerate(rows):
        stages = stages_of(row, history[: start + step + 1])
        names = tuple(stage.name for stage in stages)
        probs.append([stage.probs[ids[step]] for stage in stages])
        kept.append([np.count_nonzero(stage.probs) for stage in stages])
    return StageBlock(
        key=key,
        start=start,
        names=names,
        ids=ids,
        probs=np.asarray(probs, np.float32),
        kept=np.asarray(kept, np.int32),
        labels={int(i): label_of(int(i)) for i in np.unique(ids)},
    )


def recorded_block(run: RunLike, start: int, stop: int) -> StageBlock:
    """The stage block that `mistral_core.trace_compact.distil` stored (its settings cannot be changed any more).

    Raises:
        KeyError: the run is not a distilled one.
    """
    _check_range(start, stop, len(run))
    ids = np.asarray(run[TOP_IDS][start:stop], np.int32)
    labels = run.settings[TOP_LABELS]
    return StageBlock(
        key="recorded",
        start=start,
        names=tuple(run.settings[TOP_STAGES]),
        ids=ids,
        probs=np.asarray(run[TOP_PROBS][start:stop], np.float32),
        kept=np.asarray(run[TOP_KEPT][start:stop], np.int32),
        labels={int(i): labels[str(i)] for i in np.unique(ids)},
    )


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


def pack_growth(
    trace: RunLike,
    *,
    run: str,
    start: int = 0,
    stop: int | None = None,
    mode: str = "desk",
    total: int | None = None,
    status: str = "recorded",
    message: str = "",
    provenance: str = "recorded",
    stages: StageBlock | None = None,
    sampling: Mapping[str, float] | None = None,
    settings: Mapping[str, Any] | None = None,
    tokens_per_second: float | None = None,
    branches: Sequence[Mapping[str, Any]] = (),
    current: str | None = None,
    at: Mapping[str, Any] | None = None,
    follow: int | None = None,
    story: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes for `player(...)`: tokens `[start, stop)` of a run, and what surrounds them.

    Args:
        trace: the run; a `Trace`, or a run being written.
        run: its name; a branch has another one.
        start, stop: which tokens are contained; `start == stop` sends none (only status or stages).
        mode: "start" (the text and its bracket) or "desk" (everything).
        total: tokens expected in the end, for the timeline; default: those there are.
        status: "running", "paused", "done", "failed" or "recorded"; message: one plain sentence for it.
        provenance: "model" for a live run, "recorded" for a stored one.
        stages: alternatives, from `stage_block` or `recorded_block`.
        sampling: what the sliders show (temperature, top_k, top_p); `None` = no sliders.
        settings: of the run; default: the trace's own.
        branches: `{run, label, at, token, parent}` each; current: the one that is shown.
        at: `{t, layer, head}`, where the playhead starts when the run is new to the browser.
        follow: a number that changes when the playhead should jump to the end and follow.
        story: for the first minute, from `app.start.example`.

    Raises:
        ValueError: an unknown mode or status, or an impossible range.
    """
    stop = len(trace) if stop is None else stop
    if mode not in ("start", "desk"):
        raise ValueError(f"mode is {mode!r}; it must be 'start' or 'desk'")
    if status not in ("running", "paused", "done", "failed", "recorded"):
        raise ValueError(f"status is {status!r}; it must be running, paused, done, failed or recorded")
    if not 0 <= start <= stop <= len(trace):
        raise ValueError(f"tokens {start} to {stop} are not in this run; it has 0 to {len(trace)}")
    arrays, pattern, note = _token_arrays(trace, start, stop, max(total or 0, len(trace)))
    header: dict[str, Any] = {
        "run": run,
        "mode": mode,
        "from": start,
        "to": stop,
        "prefix": prefix_hash(trace.token_ids[:start]),
        "total": max(total or 0, len(trace)),
        "status": status,
        "message": message,
        "provenance": provenance,
        "n_prompt": trace.n_prompt,
        "model": _model(trace),
        "settings": _plain(trace.settings if settings is None else settings),
        "sampling": None if sampling is None else dict(sampling),
        "tokens_per_second": tokens_per_second,
        "branches": [dict(branch) for branch in branches],
        "current": current or run,
        "at": None if at is None else dict(at),
        "pattern": pattern,
        "note": note,
        "tokens": [[trace.token_texts[i], trace.token_labels[i], int(trace.token_ids[i])] for i in range(start, stop)],
    }
    if follow is not None:
        header["follow"] = follow
    if story is not None:
        header["story"] = dict(story)
    if stages is not None:
        header["stages"] = {"key": stages.key, "from": stages.start, "to": stages.stop, "names": list(stages.names)}
        header["labels"] = {str(i): label for i, label in stages.labels.items()}
        arrays |= {"alt_ids": stages.ids, "stage_probs": stages.probs, "stage_kept": stages.kept}
    return pack_parts(header, arrays)


def unpack(payload: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a payload says: header and arrays. The browser does the same; tests and tools use this."""
    (length,) = struct.unpack_from("<I", payload)
    header = json.loads(payload[4 : 4 + length])
    arrays = {}
    for name, spec in header["arrays"].items():
        count = int(np.prod(spec["shape"]))
        flat = np.frombuffer(payload, spec["dtype"], count, 4 + length + spec["offset"])
        arrays[name] = flat.reshape(spec["shape"])
    return header, arrays


def _token_arrays(
    trace: RunLike, start: int, stop: int, total: int
) -> tuple[dict[str, np.ndarray], dict[str, Any] | None, str]:
    arrays: dict[str, np.ndarray] = {
        "probability": np.asarray(trace.probability[start:stop], np.float32),
        "rank": np.asarray(trace.rank[start:stop], np.int32),
        "entropy": _entropy(trace, start, stop),
    }
    pattern, note = _pattern(trace, start, stop, total)
    if pattern is None:
        return arrays, None, note
    arrays["pattern"] = pattern
    return arrays, {"heads": pattern.shape[2], "width": pattern.shape[3], "mean": bool(note)}, note


def _entropy(trace: RunLike, start: int, stop: int) -> np.ndarray:
    if start == stop:
        return np.empty(0, np.float32)
    try:
        return np.asarray(entropy_bits(softmax(np.asarray(trace.logits[start:stop], np.float64))), np.float32)
    except KeyError:
        pass
    try:
        return np.asarray(trace[TOP_ENTROPY][start:stop], np.float32)
    except KeyError:
        return np.full(stop - start, np.nan, np.float32)


def _pattern(trace: RunLike, start: int, stop: int, total: int) -> tuple[np.ndarray | None, str]:
    """`[n, layers, heads, width]` uint16, or the mean of the heads, or nothing, and why.

    What is sent is decided by the length that the run will have, so that it never changes on the way.
    """
    config = trace.config
    try:
        layers = [trace.pattern(layer) for layer in range(config.n_layers)]
    except KeyError:
        return None, "attention was not recorded in this run"
    widest = max(layer.shape[-1] for layer in layers)
    width = min(widest, max(stop, 1))
    by_head = config.n_layers * config.n_heads * min(widest, total) * 2
    if by_head // config.n_heads > PATTERN_BUDGET:
        return None, f"attention is not shown: {by_head:,} bytes a token are too many to send"
    averaged = by_head > PATTERN_BUDGET
    packed = np.zeros((stop - start, config.n_layers, 1 if averaged else config.n_heads, width), np.uint16)
    for index, layer in enumerate(layers):
        weights = np.asarray(layer[start:stop, :, :width], np.float32)
        if averaged:
            weights = weights.mean(1, keepdims=True)
        packed[:, index, :, : weights.shape[-1]] = np.round(np.clip(weights, 0, 1) * 65535)
    return packed, "attention is the mean of the heads: all of them would be too much to send" if averaged else ""


def _model(trace: RunLike) -> dict[str, Any]:
    config = trace.config
    return {
        "name": trace.model_name,
        "n_layers": config.n_layers,
        "n_heads": config.n_heads,
        "n_kv_heads": config.n_kv_heads,
        "windows": list(config.windows),
        "vocab": config.vocab_size,
    }


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the tables of a distilled recording, which travel elsewhere."""
    return {name: value for name, value in settings.items() if name not in (TOP_LABELS, TOP_STAGES)}


def _likeliest(logits: np.ndarray, k: int) -> np.ndarray:
    """Ids of the k largest, largest first, the lower id first on ties."""
    threshold = np.partition(logits, -k)[-k]
    candidates = np.flatnonzero(logits >= threshold)
    return candidates[np.argsort(-logits[candidates], kind="stable")][:k]


def _check_range(start: int, stop: int, length: int) -> None:
    if not 0 <= start < stop <= length:
        raise ValueError(f"steps {start} to {stop} are not in this run; choose a range inside 0 to {length}")


def pack_parts(header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Joins a header and arrays in the layout that the module's docstring gives."""
    specs: dict[str, dict[str, Any]] = {}
    blobs: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        padding = -little.nbytes % 8
        specs[name] = {"dtype": little.dtype.str, "shape": list(little.shape), "offset": offset}
        blobs.append(little.tobytes() + b"\0" * padding)
        offset += little.nbytes + padding
    text = json.dumps({**header, "arrays": specs}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return struct.pack("<I", len(text)) + text + b"".join(blobs)
