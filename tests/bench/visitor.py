"""A visitor without a browser: Streamlit's own messages over its own websocket, as the browser's side sends them.

A Chromium page takes some 150 MB and a good part of a core, so a machine of two cores bears few. What a page means to
the server is a socket: it asks for the script, asks again for the parts that look again by themselves, keeps the
address that the server writes, and says after each payload what it holds (`browser_model.py`, the rules of the
pictures). That is all here; nothing is drawn. The server cannot tell it from a browser, and does all of its work.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from app.wire import unpack
from tests.ui.session.browser_model import Browser

GROWING = ("next_word", "attention", "ring", "shared_heads", "inside_a_block")
"""Pages whose picture shows a run as it grows, and says what it holds."""
SPARING = 0.3
"""Seconds between two answers to a run that is being written, as in `app/kit/playhead.js`."""
QUIET: Callable[[], bool] = lambda: False  # noqa: E731


class Visitor:
    """One tab.

    Args:
        url: of the server.

    Attributes:
        query: the address after the page's name, as the server wrote it last.
        header: of the payload that came last. payloads, nbytes: how many came, and how long all of them were.
        problems: exceptions on the page. said: sentences of it.
    """

    def __init__(self, url: str) -> None:
        self.query: dict[str, str] = {}
        self.header: dict[str, Any] = {}
        self.payloads = self.nbytes = 0
        self.problems: list[str] = []
        self.said: list[str] = []
        self._page, self._hashes, self._timers = "", {}, {}
        self._states: dict[str, dict[str, Any]] = {}
        self._browsers: dict[tuple[str, str], Browser] = {}
        self._component, self._fragment, self._answered, self._due = "", "", 0.0, math.inf
        self._open = contextlib.ExitStack()
        self._socket: ClientConnection = self._open.enter_context(
            connect(
                url.replace("http", "ws", 1) + "/_stcore/stream",
                subprotocols=["streamlit"],
                max_size=None,
                ping_interval=None,  # a browser does not ask either
                close_timeout=0.2,  # what is still on its way is not waited for
            )
        )

    @property
    def run(self) -> str:
        """Name of the run that is shown; "" before there is one."""
        return str(self.header.get("run", ""))

    @property
    def ids(self) -> list[int]:
        """Token ids that the picture holds of it."""
        browser = self._browsers.get((self._page, self.run))
        return [] if browser is None else browser.ids

    @property
    def written(self) -> bool:
        """Whether the shown run has ended and all of it is here."""
        return self.header.get("status") == "done" and len(self.ids) == self.header.get("to", -1)

    def open(self, page: str, **query: str) -> None:
        """Goes to a page; `query`: another address, default: the one that was there."""
        if query:
            self.query = query
        self._page, self.header = page, {}
        self._states.clear()
        self._browsers.clear()
        self._timers.clear()
        self._due = math.inf
        self._ask(history=True)

    def write(self, text: str, seed: int, tokens: int) -> None:
        """Opens the address of a text on the desk."""
        self.open("next_word", model="storyteller", text=text, seed=str(seed), n=str(tokens))

    def say(self, event: str, value: dict[str, Any]) -> None:
        """A click in the picture that is told to Python, such as `branch`."""
        message = BackMsg()
        widget = message.rerun_script.widget_states.widgets.add()
        widget.id = _make_trigger_id(self._component, "events")
        widget.json_trigger_value = json.dumps([{"event": event, "value": {**value, "n": int(1000 * time.time())}}])
        self._send(message, self._fragment)

    def look(self, seconds: float, until: Callable[[], bool] = QUIET) -> bool:
        """Stays on the page so long, or until something is seen; whether it was."""
        end = time.monotonic() + seconds
        while not (seen := until()) and (now := time.monotonic()) < end:
            due = min([end, self._due, *(at for _, at in self._timers.values())])
            with contextlib.suppress(TimeoutError):
                self._take(ForwardMsg.FromString(self._received(max(0.0, due - now))))
            self._look_again()
        return seen

    def leave(self) -> None:
        """Closes the tab."""
        self._open.close()

    def _received(self, timeout: float) -> bytes:
        got = self._socket.recv(timeout=timeout)
        return got if isinstance(got, bytes) else got.encode()

    def _ask(self, fragment: str = "", *, again: bool = False, history: bool = False) -> None:
        message = BackMsg()
        message.rerun_script.is_auto_rerun = again
        message.rerun_script.is_history_navigation = history
        self._send(message, fragment)

    def _send(self, message: BackMsg, fragment: str) -> None:
        client = message.rerun_script
        client.query_string, client.fragment_id = urlencode(self.query), fragment
        client.page_name, client.page_script_hash = self._page, self._hashes.get(self._page, "")
        for name, state in self._states.items():
            widget = client.widget_states.widgets.add()
            widget.id, widget.json_value = name, json.dumps(state)
        self._socket.send(message.SerializeToString())

    def _look_again(self) -> None:
        now = time.monotonic()
        if self._due <= now:
            self._answer(now)
        for fragment, (every, at) in list(self._timers.items()):
            if at <= now:
                self._timers[fragment] = every, max(at + every, now)
                self._ask(fragment, again=True)

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self._timers.clear()
        elif kind == "auto_rerun":
            every = message.auto_rerun.interval
            if self._timers.get(message.auto_rerun.fragment_id, (0.0, 0.0))[0] != every:
                self._timers[message.auto_rerun.fragment_id] = every, time.monotonic() + every
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(fragment, None)
        elif kind == "page_info_changed":
            self.query = dict(parse_qsl(message.page_info_changed.query_string))
        elif kind == "navigation":
            self._hashes = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._element(message.delta.new_element, message.delta.fragment_id)

    def _element(self, element: Any, fragment: str) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.problems.append(f"{self._page}: {element.exception.type}: {element.exception.message}")
        elif kind == "alert":
            self.said.append(element.alert.body)
        elif kind == "bidi_component" and element.bidi_component.bytes:
            self._component, self._fragment = element.bidi_component.id, fragment
            self.payloads, self.nbytes = self.payloads + 1, self.nbytes + len(element.bidi_component.bytes)
            parts = unpack(element.bidi_component.bytes)
            self.header = dict(parts.header)
            if self.header.get("picture") in GROWING and self.header["picture"] == self._page:
                for event, value in self._browser().take(parts):
                    self._states.setdefault(self._component, {})[event] = value
                    self._due = self._answered + SPARING if self.header["status"] == "running" else 0.0

    def _answer(self, now: float) -> None:
        """Says what the picture holds."""
        self._answered, self._due = now, math.inf
        self._ask(self._fragment)

    def _browser(self) -> Browser:
        key = self._page, self.run
        if key not in self._browsers:
            self._browsers[key] = Browser()
            self._browsers[key].clock = int(1000 * time.monotonic())  # what is said later has a larger one
        return self._browsers[key]


@contextlib.contextmanager
def visiting(url: str) -> Iterator[Visitor]:
    """A tab that is closed at the end of the block."""
    visitor = Visitor(url)
    try:
        yield visitor
    finally:
        visitor.leave()
