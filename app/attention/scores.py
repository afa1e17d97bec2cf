"""The scores before the softmax, which runs do not keep: the text is read again for them."""

from __future__ import annotations

from app.attention.messages import ReadScores
from app.attention.payload import BAND_BUDGET, SCORES
from app.attention.state import AttentionState
from app.session.desk import Desk
from app.session.rereading import read_again
from app.session.runs import Record
from app.session.visible import run_named
from mistral_core.analysis.progress import Report
from mistral_core.trace.trace import RecordingPlan, Trace


def read_scores(desk: Desk, event: ReadScores) -> None:
    """Reads the shown text again, in the background."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    workshop = desk.page_state(AttentionState).scores
    workshop.start(scores_name(record, trace, len(trace)), lambda report: scores_of(trace, report))


def scores_name(record: Record, trace: Trace, length: int) -> str:
    """Names a text, the weights that read it, and how far."""
    return f"{record.name}/{trace.model_hash[:8]}/{length}"


def scores_of(trace: Trace, report: Report) -> Trace:
    """One pass over the text of a run that keeps nothing but the scores.

    Raises:
        ValueError: they are too many, or the model here has other weights.
    """
    plan, length = RecordingPlan(hooks=(SCORES,)), len(trace)
    size = sum(plan.cost(trace.config, length, length).values())
    if size > BAND_BUDGET:
        raise ValueError(f"the scores of {length:,} tokens are {size:,} bytes, more than the {BAND_BUDGET:,} sent")
    return read_again(trace, plan, report)
