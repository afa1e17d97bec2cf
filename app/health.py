"""Two addresses for whoever watches a server: whether it is well, and what it does, as Prometheus reads it.

`/healthz` answers anyone with one word. `/metrics` answers programs on the same machine alone: it says how much is
written here, never what. No text of a visitor, no name and no address is in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import compute
from app.session import visitors

HERE = ("127.0.0.1", "::1")
"""Clients that are programs of this machine."""


class Numbers(Collector):
    """What the engine has done and holds, asked when somebody reads it."""

    def collect(self) -> Iterator[Metric]:
        """One number each, with its meaning."""
        engine = compute.engine()
        now = engine.holding()
        yield CounterMetricFamily(
            "explorer_tokens", "Tokens written since the start, of all texts.", engine.figures.tokens
        )
        for name, meaning, value in (
            ("explorer_texts_written", "Texts that are being written now.", now.writing),
            ("explorer_texts_waiting", "Texts that wait for a model or a place.", now.waiting),
            ("explorer_texts_bytes", "Bytes of all texts: recorded tensors, keys and values.", now.nbytes),
            ("explorer_visitors", "Visitors whose pages are open.", len(visitors.desks())),
            ("explorer_step_p95_seconds", "95 of 100 of the last steps took no longer.", engine.figures.p95()),
        ):
            yield GaugeMetricFamily(name, meaning, value)


def healthz(request: Request) -> Response:
    """Whether the process answers; nothing is loaded for it."""
    return PlainTextResponse("ok")


def metrics(request: Request) -> Response:
    """The numbers, for programs of this machine; to others there is no such page."""
    if request.client is None or request.client.host not in HERE or "x-forwarded-for" in request.headers:
        return PlainTextResponse("Not Found", status_code=404)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Numbers())
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_1_0_0})


ROUTES = (Route("/healthz", healthz), Route("/metrics", metrics))
