"""The door of a class: who knows the code of the lesson comes in, on any machine of the room's network.

Without a code in the environment there is no door, and the application answers its own machine alone. With one, every
page, file and websocket wants a cookie that only the right code gives. Codes are compared in constant time, and few
tries are allowed a minute: from one machine, and from all together, so that nobody guesses one of 24^6 in a lesson.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.origin import POLICY_VIOLATION

CODE_VARIABLE = "EXPLORER_CLASS_CODE"
"""Of the environment: the code of the lesson."""
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Of a code: no I and O, which are read as 1 and 0."""
LENGTH = 6
PRESENTER_VARIABLE = "EXPLORER_CLASS_PRESENTER"
"""Of the environment: the word that makes a browser the presenter's; without it there is none."""
COOKIE, PRESENTER, DOOR = "explorer_class", "explorer_presenter", "/class"
OPEN = ("/healthz", "/metrics", DOOR)
"""Paths that answer without a cookie; the second one programs of this machine alone."""
TRIES, TRIES_OF_ALL, WITHIN = 6, 60, 60.0
"""Of one machine, of all together, in so many seconds."""
LASTS = 12 * 3600
"""Seconds that a browser keeps its cookies; they are worth nothing after the server was started anew."""
MOST_BODY = 200
"""Bytes of a form that are read."""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Mistral Explorer: class</title><style>body{{font:18px/1.5 sans-serif;color:#1d2430;background:#fbfaf7;
max-width:24rem;margin:18vh auto;padding:0 1rem}}input,button{{font:inherit;padding:.5rem .8rem;min-height:48px;
box-sizing:border-box;border-radius:.5rem;border:1px solid #767676}}input{{width:11rem;text-transform:uppercase}}
button{{background:#c2410c;color:#fff;border:0}}@media (prefers-color-scheme:dark){{body{{color:#e8eaed;
background:#12161c}}}}</style><h1>Class code</h1><p role="status">{said}</p><form method="post" action="/class"><label>
The six letters on the board<br><input name="code" autocomplete="off" autofocus maxlength="12" value="{typed}"></label>
<button>Come in</button></form></html>"""


def new_code() -> str:
    """Six letters that nobody foresees."""
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


class Tries:
    """Counts tries of the last minute.

    Args:
        clock: seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: deque[tuple[float, str]] = deque()

    def wait(self, machine: str) -> int:
        """Seconds until this machine may try again; 0 = now, and the try is counted."""
        now = self._clock()
        while self._all and self._all[0][0] <= now - WITHIN:
            self._all.popleft()
        mine = [at for at, who in self._all if who == machine]
        full = mine[-TRIES] if len(mine) >= TRIES else None
        if full is None and len(self._all) >= TRIES_OF_ALL:
            full = self._all[0][0]
        if full is not None:
            return max(1, math.ceil(full + WITHIN - now))
        self._all.append((now, machine))
        return 0

    def was_right(self, machine: str) -> None:
        """The try was the right code, which is no guess: a whole class may come in at once, even from one address."""
        for index in range(len(self._all) - 1, -1, -1):
            if self._all[index][1] == machine:
                del self._all[index]
                return


class Gate:
    """Lets through who has come in, and shows the door to the others.

    Args:
        code: of the lesson; default: that of the environment, `None` there = no door.
    """

    def __init__(self, app: ASGIApp, code: str | None = None, tries: Tries | None = None) -> None:
        self.app = app
        self._code = code or os.environ.get(CODE_VARIABLE)
        self._tries = tries or Tries()
        secret = secrets.token_bytes(32)  # a new one for each start: cookies end with the lesson
        self._word = os.environ.get(PRESENTER_VARIABLE, "")
        self._token, self._presenter = (
            hmac.new(secret, f"{kind} {self._code}".encode(), hashlib.sha256).hexdigest()
            for kind in ("pupil", "presenter")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what comes from inside."""
        if not self._code or scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        inside = self._holds(scope, COOKIE, self._token)
        scope["class"] = True
        scope["presenter"] = self._holds(scope, PRESENTER, self._presenter)
        if scope["type"] == "websocket":
            if inside:
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if scope["path"] == DOOR:
            answer = await self._door(Request(scope, receive))
            await answer(scope, receive, send)
        elif inside or scope["path"] in OPEN:
            await self.app(scope, receive, send)
        else:
            await RedirectResponse(DOOR, status_code=303)(scope, receive, send)

    def _holds(self, scope: Scope, cookie: str, token: str) -> bool:
        cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
        held = [part.strip().partition("=") for part in cookies.split(";")]
        return any(name == cookie and same(value, token) for name, _, value in held)

    async def _door(self, request: Request) -> Response:
        typed, word = request.query_params.get("code", ""), request.query_params.get("presenter", "")
        if request.method == "POST":
            typed = parse_qs((await beginning_of(request, MOST_BODY)).decode("utf-8", "replace")).get("code", [""])[0]
        if not typed:
            return _page("Ask your teacher for it.")
        seconds = self._tries.wait(request.client.host if request.client is not None else "")
        if seconds:
            answer = _page(f"Too many tries. Wait {seconds} seconds, and try again.", typed, 429)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        if not same(typed.strip().upper(), self._code or ""):
            return _page("That is not the code of this lesson. Look at the board once more.", typed, 403)
        self._tries.was_right(request.client.host if request.client is not None else "")
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="lax", max_age=LASTS)
        if self._word and same(word, self._word):
            answer.set_cookie(PRESENTER, self._presenter, httponly=True, samesite="lax", max_age=LASTS)
        return answer


def same(given: str, right: str) -> bool:
    """Compares in a time that does not say where they differ."""
    return hmac.compare_digest(given.encode(), right.encode())


def _page(said: str, typed: str = "", status: int = 200) -> Response:
    page = PAGE.format(said=escape(said), typed=escape(typed[:12]))
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})


async def beginning_of(request: Request, most: int) -> bytes:
    """The first bytes of what was sent; the rest is not read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) >= most:
            break
    return body[:most]
