"""The application with one thing changed: a measurement on `reach` or `break_it` waits until a file exists.

On a quick machine a measurement is over before anybody could cancel it; so a test of the click holds it. Started by
`test_cancel.py` in place of `app/server.py`; `HELD_UNTIL` names the file.
"""

import os
import runpy
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.break_it import sending as breaking  # noqa: E402
from app.reach import sending  # noqa: E402

measured, mapped = sending.measure, breaking.map_of


def wait(report):
    gate = Path(os.environ["HELD_UNTIL"])
    while not gate.exists():
        report(0, 1, "held by the test")
        time.sleep(0.02)


def held(trace, choice, *, growing=False, report):
    wait(report)
    return measured(trace, choice, growing=growing, report=report)


def held_map(trace, target, level, report):
    wait(report)
    return mapped(trace, target, level, report)


if __name__ == "__main__":
    if sending.measure.__name__ != "held":  # a script runs anew with every click, its modules stay
        sending.measure, breaking.map_of = held, held_map
    runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
