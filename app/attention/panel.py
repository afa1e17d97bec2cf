"""What can be done on the attention page: show the run, keep the place, look for a disagreement. No layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from app.attention.messages import EdgeOfFinding, Finding
from app.attention.payload import BAND_BUDGET, SCORES, Extras, attention_parts, derive
from app.navigation import ENTRIES
from app.session.rereading import read_again, writer_of
from app.session.runs import Record
from app.session.state import AttentionView, Desk
from app.session.visible import Payload, Shown, meant, shown
from mistral_core import registry
from mistral_core.serving.task import Report, Task
from mistral_core.trace import RecordingPlan, Trace

if TYPE_CHECKING:
    from mistral_core.analysis.disagreement import Disagreement, Edge

QUERIES = 300
"""The search takes the last so many tokens of a run."""
STRIDE = 32
"""While a run grows, what is derived from all of it is computed again after so many tokens."""
MAX_FINDINGS = 8
REACH = "reach"


def payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run; the last picture stays until there is something."""
    here = shown(desk)
    record, trace = here.record, here.trace
    held = desk.attention.held.get(record.name, {})
    extras = _extras(desk.attention, here)
    parts = attention_parts(
        trace,
        run=record.name,
        start=min(int(held.get("to") or 0), len(trace)),
        extras=extras if extras is not None and extras.key != held.get("extras") else None,
        finding=finding(desk.attention, record, trace),
        at=desk.at.get(record.name),
        **here.growth(),
    )
    return Payload(parts, here.waiting)


def _extras(view: AttentionView, here: Shown) -> Extras | None:
    """Computed once for each length; a growing run waits for `STRIDE` more tokens."""
    record, trace = here.record, here.trace
    length = len(trace) - len(trace) % STRIDE if here.growing else len(trace)
    if length == 0:
        return None
    key = f"{_name(record, trace)}/{length}"
    task = view.scores.get(key)
    again: Trace | None = None if task is None or task.running else task.result
    failed = "" if task is None or task.running else task.error
    wanted = key + ("/failed" if failed else "" if again is None else "/scores")
    if view.extras is None or view.extras.key != wanted:
        view.extras = derive(trace.truncated(length), wanted, again, [failed] if failed else [])
    return view.extras


def acknowledge(desk: Desk, event: Mapping[str, Any]) -> None:
    """The browser says what it holds."""
    desk.attention.held[str(event["run"])] = dict(event)


def send_again(desk: Desk, event: Mapping[str, Any]) -> None:
    """The browser lacks tokens from some position on; they go with the next payload."""
    desk.attention.held[str(event.get("run"))] = {"to": int(event.get("from") or 0)}


def find(desk: Desk, event: Mapping[str, Any]) -> None:
    """Starts the search in the shown run, unless one is under way."""
    run = meant(desk, event)
    if run is None:
        desk.notice = "That run is no longer here; choose another one."
        return
    trace, name = run[1], _name(*run)
    known = desk.attention.findings
    task = known.get(name)
    if task is not None and task[0].running:
        return
    for other, _ in known.values():
        other.cancel()
    known[name] = search(trace), len(trace)
    while len(known) > MAX_FINDINGS:
        known.pop(next(iter(known)))


def cancel(desk: Desk, event: Mapping[str, Any]) -> None:
    """Stops the search."""
    for task, _ in desk.attention.findings.values():
        task.cancel()


def searching(desk: Desk) -> bool:
    """Whether a search is under way, so that the page has to look again."""
    tasks = [*(task for task, _ in desk.attention.findings.values()), *desk.attention.scores.values()]
    return any(task.running for task in tasks)


def read_scores(desk: Desk, event: Mapping[str, Any]) -> None:
    """Reads the shown text again, to have the scores before the softmax, which runs do not keep."""
    run = meant(desk, event)
    if run is None:
        return
    trace, known = run[1], desk.attention.scores
    known[f"{_name(*run)}/{len(trace)}"] = scores_of(trace)
    while len(known) > 1:  # a large result, and quickly had again
        known.pop(next(iter(known)))


def scores_of(trace: Trace) -> Task[Trace]:
    """One pass over the text of a run, in the background, that keeps nothing but the scores."""

    def work(report: Report) -> Trace:
        plan, length = RecordingPlan(hooks=(SCORES,)), len(trace)
        size = sum(plan.cost(trace.config, length, length).values())
        if size > BAND_BUDGET:
            raise ValueError(f"the scores of {length:,} tokens are {size:,} bytes, more than the {BAND_BUDGET:,} sent")
        return read_again(trace, plan, report)

    return Task(work)


def search(trace: Trace) -> Task[tuple[Disagreement | None, int]]:
    """Takes away every key of the last `QUERIES` tokens in the background; the result says of how many."""
    ids = [int(token) for token in trace.token_ids]

    def work(report: Report) -> tuple[Disagreement | None, int]:
        from mistral_core.analysis.disagreement import removals, strongest

        report(0, 1, "loading the model")
        loaded = writer_of(trace)
        # A query of the first window has few keys, so that each has much attention: no fair comparison.
        full = min((window for window in trace.config.windows if window is not None), default=1) - 1
        first = max(1, full if full < len(ids) - 1 else 1, len(ids) - QUERIES)
        measured = list(removals(loaded.model, ids, range(first, len(ids)), report=report))
        return strongest(measured) if measured else None, len(measured)

    return Task(work)


def finding(view: AttentionView, record: Record, trace: Trace) -> Finding:
    """The state of the search in a run, as the browser shows it."""
    if trace.model_name not in registry.browser_models():
        return {
            "state": "impossible",
            "text": f"The model that wrote this run, {trace.model_name}, is not here: "
            "its weights can be shown, but no key can be taken away.",
        }
    known = view.findings.get(_name(record, trace))
    if known is None:
        return {"state": "idle", "text": ""}
    task, length = known
    if task.running:
        return {"state": "running", "done": task.done, "total": task.total, "doing": task.doing}
    if task.result is None:
        return {"state": "failed", "text": task.error or "The search ended without a result."}
    found, count = task.result
    more = len(trace) > length
    if found is None:
        text = f"Among the keys of {count} tokens, attention and removal agree: no large weight without a consequence."
        return {"state": "done", "edges": [], "text": text, "more": more, "reach": False}
    edges = [_edge("watched", found.watched), _edge("decisive", found.decisive)]
    factor = f"{found.factor:.1f}" if found.factor < 10 else f"{found.factor:,.0f}"
    text = (
        f"{factor} times the attention and hardly a consequence: the largest such factor in {count} tokens. Attention: "
        "mean of all layers and heads. Taken away: KL of the next word when no layer sees this key."
    )
    followed = any(entry.name == REACH for entry in ENTRIES)
    return {"state": "done", "edges": edges, "text": text, "more": more, "reach": followed}


def _edge(kind: Literal["watched", "decisive"], edge: Edge) -> EdgeOfFinding:
    return {"kind": kind, "query": edge.query, "key": edge.key, "attention": edge.attention, "kl": edge.kl}


def _name(record: Record, trace: Trace) -> str:
    return f"{record.name}/{trace.model_hash[:8]}"
