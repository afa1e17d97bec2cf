"""Claim 2, "grouped queries speed up decoding and save memory": bytes counted, time measured, and what it costs."""

from __future__ import annotations

from mistral_core.analysis.progress import Report
from mistral_core.analysis.turns import from_where_on
from mistral_core.experiments.claims import Claim, Measured
from mistral_core.experiments.finding import Table, Threshold, Value
from mistral_core.experiments.words import between, number

SHARED = 2
"""Key/value heads of eight: four queries to a key, as in Mistral 7B."""
NOTICED = 1.1
"""Times as fast: a tenth, what one would notice at all."""


def gains_by_share(steps: Table) -> list[tuple[float, float]]:
    """By rising share: bytes of keys and values over those of weights, and times as fast with `SHARED` heads."""
    heads, share, gain = (
        steps.columns.index(name)
        for name in ("key/value heads", "keys and values over weights, bytes", "times as fast")
    )
    return sorted((float(row[share] or 0), float(row[gain] or 0)) for row in steps.rows if row[heads] == SHARED)


def pays_from(steps: Table) -> float:
    """The share from which on sharing makes a step at least `NOTICED` times as fast; NaN = nowhere."""
    return from_where_on([(share, (gain,)) for share, gain in gains_by_share(steps)], NOTICED)


def small_gain(value: Value) -> str:
    """What sharing gains where there is least to gain: little, nothing that can be told from nothing, or a loss."""
    low = value.measured if value.low is None else value.low
    high = value.measured if value.high is None else value.high
    kind = "a small gain, under the threshold" if low > 1 else "no gain was detected" if high >= 1 else "a loss"
    ends = between(value)
    return (
        f"where the weights are most of what is read (a short text, a small batch): {kind}: {number(value.measured)} "
        f"times as fast{f' ({ends})' if ends else ''}, at least {number(NOTICED)} was needed"
    )


CLAIM = Claim(
    name="sharing",
    title="Shared keys and values make decoding faster",
    statement=(
        "Query heads that share keys and values (grouped queries) speed up decoding a lot and save memory on the way, "
        "so that more texts fit into a batch: more is written in the same time."
    ),
    where="Section 1, and table 1 (32 query heads on 8 key/value heads)",
    remark=(
        "Decoding waits for memory. What is shared is not read twice, but the weights are read all the same: where "
        "they are most of what is read, there is little to gain. And what does sharing cost in quality?"
    ),
    needed=(
        Threshold(
            name="repeats",
            says="timed steps of each shape, of which the median counts",
            role="control",
            limit="too few repeats for a median on a machine that does other things as well",
            at_least=7,  # the median of seven survives three disturbed ones
        ),
        Threshold(
            name="far enough",
            says="keys and values read over weights read, in bytes, at the largest batch and context, nothing shared",
            role="control",
            limit="the shapes measured do not reach where reading keys and values costs most",
            at_least=5,  # five sixths of what is read are then keys and values
        ),
        Threshold(
            name="memory",
            says="bytes of an allocated cache with a key/value head for each query head, over a quarter of them",
            role="claim",
            limit="a cache with a quarter of the heads does not take a quarter of the bytes",
            at_least=3.9,  # Mistral's factor is 4; the positions of the slots are not shared
        ),
        Threshold(
            name="batch",
            says="texts that fit into a memory budget with half the key/value heads, over all of them",
            role="claim",
            limit="halving the cache does not double the batch",
            at_least=1.9,  # whole texts: one more or less at the edge of the budget
        ),
        Threshold(
            name="time",
            says="time of a decoding step, nothing shared over four queries to a key, at that largest shape (median)",
            role="claim",
            limit="decoding is not faster where keys and values are most of what is read",
            at_least=1.5,  # (5 + 1) / (5/4 + 1) = 2.7 would be all of it; 1.5 is well beyond a busy machine's noise
        ),
        Threshold(
            name="below the crossing",
            says="the same where keys and values are the smallest share of what is read (median)",
            role="limit",
            limit="where the weights are most of what is read (a short text, a small batch) the gain is too small",
            limit_of=small_gain,
            at_least=NOTICED,
        ),
        Threshold(
            name="quality",
            says="bits per byte that four queries to a key cost the twins, over how far the seeds of a model lie apart",
            role="limit",
            limit="sharing costs quality: the twins differ by more than the seeds of one of them",
            at_most=1.0,  # within the seeds' own spread nothing is seen
        ),
    ),
    limits=(
        "the twins with fewer key/value heads have fewer parameters as well, since wk and wv shrink: the cost in "
        "quality is of both",
        "times are of this program on a processor, with random weights in float32 and every slot in use; a graphics "
        "card has its crossing elsewhere",
    ),
)


def measure(*, quick: bool, report: Report) -> Measured:
    """Runs it; see `sharing_run`.

    Raises:
        OSError: the recorded results of the twins are not there.
    """
    from mistral_core.experiments.sharing_run import run_sharing

    return run_sharing(quick=quick, report=report)
