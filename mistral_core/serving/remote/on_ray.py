"""Replicas and calls by Ray Serve: the only file that imports Ray.

* **A session sticks to its replica** by a router of our own. Model multiplexing, Serve's own way to prefer a replica,
  falls back to another one when the first is slow, and its consistent hashing moves texts that are under way whenever
  a replica is added; here a text is asked for where it is, and only a new one is hashed (`sticky.py`).
* **Autoscaling counts texts**, not requests: a look takes milliseconds, so `ongoing requests` is near 0 on a replica
  that writes thirty texts. Each replica says how many it writes, and there are as many as keep that at `texts`.
* **A restart needs no hand-over**: a replica that stops, for whatever reason, is one that died (`front.py`).

Source: docs.ray.io, Serve: "Use Custom Algorithm for Request Routing", "Advanced Ray Serve Autoscaling".
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
from ray.serve.exceptions import RayServeException
from ray.serve.request_router import RequestRouter

from mistral_core.serving.engine import Engine
from mistral_core.serving.named import load_named
from mistral_core.serving.remote.replica import Command, Replica
from mistral_core.serving.remote.sticky import address as spelled
from mistral_core.serving.remote.sticky import chosen
from mistral_core.serving.remote.transport import GoneError, SilentError
from mistral_core.serving.remote.wire import Ask, Bulletin, Order, Receipt
from mistral_core.serving.task import take_turns_sooner

APPLICATION, DEPLOYMENT, NAMESPACE = "explorer", "Writer", "explorer"
PATIENCE = 3.0
"""Seconds that a call may take: a look takes milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How many replicas.

    Attributes:
        least, most: replicas. texts: on each, before another one is started.
        up, down: seconds for which more, or fewer, have to be wanted.
        cpus: of a replica, as Ray counts them.

    Raises:
        ValueError: a number out of bounds.
    """

    least: int = 1
    most: int = 2
    texts: int = 16
    up: float = 5.0
    down: float = 120.0
    cpus: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"{self.least} to {self.most} replicas are asked for; give at least 1, and no fewer most")
        if self.texts < 1:
            raise ValueError(f"{self.texts} texts a replica are asked for; give at least 1")


class StickyRouter(RequestRouter):
    """Sends a call to the replica that has the text, else to that of the session."""

    async def choose_replicas(self, candidate_replicas: list[Any], pending_request: Any = None) -> list[list[Any]]:
        """As `RequestRouter` wants it: groups of replicas, the best first; here one of one."""
        by_name = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        name = chosen("" if pending_request is None else pending_request.metadata.session_id, by_name)
        return [] if name is None else [[by_name[name]]]


def wanted_replicas(context: Any) -> tuple[float, dict[str, Any]]:
    """As many as keep the texts of each at `Scale.texts`; Serve applies bounds and delays."""
    texts = sum((context.aggregated_metrics.get("texts") or {}).values())
    most = context.config.target_ongoing_requests
    return max(1.0, math.ceil(texts / most)), {}


class Writer:
    """A replica: one engine in a process of its own. Every method is short, and none waits for a token."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        take_turns_sooner()  # a call goes through several threads, and each would wait for the one that writes
        engine = Engine(lambda name, report: load_named(name, report, trained=engine.model), alike=True)
        self._replica = Replica(engine, serve.get_replica_context().replica_id.unique_id)

    async def submit(self, order: Order) -> Receipt:
        return self._replica.submit(order)

    async def news(self, asks: Sequence[Ask]) -> Bulletin:
        return self._replica.news(asks)

    async def command(self, at: str, key: str, command: Command, goal: float) -> bool:
        return at == self._replica.name and self._replica.command(key, command, goal)

    async def said(self, name: str) -> str:
        return self._replica.said(name)

    async def scale(self) -> Scale:
        """With what it was started."""
        return self._scale

    async def about(self) -> dict[str, Any]:
        """For tests and measurements: which process this is, and what it holds."""
        counts = {"texts": self._replica.texts(), "read": self._replica.read()}
        return {"at": self._replica.name, "pid": os.getpid(), **counts}

    async def warm(self, name: str) -> str:
        """Loads a model."""
        self._replica.engine.model(name)
        return self._replica.said(name)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Asked by Serve every now and then."""
        return {"texts": float(self._replica.texts())}


def start(scale: Scale, *, cpus: int | None = None) -> str:
    """Starts Ray on this machine alone, and the replicas; returns the address for `join`.

    Args:
        cpus: as Ray counts them; `None` = those of the machine, and enough for `scale.most`.
    """
    enough = math.ceil(scale.most * scale.cpus)
    context = ray.init(
        num_cpus=cpus or max(os.cpu_count() or 1, enough),
        include_dashboard=False,
        namespace=NAMESPACE,
        log_to_driver=False,
        configure_logging=False,
    )
    deploy(scale)
    address: str = context.address_info["gcs_address"]
    return address


def deploy(scale: Scale) -> None:
    """Starts the replicas; where there are some, replaces one after the other."""
    autoscaling = AutoscalingConfig(
        min_replicas=scale.least,
        max_replicas=scale.most,
        target_ongoing_requests=scale.texts,
        metrics_interval_s=1.0,
        look_back_period_s=5.0,
        upscale_delay_s=scale.up,
        downscale_delay_s=scale.down,
        policy=AutoscalingPolicy(policy_function=wanted_replicas),
    )
    deployment = serve.deployment(
        Writer,
        name=DEPLOYMENT,
        ray_actor_options={"num_cpus": scale.cpus},
        autoscaling_config=autoscaling,
        request_router_config=RequestRouterConfig(request_router_class=StickyRouter),
        max_ongoing_requests=10_000,  # a replica that refused a look would be taken for one that is gone
        health_check_period_s=1.0,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=2.0,
    )
    serve.start(http_options={"location": "NoServer"})
    serve.run(deployment.bind(scale), name=APPLICATION, route_prefix=None)


def roll() -> None:
    """Replaces the replicas by new ones, one after the other, with the numbers that they have.

    Raises:
        ValueError: there are none.
    """
    try:
        scale = serve.get_deployment_handle(DEPLOYMENT, app_name=APPLICATION).options(method_name="scale").remote()
        deploy(scale.result(timeout_s=PATIENCE))
    except (RayError, RayServeException, TimeoutError) as error:
        raise ValueError(f"no replicas answer in this cluster ({error}); start some with `make serve-ray`") from error


def stop(alone: bool) -> None:
    """Ends the replicas; with `alone` the cluster too."""
    serve.shutdown() if alone else serve.delete(APPLICATION)
    ray.shutdown()


def join(address: str) -> None:
    """Connects this process to a cluster.

    Raises:
        ValueError: nothing answers there.
    """
    if ray.is_initialized():
        return
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RayError, RuntimeError) as error:
        raise ValueError(f"no Ray cluster answers at {address} ({error}); start one with `make serve-ray`") from error


class RayTransport:
    """A `Transport` over the handle of the deployment."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._handle = serve.get_deployment_handle(DEPLOYMENT, app_name=APPLICATION)
        self._patience = patience

    def submit(self, order: Order) -> Receipt:
        receipt: Receipt = self._call("submit", spelled(order.session, ""), order)
        return receipt

    def news(self, at: str, asks: Sequence[Ask]) -> Bulletin:
        bulletin: Bulletin = self._call("news", spelled("", at), asks)
        return bulletin

    def command(self, at: str, key: str, command: Command, goal: float = math.inf) -> bool:
        there: bool = self._call("command", spelled("", at), at, key, command, goal)
        return there

    def said(self, at: str, name: str) -> str:
        sentence: str = self._call("said", spelled("", at), name)
        return sentence

    def close(self) -> None:
        """Leaves the cluster."""
        self._handle.shutdown()
        ray.shutdown()

    def everybody(self, method: str, *arguments: Any) -> list[Any]:
        """What all replicas answer; for tests and measurements."""
        answers: list[Any] = self._handle.broadcast(method, *arguments).results(timeout_s=120)
        return answers

    def _call(self, method: str, to: str, *arguments: Any) -> Any:
        try:
            response = self._handle.options(method_name=method, session_id=to).remote(*arguments)
            return response.result(timeout_s=self._patience)
        except TimeoutError as error:
            raise SilentError(method) from error
        except (RayError, RayServeException) as error:
            raise GoneError(str(error)) from error
