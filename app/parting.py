"""A tab that is closed while something is sent to it: nothing is wrong, so nothing is logged.

Streamlit 1.67 notices such a socket when it sends, and then asks it for the next message; Starlette answers that with
a RuntimeError, which Streamlit takes for a message of the wrong kind and closes the socket once more, which fails. Of
a class that leaves, each pupil would put a traceback of sixty lines into the log, and hide there what is wrong.
"""

from __future__ import annotations

import contextlib

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected


class Parting:
    """Ends the handling of a websocket that is closed already; every other failure goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on everything."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        with contextlib.suppress(WebSocketDisconnected):
            await self.app(scope, receive, send)
