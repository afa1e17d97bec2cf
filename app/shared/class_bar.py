"""The bar of a class on every page, while the server has a class code (`app/room.py`, `app/kit/room.js`)."""

from __future__ import annotations

import os

from app.gate import CODE_VARIABLE
from app.shared.aside import aside


def class_bar() -> str:
    """The room for it, and the script that fills it; "" without a class."""
    if not os.environ.get(CODE_VARIABLE):
        return ""
    return aside("room", 'aria-label="The class"', module="kit/room.js", fill="roomed")
