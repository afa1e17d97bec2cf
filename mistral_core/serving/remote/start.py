"""Whoever asks for Ray comes here: it is imported then and not before, and where it is not installed that is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mistral_core.serving.interface import WritingEngine
    from mistral_core.serving.loading import Load

VARIABLE = "MISTRAL_EXPLORER_RAY"
"""Of the environment: the address of a Ray cluster whose replicas write the texts (`make serve-ray` sets it)."""
MISSING = "Ray is not installed; `make serve-ray` installs it, or: pip install -r requirements-ray.txt"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # no warning about accelerators that are not asked for
    "RAY_AUTH_MODE": "token",  # nobody joins without the token that Ray makes for this user
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else a thread that is left over starts another cluster
    "RAY_worker_niceness": "0",  # else a replica yields to whatever else runs on its machine
}
"""Of the environment, read by Ray when it is imported."""
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""For one machine: whatever its name says, Ray then takes the address of the loopback and answers there."""


def quieten(alone: bool = True) -> None:
    """Before Ray is imported: it reads these then. `alone`: the replicas are on this machine."""
    for name, value in (QUIET | (ALONE if alone else {})).items():
        os.environ.setdefault(name, value)


def connected(address: str, load: Load) -> WritingEngine:
    """An engine whose texts are written by the replicas of a Ray cluster.

    Args:
        address: of the cluster, as `mistral_core.serving.remote` prints it. load: as of `RemoteEngine`.

    Raises:
        ValueError: Ray is not installed, or nothing answers at this address.
    """
    quieten(alone=address.startswith("127."))
    from mistral_core.serving.remote.front import RemoteEngine

    try:
        from mistral_core.serving.remote.on_ray import RayTransport, join
    except ImportError as error:
        raise ValueError(MISSING) from error
    join(address)
    return RemoteEngine(load, RayTransport())
