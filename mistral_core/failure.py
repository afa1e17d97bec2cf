"""Where an exception came up, without what it says: its message may quote what a visitor typed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent


def place(trace: TracebackType | None, packages: Collection[str]) -> str:
    """The innermost line in packages of this repository, as `app/wire.py:60`; "" where none of them was under way.

    >>> try:
    ...     raise RuntimeError
    ... except RuntimeError as error:
    ...     place(error.__traceback__, ("mistral_core",))
    ''
    """
    for frame in reversed(traceback.extract_tb(trace)):
        parts = frame.filename.removeprefix(f"{ROOT}{os.sep}").split(os.sep)
        if frame.filename.startswith(str(ROOT)) and parts[0] in packages:
            return f"{'/'.join(parts)}:{frame.lineno}"
    return ""
