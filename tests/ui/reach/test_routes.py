"""Routes on the page: what is drawn is the graph, and cutting a route says what goes with it."""

import re

import numpy as np
import torch

from app import compute
from app.reach.routes import THRESHOLDS, looked_at_first, routed
from app.reach.routes_figure import routes_figure
from app.session import state
from app.session.progress import trace_of
from mistral_core.analysis.routes import RouteEdge, flow_graph
from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.generation import ModelCard, Run
from mistral_core.request import GenerationRequest
from tests.ui.test_pages import ROOT, app, kept, length, press, wait


def written(at, tokens=24):
    length(at, tokens)
    press(at, "Write")
    return wait(at)


def finished(at, workshop):
    for _ in range(100):
        for work in workshop(at):
            work.task.join(60)
        at.run()
        assert not at.exception, at.exception
        if not workshop(at).running:
            return


def reach_state(at):
    from app.reach.state import ReachState

    return kept(at).page_state(ReachState)


def test_the_routes_of_a_written_text_are_drawn_said_and_cut():
    at = app("next_word")
    written(at)
    at.switch_page(str(ROOT / "pages" / "reach.py")).run()
    press(at, "Find the routes")
    finished(at, lambda at: reach_state(at).routes)
    said = " ".join(one.value for one in at.markdown)
    trace = trace_of(kept(at).record)
    target = at.number_input(key=state.routes_of(kept(at).current, "target")).value
    assert target == len(trace) - 2, "a token follows"
    model = compute.engine().model(DEFAULT_MODEL).model
    graph = flow_graph(model, trace.token_ids.tolist(), target)
    source = looked_at_first(graph, 16, 0.03)
    assert not at.warning, [one.value for one in at.warning]
    assert f"{len(graph.above(0.03))} edges are left" in said and f"({source})" in said
    route = graph.route(source, 0.03)
    assert f"Its route has {len(route)} edges" in said
    press(at, "Cut this route, and random ones")
    finished(at, lambda at: reach_state(at).route_checks)
    said = " ".join(one.value for one in at.markdown)
    assert re.search(r"The route beats \d+ of 20", said)
    head = [row for table in at.table for row in table.value.columns]
    assert "flow (this picture)" in head and "token replaced" in head
    at.number_input(key=state.routes_of(f"{kept(at).current} {target} 0.03", "source")).set_value(target - 1).run()
    assert f"({target - 1})" in " ".join(one.value for one in at.markdown)


def test_the_picture_has_the_edges_the_route_and_the_words():
    flow = np.zeros((3, 5))
    flow[:, 1:3] = 0.5
    edge = RouteEdge(layer=0, source=11, target=13, share=0.2)
    way = RouteEdge(layer=1, source=13, target=14, share=0.4)
    labels = [f"w{i}" for i in range(20)]
    for theme in ("light", "dark"):
        figure = routes_figure(flow, 10, labels, [edge, way], [way], theme)
        cells, others, route = figure.data
        assert np.allclose(np.asarray(cells.z) ** 2, flow) and list(cells.x) == list(range(10, 15))
        assert list(others.x) == [11, 13, None] and list(others.y) == [0, 1, None]
        assert list(route.x) == [13, 14, None] and list(route.y) == [1, 2, None]
        assert list(figure.layout.xaxis.ticktext) == labels[10:15]
        assert figure.layout.meta["provenance"] == "derived"


def test_the_first_token_that_is_looked_at_has_a_route():
    ids = tuple(torch.randint(3, 4096, (30,), generator=torch.Generator().manual_seed(1)).tolist())
    loaded = compute.engine().model(DEFAULT_MODEL)
    request = GenerationRequest(prompt_ids=ids, max_new_tokens=0)
    run = Run(loaded.model, loaded.tokenizer, request, card=ModelCard(DEFAULT_MODEL, loaded.model_hash))
    list(run.prefill())
    trace = run.trace()
    result = routed(trace, 28, lambda done, total, what: None)
    assert result.agreement is not None and np.allclose(result.graph.flow.sum(1), 1)
    for threshold in THRESHOLDS:
        source = looked_at_first(result.graph, 16, threshold)
        graph = result.graph
        others = [one for one in range(graph.first, graph.target) if graph.route(one, threshold)]
        far = [one for one in others if graph.target - one >= 16] or others
        assert source == max(far, key=lambda one: graph.flow[0, one - graph.first], default=graph.target - 1)
    last = routed(trace, 29, lambda done, total, what: None)
    assert last.agreement is None, "no token follows whose probability could be followed"
