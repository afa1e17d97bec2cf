"""The search for a disagreement: a key much looked at that does not matter, and one looked at less that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from app.attention.messages import EdgeOfFinding, Find, Finding, FindingDone
from app.attention.state import AttentionState
from app.navigation import ENTRIES
from app.session.desk import Desk
from app.session.rereading import writer_of
from app.session.runs import Record
from app.session.visible import run_named
from app.session.work import Workshop
from mistral_core.analysis.progress import Report
from mistral_core.checkpoint import registry
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.disagreement import Disagreement, Edge

QUERIES = 300
"""The search takes the last so many tokens of a run."""
REACH = "reach"
"""The page that follows a change."""


def find(desk: Desk, event: Find) -> None:
    """Starts the search in the shown run, unless one is under way there."""
    run = run_named(desk, event["run"])
    if run is None:
        desk.notice = "That run is no longer here; choose another one."
        return
    record, trace = run
    searches = desk.page_state(AttentionState).searches
    name = _name(record, trace)
    known = searches.get(name)
    if known is None or not known.running:
        searches.start(name, lambda report: said_of(*search(trace, report), len(trace)))


def cancel(desk: Desk, event: Find) -> None:
    """Stops the search."""
    desk.page_state(AttentionState).searches.cancel()


def search(trace: Trace, report: Report) -> tuple[Disagreement | None, int]:
    """Takes away every key of the last `QUERIES` tokens; also of how many tokens there were.

    Two keys of one token compete for the same attention, so such a pair is preferred to one of two tokens.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.disagreement import removals, strongest, strongest_of_one_query

    ids = [int(token) for token in trace.token_ids]
    report(0, 1, "loading the model")
    loaded = writer_of(trace)
    # A query of the first window has few keys, so that each has much attention: no fair comparison.
    full = min((window for window in trace.config.windows if window is not None), default=1) - 1
    first = max(1, full if full < len(ids) - 1 else 1, len(ids) - QUERIES)
    measured = list(removals(loaded.model, ids, range(first, len(ids)), report=report))
    pair = strongest_of_one_query(measured) or (strongest(measured) if measured else None)
    return pair, len(measured)


def finding(searches: Workshop[FindingDone], record: Record, trace: Trace) -> Finding:
    """The state of the search in a run, as the browser shows it."""
    if not registry.offered(trace.model_name):
        return {
            "state": "impossible",
            "text": f"The model that wrote this run, {trace.model_name}, is not here: "
            "its weights can be shown, but no key can be taken away.",
        }
    work = searches.get(_name(record, trace))
    if work is None:
        return {"state": "idle", "text": ""}
    if work.running:
        done, total, doing = work.progress
        return {"state": "running", "done": done, "total": total, "doing": doing}
    if work.result is None:
        return {"state": "failed", "text": work.error}
    return {**work.result, "more": len(trace) > work.result["length"]}


def said_of(disagreement: Disagreement | None, count: int, length: int) -> FindingDone:
    """The result in words and numbers.

    Args:
        count: tokens whose keys were taken away. length: of the text.
    """
    done: FindingDone = {
        "state": "done",
        "edges": [],
        "text": f"Among the keys of {count} tokens, attention and removal agree: "
        "no large weight without a consequence.",
        "length": length,
        "more": False,
        "reach": False,
    }
    if disagreement is None:
        return done
    largest = disagreement.factor
    factor = f"{largest:.1f}" if largest < 10 else f"{largest:,.0f}"
    done["edges"] = [_edge("watched", disagreement.watched), _edge("decisive", disagreement.decisive)]
    same = disagreement.watched.query == disagreement.decisive.query
    of = (
        f"of all pairs of keys of one token, this one disagrees most ({count} tokens were tried, the last of the text)"
        if same
        else f"in {count} tokens no single one has such a pair, so these are keys of two: two predictions are compared"
    )
    done["text"] = (
        f"The first is looked at {factor} times as much as the second, and yet taking it away changes hardly anything: "
        f"{of}. Attention: mean of all layers and heads. Taken away: KL of the next word when no layer sees this key."
    )
    done["reach"] = any(entry.name == REACH for entry in ENTRIES)
    return done


def _edge(kind: Literal["watched", "decisive"], edge: Edge) -> EdgeOfFinding:
    return {"kind": kind, "query": edge.query, "key": edge.key, "attention": edge.attention, "kl": edge.kl}


def _name(record: Record, trace: Trace) -> str:
    return f"{record.name}/{trace.model_hash[:8]}"
