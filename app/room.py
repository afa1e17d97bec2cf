"""The room of a class: where the presenter is, what pupils offer to show, and what they answered.

It is there while the server has a class code. Nothing of it is written anywhere: it ends with the server. Pupils have
no names; a tab of a browser draws a number for itself, so that it answers once.

`GET /class/room?since=N&tab=T` answers when there is something newer than N, or after `WAIT` seconds.
`POST /class/room?tab=T` says something: the presenter where he is, a pupil what he offers or answers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.gate import beginning_of
from app.navigation import ENTRIES
from app.origin import own

PATH = "/class/room"
WAIT = 10.0
"""Seconds after which a question for news is answered without any."""
HERE = 3 * WAIT
"""Seconds after which a tab that asks no more has left."""
MOST_TABS, MOST_QUESTIONS, MOST_OFFERS = 300, 20, 12
MOST_BODY = 8192
"""Bytes of what is said at once; an address of a text has up to some 4,000."""
MOST_ANSWER = 60
PAGES = {"/", *(f"/{entry.name}" for entry in ENTRIES)}
PRESENTERS = ("lead", "rest", "clear")
"""What the presenter alone may say."""


class Room:
    """What all see.

    Args:
        clock: seconds; replaced in tests.

    Attributes:
        version: grows with every change.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.version = 1
        self._clock = clock
        self._place: dict[str, Any] | None = None
        self._offers: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, dict[str, str]] = {}
        self._tabs: dict[str, float] = {}
        self._news = asyncio.Event()

    def said(self, tab: str, what: Any, presenter: bool) -> None:
        """Something that a page says.

        Raises:
            ValueError: it is none of what can be said, is too long, or only the presenter may say it.
        """
        if not isinstance(what, Mapping) or not isinstance(kind := what.get("what"), str):
            raise ValueError('what is said must be an object with a "what"')
        if kind in PRESENTERS and not presenter:
            raise ValueError(f"{kind!r} is the presenter's to say; open the presenter's own address")
        if kind == "lead":
            self._place = place_of(what)
        elif kind == "rest":
            self._place = None
        elif kind == "clear":
            self._answers.clear()
            self._offers.clear()
        elif kind == "offer":
            self._offers.pop(tab, None)
            if len(self._offers) >= MOST_OFFERS:
                raise ValueError(f"{MOST_OFFERS} texts are offered already; ask your teacher to look at them first")
            self._offers[tab] = place_of(what)
        elif kind == "answer":
            self._answered(tab, str(what.get("question", "")), str(what.get("answer", "")))
        else:
            raise ValueError(f"{kind!r} cannot be said; lead, rest, clear, offer and answer can")
        self._changed()

    def _answered(self, tab: str, question: str, answer: str) -> None:
        if not question or not answer or max(len(question), len(answer)) > MOST_ANSWER:
            raise ValueError(f"a question and its answer have 1 to {MOST_ANSWER} letters each")
        answers = self._answers.pop(question, {})  # the newest question is the last one
        if len(answers) < MOST_TABS:
            answers[tab] = answer
        self._answers[question] = answers
        while len(self._answers) > MOST_QUESTIONS:
            self._answers.pop(next(iter(self._answers)))

    def _changed(self) -> None:
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    def present(self) -> int:
        """Tabs that have asked lately."""
        since = self._clock() - HERE
        self._tabs = {tab: at for tab, at in self._tabs.items() if at > since}
        return len(self._tabs)

    async def news(self, tab: str, since: int, wait: float = WAIT) -> None:
        """Returns when there is something newer than `since`, or after so many seconds."""
        if len(self._tabs) < MOST_TABS or tab in self._tabs:
            self._tabs[tab] = self._clock()
        if since < self.version:
            return
        waiting = self._news
        try:
            await asyncio.wait_for(waiting.wait(), wait)
        except TimeoutError:
            return

    def seen_by(self, presenter: bool) -> dict[str, Any]:
        """What a page needs: the place for all; offers and answers for the presenter, who shows them."""
        question = next(reversed(self._answers), "")
        counted = Counter(self._answers.get(question, {}).values())
        for_presenter = {
            "here": self.present(),
            "offers": [{"path": one["path"], "search": one["search"]} for one in self._offers.values()],
            "question": question,
            "answers": dict(sorted(counted.items(), key=lambda pair: (len(pair[0]), pair[0]))),
        }
        return {"version": self.version, "presenter": presenter, "place": self._place} | (
            for_presenter if presenter else {}
        )


def place_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """A place on a page: its address, the run that is shown, and how it is looked at.

    Raises:
        ValueError: there is no such page, or the address is none.
    """
    path, search, look = said.get("path"), said.get("search", ""), said.get("look")
    if path not in PAGES:
        raise ValueError(f"there is no page {str(path)[:40]!r}")
    if not isinstance(search, str) or (search and not search.startswith("?")):
        raise ValueError("the address after the page must be text that begins with a question mark")
    return {
        "path": path,
        "search": search,
        "run": str(said.get("run", ""))[:40],
        "look": look if isinstance(look, dict) else None,
    }


async def answer(request: Request) -> Response:
    """The address of the room; without a class there is no such page."""
    if not request.scope.get("class"):
        return Response("Not Found", status_code=404)
    presenter = bool(request.scope.get("presenter"))
    tab = request.query_params.get("tab", "")[:40]
    room = _room()
    if request.method == "POST":
        if not own(request.headers):
            return Response("Forbidden", status_code=403)
        try:
            room.said(tab, json.loads(await _body(request)), presenter)
        except ValueError as error:
            return JSONResponse({"refused": str(error)}, status_code=400)
    else:
        since = request.query_params.get("since", "0")
        await room.news(tab, int(since) if since.isdecimal() else 0)
    return JSONResponse(room.seen_by(presenter), headers={"Cache-Control": "no-store"})


async def _body(request: Request) -> bytes:
    body = await beginning_of(request, MOST_BODY + 1)
    if len(body) > MOST_BODY:
        raise ValueError(f"more than {MOST_BODY:,} bytes were said; say less")
    return body


_rooms: list[Room] = []


def _room() -> Room:
    """The room of this process; made when it is first asked for, inside the loop that serves it."""
    if not _rooms:
        _rooms.append(Room())
    return _rooms[0]


ROUTES = (Route(PATH, answer, methods=["GET", "POST"]),)
