"""The application with one thing changed: "Measure it" on `ring` takes between nothing and 1.6 s longer, by the step.

What is pressed while a measurement ends, or just after, comes at every moment of it. Started by
`test_ring_measure.py` in place of `app/server.py`.
"""

import runpy
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.ring import forgotten  # noqa: E402

answered = forgotten.answer


def slow(question, report):
    report(0, 1, "slowed by the test")
    time.sleep(question.step % 5 * 0.4)
    return answered(question, report)


if __name__ == "__main__":
    if forgotten.answer.__name__ != "slow":  # a script runs anew with every click, its modules stay
        forgotten.answer = slow
    runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
