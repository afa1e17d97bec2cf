"""The bar of a class on every page, while the server has a class code (`app/room.py`, `app/kit/room.js`)."""

from __future__ import annotations

import json
import os

from app.gate import CODE_VARIABLE
from app.shared.picture import served_below

SCRIPT = """
<aside class="room" aria-label="The class" data-room></aside>
<script>
import({module}).then(({{ roomed }}) => {{
  const places = document.querySelectorAll("[data-room]");
  roomed(places[places.length - 1]);
}}, () => {{}}); // a page that cannot load its modules says so where its picture stands
</script>"""


def class_bar() -> str:
    """The room for it, and the script that fills it; "" without a class."""
    if not os.environ.get(CODE_VARIABLE):
        return ""
    return SCRIPT.format(module=json.dumps(f"{served_below()}kit/room.js"))
