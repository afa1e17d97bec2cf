"""The run of claim 4: costs, losses by last mention, recall, imposed windows, the relay as control."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from mistral_core.analysis.progress import Report, part_of
from mistral_core.analysis.turns import from_where_on
from mistral_core.analysis.window_cost import Cost, measure_costs, ratios, scores_needed, shape
from mistral_core.experiments import window_parts as parts
from mistral_core.experiments.claims import Measured
from mistral_core.experiments.finding import Table
from mistral_core.experiments.held_out import held_out, text_table
from mistral_core.experiments.models import Load, needed
from mistral_core.experiments.window_criteria import FASTER, WindowMeasured, window_values
from mistral_core.model import random_model

MULTIPLES = (1, 2, 4, 8, 16)
"""Lengths of text, in windows."""
WINDOW = {True: 128, False: 256}
"""Of the cost part, quick and long."""
REPEATS = {True: 3, False: 7}
"""The minimum of repeats of every timing, quick and long."""
PRETRAINED, PRETRAINED_WINDOW, PRETRAINED_PIECES = "smollm2", 64, 16
PAPER = (16_384, 4096)
PARTS = 5


def run_window(load: Load, *, quick: bool, report: Report) -> tuple[WindowMeasured, Measured]:
    """Measures all parts; what the criteria need, and everything for the finding.

    Args:
        load: a model by its name; `None` = it is not there.
        quick: fewer repeats, the bundled stories, and the small twins alone.
    """
    text = held_out(quick)
    twins = [needed(load, name) for name in (parts.FULL, parts.WINDOWED, parts.NARROW)]
    relay, pretrained = needed(load, "relay"), None if quick else load(PRETRAINED)
    window, chunk = WINDOW[quick], WINDOW[quick]
    models = [random_model(shape(one)) for one in (None, window)]
    lengths = [window * multiple for multiple in MULTIPLES]
    costs = measure_costs(
        models[0], models[1], lengths, chunk=chunk, repeats=REPEATS[quick], report=part_of(report, 0, PARTS)
    )
    paid, mentions = parts.price(twins, text.documents, part_of(report, 1, PARTS))
    subject, narrow, length = twins[0], parts.window_of(twins[1]), parts.judged_length(twins[0])
    if pretrained is not None:
        subject, narrow, length = pretrained, PRETRAINED_WINDOW, 4 * PRETRAINED_WINDOW
    most = PRETRAINED_PIECES if pretrained is not None else len(text.documents) * 1000
    tried = [narrow] if quick else [narrow // 2, narrow, 2 * narrow]
    (loss, alone, rescued), imposed = parts.imposed(
        subject, text.documents, tried, narrow, length, most, part_of(report, 2, PARTS)
    )
    near, far, lost, names, recall = parts.recalled(subject, narrow, part_of(report, 3, PARTS))
    own, cut, asked, relayed = parts.relayed(relay, *((1, 4) if quick else (4, 1)))
    part_of(report, PARTS - 1, PARTS)(1, 1, "done")
    seen = WindowMeasured(
        miscounted=miscounted(costs),
        memory=costs[-1][0].kv_bytes / costs[-1][1].kv_bytes,
        times=ratios(costs[-1]),
        crossing=crossing(costs),
        relay=own,
        relay_narrowed=cut,
        asked=asked,
        loss=loss,
        loss_imposed=alone,
        loss_rescued=rescued,
        imposed_on=f"{subject.name}, W = {narrow}",
        price=paid,
        recall_near=near,
        recall_far=far,
        recall_windowed=lost,
        recall_by=f"{subject.name}, W = {narrow}",
        names=names,
    )
    tables = (cost_table(costs), paper_table(), mentions, recall, imposed, relayed, parts.seeds(), text_table(text))
    ran = (*twins, relay, *((pretrained,) if pretrained else ()))
    hashes = {one.name: one.model_hash for one in ran}
    return seen, Measured(values=window_values(seen), tables=tables, models=hashes)


def miscounted(costs: Sequence[tuple[Cost, Cost]]) -> float:
    """The largest difference between scores counted and the formula."""
    return float(max(abs(one.needed - scores_needed(one.length, one.window)) for pair in costs for one in pair))


def crossing(costs: Sequence[tuple[Cost, Cost]]) -> float:
    """The shortest text, in windows, from which on the median ratio is at least `FASTER`; NaN = none."""
    return from_where_on([(pair[0].length / (pair[1].window or 1), ratios(pair)) for pair in costs], FASTER)


def cost_table(costs: Sequence[tuple[Cost, Cost]]) -> Table:
    """A line a length."""
    rows = []
    for pair in costs:
        full, windowed = pair
        times = ratios(pair)
        rows.append(
            (
                full.length,
                full.length / (windowed.window or 1),
                min(full.seconds),
                min(windowed.seconds),
                statistics.median(times),
                min(times),
                max(times),
                full.kv_bytes,
                windowed.kv_bytes,
                full.needed,
                windowed.needed,
                full.needed / windowed.needed,
            )
        )
    return Table(
        name="cost",
        title="Reading a text once, full attention and a window; random weights",
        source="model",
        columns=(
            "length, tokens",
            "length, windows",
            "full, s (least)",
            "windowed, s (least)",
            "full over windowed (median)",
            "low",
            "high",
            "full, bytes of K and V",
            "windowed, bytes of K and V",
            "full, scores a head",
            "windowed, scores a head",
            "scores, full over windowed",
        ),
        rows=tuple(rows),
    )


def paper_table() -> Table:
    """What the paper measured beside what the formula gives."""
    length, window = PAPER
    ratio = scores_needed(length, None) / scores_needed(length, window)
    return Table(
        name="paper",
        title="16k tokens, W = 4096: full over windowed",
        source="theory",
        columns=("what", "full over windowed", "where from"),
        rows=(
            ("scores needed", ratio, "n(n+1)/2 over n W - W(W-1)/2"),
            ("speed of a kernel", 2.0, "published: Mistral 7B, section 2"),
        ),
    )
