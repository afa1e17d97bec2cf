"""Names the session to the browser, which notices where another one begins and says what was lost with the one before.

All that a visitor has lies in the session; it ends when the page is loaded anew and when the server is started again.
`kit/visit.js` keeps in the browser what it can: the addresses of texts, what was typed, the names of opened files.
"""

from __future__ import annotations

import json

from app.session.desk import Desk
from app.shared.picture import served_below

SCRIPT = """
<aside class="visit" role="status" data-visit></aside>
<script>
import({module}).then(({{ visited }}) => {{
  const rooms = document.querySelectorAll("[data-visit]");
  visited(rooms[rooms.length - 1], {session});
}}, () => {{}}); // a page that cannot load its modules says so where its picture stands
</script>"""


def visit(desk: Desk) -> str:
    """The room for what is to be said, and the script that says it."""
    return SCRIPT.format(module=json.dumps(f"{served_below()}kit/visit.js"), session=json.dumps(desk.session))
