"""The text of a run read once more for what its tokens made inside, kept while one looks at tokens near each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.inside_a_block.state import InsideState
from app.session.rereading import writer_of
from app.session.runs import Record
from app.session.work import Work
from mistral_core.analysis.progress import Report
from mistral_core.checkpoint import registry
from mistral_core.trace.trace import PATTERN, Trace, layer_hook

if TYPE_CHECKING:
    from mistral_core.analysis.inside import Inside
    from mistral_core.checkpoint.load import LoadedModel


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read, and by which model."""

    loaded: LoadedModel
    inside: Inside


def reading_of(page: InsideState, record: Record, trace: Trace, position: int) -> Work[Reading]:
    """The reading that has a token, or the work on it; begun if there is none.

    What a growing text lacks is no reason to read it again: what comes later changes nothing of what came before.
    """
    if page.reading is not None and page.reading[0] == record.name:
        work = page.reading[1]
        result = work.result
        if result is None and work.running:
            return work
        if result is not None and result.inside.has(position) and result.loaded.model_hash == trace.model_hash:
            return work
        if work.error and work is page.readings.get(_name(record, trace, position)):
            return work
    work = page.readings.start(_name(record, trace, position), lambda report: read_token(trace, position, report))
    page.reading = (record.name, work)
    return work


def _name(record: Record, trace: Trace, position: int) -> str:
    return f"{record.name}/{trace.model_hash[:8]}/{position}"


def read_token(trace: Trace, position: int, report: Report) -> Reading:
    """Reads the text of a run, as far as the budget allows around one token.

    Raises:
        ValueError: the model is not here or has other weights, or the token makes too much to be kept.
    """
    from mistral_core.analysis.inside import read_inside

    if not registry.offered(trace.model_name):
        raise ValueError(f"the model that wrote this text ({trace.model_name}) is not here")
    report(0, len(trace), "loading the model")
    loaded = writer_of(trace)
    return Reading(loaded, read_inside(loaded.model, trace.token_ids.tolist(), position, report=report))


def gap(inside: Inside, trace: Trace, position: int) -> float | None:
    """How far the weights of attention are from those that the run itself stored; `None` = it stored none."""
    gaps = []
    for layer in range(trace.config.n_layers):
        if layer_hook(layer, PATTERN) not in trace.arrays:
            continue
        own = trace.pattern(layer)[position]
        again = inside.of(layer, PATTERN, position)
        width = min(own.shape[-1], again.shape[-1])
        gaps.append(float(np.abs(own[:, :width].astype(np.float64) - again[:, :width]).max()))
    return max(gaps, default=None)
