"""Which way a prediction came: the flow graph of one position, and the check of one route by cutting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.session.desk import Desk
from app.session.progress import trace_of
from app.session.rereading import writer_of
from mistral_core.analysis.progress import Report
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.route_check import Agreement, RouteCheck
    from mistral_core.analysis.routes import FlowGraph, RouteEdge

MAX_TOKENS = 400
"""Of a text whose routes are measured: every edge of the grid is weighed."""
RANDOM_ROUTES = 20
THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Routed:
    """The graph of one prediction, and how four measures of its tokens agree; `None` = nothing follows in the text."""

    graph: FlowGraph
    agreement: Agreement | None


def readable(desk: Desk) -> Trace | None:
    """The text that is shown, if its routes can be measured."""
    trace = trace_of(desk.record)
    return trace if trace is not None and len(trace) >= 2 else None


def read_for(trace: Trace, target: int) -> tuple[int, ...]:
    """What a prediction's routes depend on: the tokens up to the one that follows it; later ones change nothing."""
    return tuple(trace.token_ids[: target + 2].tolist())


def routed(trace: Trace, target: int, report: Report) -> Routed:
    """Measures the flow to the prediction at `target`.

    Raises:
        ValueError: the model here has other weights, or there is no such position.
    """
    from mistral_core.analysis.route_check import agreement
    from mistral_core.analysis.routes import flow_graph

    model, ids = writer_of(trace).model, read_for(trace, target)
    graph = flow_graph(model, ids, target, report)
    following = agreement(model, ids, graph, report=report) if target + 1 < len(ids) else None
    return Routed(graph=graph, agreement=following)


def checked(trace: Trace, source: int, target: int, route: tuple[RouteEdge, ...], report: Report) -> RouteCheck:
    """Cuts a route, and random ones of equal size.

    Raises:
        ValueError: the model here has other weights, or no such route.
    """
    from mistral_core.analysis.route_check import check_route

    model, ids = writer_of(trace).model, read_for(trace, target)
    return check_route(model, ids, source, target, route, n_random=RANDOM_ROUTES, report=report)


def looked_at_first(graph: FlowGraph, window: int | None, threshold: float) -> int:
    """The token that is looked at first: of those with a route the one with most flow, beyond one window if it can be.

    Args:
        window: of the last layer.
    """
    with_route = [one for one in range(graph.first, graph.target) if graph.last_threshold(one) >= threshold]
    beyond = [one for one in with_route if window is not None and graph.target - one >= window]
    choice = beyond or with_route or [graph.target - 1]
    return max(choice, key=lambda one: float(graph.flow[0, one - graph.first]))
