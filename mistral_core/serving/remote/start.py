"""Whoever asks for Ray comes here: it is imported then and not before, and where it is not installed that is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mistral_core.serving.loading import Load

if TYPE_CHECKING:
    from mistral_core.serving.interface import WritingEngine

MISSING = "Ray is not installed; `make serve-ray` installs it, or: pip install -r requirements-ray.txt"
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_SERVE_ENABLE_TASK_EVENTS": "0"}
"""Of the environment: nothing is reported to anybody, and no warning about accelerators that are not asked for."""


def quieten() -> None:
    """Before Ray is imported: it reads these then."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def connected(address: str, load: Load) -> WritingEngine:
    """An engine whose texts are written by the replicas of a Ray cluster.

    Args:
        address: of the cluster, as `mistral_core.serving.remote` prints it. load: as of `RemoteEngine`.

    Raises:
        ValueError: Ray is not installed, or nothing answers at this address.
    """
    quieten()
    from mistral_core.serving.remote.front import RemoteEngine

    try:
        from mistral_core.serving.remote.on_ray import RayTransport, join
    except ImportError as error:
        raise ValueError(MISSING) from error
    join(address)
    return RemoteEngine(load, RayTransport())
