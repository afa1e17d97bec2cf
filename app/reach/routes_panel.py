"""Routes, on the page: the prediction, the threshold, the way from one word, and what is left when it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app.reach.routes import (
    MAX_TOKENS,
    RANDOM_ROUTES,
    THRESHOLDS,
    Routed,
    checked,
    looked_at_first,
    read_for,
    readable,
    routed,
)
from app.reach.routes_figure import routes_figure
from app.reach.state import ReachState
from app.session import state
from app.session.desk import Desk
from app.session.progress import writing
from app.shared.chart import chart
from app.shared.work_panel import work_panel
from app.theme import percent
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.route_check import Agreement, RouteCheck
    from mistral_core.analysis.routes import FlowGraph, RouteEdge

MEASURES = {
    "flow": "flow (this picture)",
    "rollout": "rollout of attention",
    "gradient": "gradient × state",
    "swap": "token replaced",
}


def routes(desk: Desk) -> None:
    """The panel, for the text that is shown."""
    st.subheader("Routes: which way did a prediction come?")
    trace = readable(desk)
    if trace is None:
        st.caption("Write a text first.")
        return
    if writing(desk):
        st.caption("The text is being written; its routes can be looked for when it is there.")
        return
    if len(trace) > MAX_TOKENS:
        st.caption(f"This text has {len(trace):,} tokens; routes are measured in texts of up to {MAX_TOKENS}.")
        return
    st.write(
        "Every state is a sum: what it was before, and what each head fetched from each position. How much nearer "
        "does each of them bring the state to what it becomes? That is the width of an edge; edges that arrive at a "
        "state sum to 1. Walked back from a prediction, they are the routes that it came on."
    )
    target = _target(desk, trace)
    name = f"{trace.model_hash} {hash(read_for(trace, target))} {target}"
    result = work_panel(
        desk.page_state(ReachState).routes,
        name,
        lambda report: routed(trace, target, report),
        key=state.ROUTES,
        label="Find the routes",
        icon=":material/route:",
    )
    if result is not None:
        _result(desk, trace, result, name)


def _target(desk: Desk, trace: Trace) -> int:
    """The prediction that is meant: that of the reading above, and the last but one of the text at first."""
    record = desk.current or ""
    choice = desk.page_state(ReachState).of(record).choice
    last = max(1, len(trace) - 2)  # a token follows, whose probability can be followed
    first = min(choice.target, last) if choice is not None and choice.target else last
    targets = desk.page_state(ReachState).targets
    now = min(targets.setdefault(record, first), len(trace) - 1)
    key = state.routes_of(record, "target")
    targets[record] = int(st.number_input("prediction after position", 1, len(trace) - 1, now, key=key, width=200))
    return targets[record]


def _result(desk: Desk, trace: Trace, result: Routed, name: str) -> None:
    graph = result.graph
    record = desk.current or ""
    with st.container(horizontal=True, gap="medium"):
        threshold = st.select_slider(
            "edges of at least",
            THRESHOLDS,
            value=0.03,
            format_func=percent,
            key=state.routes_of(record, "threshold"),
            width=280,
        )
        begin = looked_at_first(graph, trace.config.windows[-1], threshold)
        source = int(
            st.number_input(
                "from position",
                graph.first,
                graph.target - 1,
                begin,
                key=state.routes_of(f"{record} {graph.target} {threshold}", "source"),
                width=160,
            )
        )
    edges, route = graph.above(threshold), graph.route(source, threshold)
    chart(
        lambda theme: routes_figure(graph.flow, graph.first, trace.token_labels, edges, route, theme),
        key=state.ROUTES_FIGURE,
        alt=f"State grid with {len(edges)} edges over {percent(threshold)}, {len(route)} of them on a route from "
        f"position {source} to the prediction after {graph.target}",
    )
    _words(trace, graph, edges, route, source, threshold)
    st.caption(
        "derived: read off one pass of the model; shade = share of the flow that passes a state (square root), lines = "
        f"edges of at least {percent(threshold)} walked back from the prediction. The terms sum to the states within "
        f"{graph.contributions.error:.1e} of their norm. Information-flow routes: Ferrando and Voita 2024 "
        "(arXiv 2403.00824). Code: mistral_core/analysis/routes.py."
    )
    if any(edge.sideways for edge in route):
        _check(desk, trace, route, source, graph.target, f"{name} {source} {threshold}")
    if result.agreement is not None:
        _agreement(result.agreement)


def _words(
    trace: Trace,
    graph: FlowGraph,
    edges: tuple[RouteEdge, ...],
    route: tuple[RouteEdge, ...],
    source: int,
    threshold: float,
) -> None:
    word = f"“{trace.token_labels[source]}” ({source})"
    share = percent(float(graph.flow[0, source - graph.first]))
    said = f"{len(edges)} edges are left. {share} of the flow begins at {word}."
    if route:
        sideways = sum(edge.sideways for edge in route)
        said += f" Its route has {len(route)} edges, {sideways} of them from one position to another."
    else:
        last = graph.last_threshold(source)
        why = f"its last route ends at {percent(last)}" if last else "no path leads from it to the prediction"
        said += f" No route from it is left at {percent(threshold)}: {why}."
    st.markdown(said)


def _check(desk: Desk, trace: Trace, route: tuple[RouteEdge, ...], source: int, target: int, name: str) -> None:
    result = work_panel(
        desk.page_state(ReachState).route_checks,
        name,
        lambda report: checked(trace, source, target, route, report),
        key=state.ROUTE_CHECK,
        label="Cut this route, and random ones",
        icon=":material/content_cut:",
    )
    if result is not None:
        _checked(result, trace.token_labels[source])


def _checked(result: RouteCheck, word: str) -> None:
    if not result.effect:
        st.markdown(f"Replacing “{word}” changes nothing here, so there is nothing to cut.")
        return
    others = sorted(result.gone_random)
    middle = float(np.median(others))
    better = sum(result.gone > other for other in others)
    st.markdown(
        f"Replacing “{word}” changes the prediction by {result.effect:.2g} nats. With its route cut "
        f"({result.n_edges} of {result.n_corridor} edges) **{result.gone:.0%}** of that is gone; with random routes of "
        f"equal size {middle:.0%} (median of {len(others)}, {others[0]:.0%} to {others[-1]:.0%}). The route beats "
        f"{better} of {len(others)}."
    )
    st.caption(
        "model: measured now; cut edges are taken out of the softmax, and the other weights of the query grow in "
        f"proportion. Random: as many edges in each layer, {RANDOM_ROUTES} draws, seed 0. Below 0 % the effect grew."
    )


def _agreement(agreement: Agreement) -> None:
    names = list(MEASURES.values())
    rows = [
        {"": name, **{other: f"{value:.2f}" for other, value in zip(names, row, strict=True)}}
        for name, row in zip(names, agreement.correlation.tolist(), strict=True)
    ]
    st.markdown("Do four measures of what each token gives rank the tokens alike?")
    st.table(rows, hide_index=True)
    st.caption(
        "derived: rank correlation (Spearman's) over all tokens that can be reached; 1 = the same order, 0 = none in "
        "common. Gradient and replacement are measured influence; flow and rollout are read off attention and states."
    )
