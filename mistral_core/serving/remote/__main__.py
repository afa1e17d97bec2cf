"""Starts the replicas on this machine, prints the address for the application, and ends them with Ctrl+C.

    python -m mistral_core.serving.remote [--least 1] [--most 2] [--texts 16] [--cpus 1]
    python -m mistral_core.serving.remote --roll ADDRESS    # replaces the replicas of a cluster, one after the other
    python -m mistral_core.serving.remote -- COMMAND ...    # runs a command beside them, and tells it the address

A cluster of several machines is started by Ray's own `ray start`; `--join ADDRESS` then puts the replicas there.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from typing import Any

from mistral_core.serving.remote.start import MISSING, VARIABLE, quieten


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mistral_core.serving.remote", description=__doc__.splitlines()[0])
    parser.add_argument("--least", type=int, default=1, help="replicas that are always there")
    parser.add_argument("--most", type=int, default=2, help="replicas at most")
    parser.add_argument("--texts", type=int, default=16, help="texts on each, before another one is started")
    parser.add_argument("--cpus", type=float, default=1.0, help="of a replica, as Ray counts them")
    parser.add_argument("--join", default="", metavar="ADDRESS", help="of a cluster that is there already")
    parser.add_argument("--roll", default="", metavar="ADDRESS", help="of a cluster whose replicas are replaced")
    parser.add_argument("command", nargs="*", help="what runs beside them")
    return parser.parse_args()


def _run(on_ray: Any, options: argparse.Namespace) -> int:
    scale = on_ray.Scale(least=options.least, most=options.most, texts=options.texts, cpus=options.cpus)
    if options.roll:
        on_ray.join(options.roll)
        on_ray.roll()
        return 0
    if options.join:
        on_ray.join(options.join)
        on_ray.deploy(scale)
        address = options.join
    else:
        address = on_ray.start(scale)
    print(f"{scale.least} to {scale.most} replicas at the address {address}", flush=True)
    try:
        if options.command:
            return subprocess.call(options.command, env={**os.environ, VARIABLE: address})
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        on_ray.stop(alone=not options.join)
    return 0


def main() -> int:
    """Returns the exit status: that of the command, if one was given."""
    options = _arguments()
    quieten(alone=not (options.join or options.roll) or (options.join or options.roll).startswith("127."))
    try:
        from mistral_core.serving.remote import on_ray
    except ImportError:
        print(MISSING, file=sys.stderr)
        return 1
    try:
        return _run(on_ray, options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
