"""What claim 2 measures: bytes and time of decoding steps, what fits into a budget, and what the twins lost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from mistral_core.analysis.progress import Report
from mistral_core.analysis.sharing_cost import (
    KV_HEADS,
    Batch,
    Step,
    gains,
    largest_batches,
    measure_steps,
    promised,
    shape,
)
from mistral_core.experiments.claims import Measured, Value
from mistral_core.experiments.finding import Cell, Table
from mistral_core.experiments.sharing import SHARED
from mistral_core.kv_cache import KVCache
from mistral_core.training.family_results import Reached, reached, recorded_results

QUICK = ((1, 16), (128, 2048), 9, 1.0)
LONG = ((1, 4, 16), (64, 256, 1024, 4096), 21, 4.0)
"""Batches, contexts, least repeats, seconds for each shape.

The largest shape of either reads more than five times as many bytes of keys and values as of weights.
"""
BUDGET, BUDGET_CONTEXT = 64 * 2**20, 1024
"""Bytes of memory for keys and values of texts of so many tokens."""
TWINS = ("mha", "baseline", "mqa")
"""Eight, two and one key/value head."""


def run_sharing(*, quick: bool, report: Report) -> Measured:
    """Runs it.

    Raises:
        OSError: the recorded results of the twins are not there.
    """
    batches, contexts, repeats, spend = QUICK if quick else LONG
    measured = measure_steps(batches, contexts, repeats=repeats, spend=spend, report=report)
    fits = list(largest_batches(shape(), BUDGET_CONTEXT, BUDGET))
    rows = reached(recorded_results())
    return Measured(values=judged_values(measured, fits, rows), tables=(_steps(measured), _fits(fits), _quality(rows)))


def judged_values(
    measured: Sequence[Sequence[Step]], fits: Sequence[Batch], rows: Sequence[Reached]
) -> dict[str, Value]:
    """The numbers that the thresholds are about."""
    far, near = measured[-1], measured[0]
    by_heads = {fit.n_kv_heads: fit for fit in fits}
    repeats = min(len(steps[0].seconds) for steps in measured)
    return {
        "repeats": Value(measured=repeats, source="model"),
        "far enough": Value(measured=far[0].share, source="derived"),
        "memory": Value(measured=_allocated(far[0], KV_HEADS[0]) / _allocated(far[0], SHARED), source="model"),
        "batch": Value(
            measured=by_heads[KV_HEADS[0] // 2].allocated / by_heads[KV_HEADS[0]].allocated,
            source="model",
            repeats=f"a budget of {BUDGET // 2**20} MiB, texts of {BUDGET_CONTEXT:,} tokens",
        ),
        "time": _gain(far),
        "below the crossing": _gain(near),
        "quality": _cost(rows),
    }


def _gain(steps: Sequence[Step]) -> Value:
    """Median of the gain; the middle half of the repeats is its spread."""
    each = gains(steps, SHARED)
    low, _, high = statistics.quantiles(each, n=4)
    repeats = f"{len(each)} steps of each, in turns"
    return Value(measured=statistics.median(each), source="model", low=low, high=high, repeats=repeats)


def _allocated(step: Step, n_kv_heads: int) -> int:
    return KVCache(shape(n_kv_heads, step.context), step.batch).nbytes


def _cost(rows: Sequence[Reached]) -> Value:
    """Bits per byte by which the twin with shared heads is behind, over how far seeds lie apart."""
    by_name = {row.first.name: row for row in rows}
    apart = [by_name[name].short_spread for name in TWINS[:2] if name in by_name and by_name[name].short_spread]
    if not apart:
        return Value(measured=math.nan, source="recorded", repeats="one seed a model tells nothing of chance")
    lost = by_name[TWINS[1]].short - by_name[TWINS[0]].short
    seeds = min(by_name[name].seeds for name in TWINS[:2])
    return Value(
        measured=lost / max(one for one in apart if one),
        source="recorded",
        repeats=f"{seeds} seed{'s' if seeds > 1 else ''}",
    )


def _steps(measured: Sequence[Sequence[Step]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for steps in measured:
        for step in steps:
            gain = statistics.median(gains(steps, step.n_kv_heads))
            part = (step.n_kv_heads, step.batch, step.context, round(steps[0].share, 4))
            rows.append((*part, 1000 * step.median, gain, promised(steps, step.n_kv_heads)))
    return Table(
        name="steps",
        title="A decoding step of random networks with eight query heads",
        source="model",
        columns=(
            "key/value heads",
            "texts",
            "tokens in each",
            "keys and values over weights, bytes",
            "ms a step",
            "times as fast",
            "by bytes alone",
        ),
        rows=tuple(rows),
    )


def _fits(fits: Sequence[Batch]) -> Table:
    return Table(
        name="batches",
        title=f"Texts of {BUDGET_CONTEXT:,} tokens whose keys and values fit into {BUDGET // 2**20} MiB (float32)",
        source="model",
        columns=("key/value heads", "by formula", "allocated", "bytes allocated"),
        rows=tuple((fit.n_kv_heads, fit.by_formula, fit.allocated, fit.nbytes) for fit in fits),
    )


def _quality(rows: Sequence[Reached]) -> Table:
    chosen = [row for row in rows if row.first.name in TWINS]
    return Table(
        name="quality",
        title="What the twins reached, bits per byte of short pieces of held-out text",
        source="recorded",
        columns=("model", "parameters", "tokens seen", "seeds", "bits per byte", "spread"),
        rows=tuple(
            (row.first.name, row.first.parameters, row.first.tokens, row.seeds, row.short, row.short_spread)
            for row in chosen
        ),
    )
