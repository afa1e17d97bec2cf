"""Names the session to the browser, which notices where another one begins and says what was lost with the one before.

All that a visitor has lies in the session; it ends when the page is loaded anew and when the server is started again.
`kit/visit.js` keeps in the browser what it can: the addresses of texts, what was typed, the names of opened files.
"""

from __future__ import annotations

from app.session.desk import Desk
from app.shared.aside import aside


def visit(desk: Desk) -> str:
    """The room for what is to be said, and the script that says it."""
    return aside("visit", 'role="status"', module="kit/visit.js", fill="visited", given=desk.session)
