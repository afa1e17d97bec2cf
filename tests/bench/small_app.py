"""The application with one thing changed: it takes the machine for one with less memory, `MEMORY_BYTES` of it free.

So a large model is kept in fewer bytes, as it would be there. Started by `large_app.py` in place of `app/server.py`.
"""

import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app import compute  # noqa: E402

free_bytes = compute.free_bytes


def fewer():
    return min(free_bytes(), int(os.environ["MEMORY_BYTES"]))


if __name__ == "__main__":
    if compute.free_bytes.__name__ != "fewer":  # a script runs anew with every click, its modules stay
        compute.free_bytes = fewer
    runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
