"""What the numbers were taken on, and what a process holds in memory."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def describe() -> dict[str, Any]:
    """The machine and the libraries that are compared."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "numpy", "streamlit", "playwright")},
    }


def load_average() -> list[float]:
    """Runnable processes over the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def resident_bytes() -> int:
    """Memory that this process holds now (resident set)."""
    return status_bytes("VmRSS")


def peak_bytes() -> int:
    """The most that this process has held since its start, or since `forget_peak`."""
    return status_bytes("VmHWM")


def forget_peak() -> bool:
    """Lets `peak_bytes` start again from what is held now; false where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def status_bytes(field: str) -> int:
    """A field of the system's account of this process, such as `RssAnon`: memory of its own, without mapped files."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # no /proc: the peak stands for both
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process since its start, of the user and of the system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def observed(work: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """The result of `work`, the seconds it took by both clocks, and its peak over what was held before."""
    reset = forget_peak()
    before = resident_bytes()
    cpu, wall = time.thread_time(), time.perf_counter()
    result = work()
    seconds, spent = time.perf_counter() - wall, time.thread_time() - cpu
    return result, {
        "seconds_wall": seconds,
        "seconds_cpu": spent,
        "before_bytes": before,
        "peak_bytes": peak_bytes(),
        "after_bytes": resident_bytes(),
        "peak_over_before_bytes": peak_bytes() - before,
        "peak_was_reset": reset,
    }
