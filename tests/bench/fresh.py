"""Runs one measurement in a process of its own, so that no earlier one has filled its memory.

`python -m tests.bench.fresh MODULE FUNCTION '{"argument": value}'` prints the returned value as JSON on
the last line of its output.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def call(module: str, function: str, **arguments: Any) -> Any:
    """The value that `module.function(**arguments)` returns in a new process; JSON both ways.

    Raises:
        RuntimeError: the process failed; the message ends with what it printed.
    """
    command = [sys.executable, "-m", "tests.bench.fresh", module, function, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module}.{function} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """The side of the new process."""
    module, function, arguments = sys.argv[1:]
    value = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print("\n" + json.dumps(value))


if __name__ == "__main__":
    main()
