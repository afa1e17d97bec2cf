"""The application with one thing changed: each visitor begins one text; the next one is refused.

Started by `test_foreseen.py` in place of `app/server.py`.
"""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.session.rate import Rate  # noqa: E402


def once(self):
    began, self.began = getattr(self, "began", False), True
    return 9 if began else 0


if __name__ == "__main__":
    Rate.wait = once
    runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
