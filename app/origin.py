"""Who may open a session: pages of this server alone.

A browser says with a websocket from which page it comes. Streamlit compares that with its own addresses, and to know
them all it asks a server outside for the public one; here nothing is asked of anybody while the application runs.
The other half, under which names the server answers at all, is `server.allowedHosts` in `.streamlit/config.toml`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

POLICY_VIOLATION = 1008
"""Of RFC 6455, 7.4.1; before the handshake it becomes an answer 403."""


class SameOrigin:
    """Refuses websockets of pages that neither this server nor `server.corsAllowedOrigins` names."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is no websocket, or comes from a page of this server; RFC 6455, 10.2."""
        if scope["type"] == "websocket" and not own(Headers(scope=scope)):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await self.app(scope, receive, send)


def own(headers: Headers) -> bool:
    """Whether the page that asks is one of this server's; a program that is no browser names none."""
    origin = headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc == headers.get("host") or origin in config.get_option("server.corsAllowedOrigins")
