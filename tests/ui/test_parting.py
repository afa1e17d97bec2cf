"""A closed socket is no failure; everything else is one still."""

import asyncio

import pytest
from starlette.websockets import WebSocketDisconnect, WebSocketDisconnected

from app.parting import Parting


def handled(kind: str, error: Exception) -> None:
    async def app(scope, receive, send) -> None:
        raise error

    async def nothing(*message):
        return {}

    asyncio.run(Parting(app)({"type": kind}, nothing, nothing))


def test_a_socket_that_is_closed_already_ends_quietly():
    handled("websocket", WebSocketDisconnected("Cannot call 'send' once a close message has been sent."))


@pytest.mark.parametrize("error", [RuntimeError("other"), TypeError("other"), WebSocketDisconnect(1006)])
def test_other_failures_of_a_socket_go_on(error):
    with pytest.raises(type(error)):
        handled("websocket", error)


def test_pages_and_files_are_not_touched():
    with pytest.raises(WebSocketDisconnected):
        handled("http", WebSocketDisconnected("never of a page"))
