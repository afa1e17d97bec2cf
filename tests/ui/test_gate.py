"""The door of a class: closed to all but the code's cookie, deaf to guessing, absent without a code."""

import asyncio
import string
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import class_room
from app.gate import COOKIE, LETTERS, TRIES, TRIES_OF_ALL, WITHIN, Gate, Tries, new_code

CODE = "KLMNPQ"


async def inner(scope, receive, send):
    """The application behind the door."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


class Door:
    def __init__(self, code=CODE, tries=None):
        self.gate = Gate(inner, code, tries)

    def ask(self, path="/", *, kind="http", method="GET", body=b"", query="", cookie="", client="10.0.0.5"):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        headers = [(b"cookie", cookie.encode())] if cookie else []
        scope = {"type": kind, "path": path, "method": method, "headers": headers, "client": (client, 1)}
        with ThreadPoolExecutor(1) as thread:  # this one may have an event loop already
            thread.submit(asyncio.run, self.gate({**scope, "query_string": query.encode()}, receive, send)).result()
        if kind == "websocket":
            return sent[0]["type"]
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, b"".join(one.get("body", b"") for one in sent[1:]).decode()

    def try_(self, code, **more):
        return self.ask("/class", method="POST", body=f"code={code}".encode(), **more)


def test_without_a_code_there_is_no_door(monkeypatch):
    monkeypatch.delenv("EXPLORER_CLASS_CODE", raising=False)
    assert Door(None).ask()[2] == "inside"
    monkeypatch.setenv("EXPLORER_CLASS_CODE", CODE)
    assert Door(None).ask()[0] == 303


@pytest.mark.parametrize("path", ["/", "/next_word", "/_stcore/health", "/metrics/x", "/class/x", "/CLASS", "//class"])
def test_nothing_but_the_door_and_a_sign_of_life_answers_from_outside(path):
    door = Door()
    status, headers, body = door.ask(path)
    assert (status, headers["location"], body) == (303, "/class", "")
    assert door.ask(path, kind="websocket") == "websocket.close"
    assert door.ask("/healthz")[2] == "inside" and "Class code" in door.ask("/class")[2]


@pytest.mark.parametrize("typed", [CODE, CODE.lower(), f"+{CODE}+"])
def test_the_code_gives_a_cookie_that_opens_everything(typed):
    door = Door()
    status, headers, _ = door.try_(typed)
    cookie = headers["set-cookie"].split(";")[0]
    assert status == 303 and headers["location"] == "/" and "HttpOnly" in headers["set-cookie"]
    assert CODE not in cookie
    for held in (cookie, f"other=1; {cookie}; more=2"):
        assert door.ask("/next_word", cookie=held)[2] == "inside"
        assert door.ask("/_stcore/stream", kind="websocket", cookie=held) == "websocket.accept"
    assert door.ask("/class", query=f"code={CODE}")[0] == 303, "as the picture for cameras has it"
    wrong = cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    for held in (wrong, f"{COOKIE}=", f"x{cookie}", cookie.upper()):
        assert door.ask(cookie=held)[0] == 303
    assert Door().ask(cookie=cookie)[0] == 303, "another lesson has another cookie"


@pytest.mark.parametrize("typed", ["KLMNPR", "KLMNP", "KLMNPQQ", "%FF%FE", "<script>", "x" * 5000])
def test_a_wrong_code_is_a_sentence_and_no_cookie(typed):
    status, headers, body = Door().try_(typed)
    assert status == 403 and "set-cookie" not in headers and "not the code of this lesson" in body
    assert "<script>" not in body and len(body) < 3000
    assert Door().try_("")[0] == 200


def test_few_tries_a_minute_of_one_machine_and_of_all():
    now = [0.0]
    door = Door(tries=Tries(lambda: now[0]))
    for _ in range(TRIES):
        assert door.try_("AAAAAA")[0] == 403
    status, headers, body = door.try_(CODE)
    assert status == 429 and headers["retry-after"] == "60" and "Wait 60 seconds" in body, "the right one waits too"
    assert door.try_(CODE, client="10.0.0.6")[0] == 303, "another machine does not"
    now[0] = WITHIN + 0.1
    assert door.try_(CODE)[0] == 303
    now[0] += 1000
    for machine in range(TRIES_OF_ALL):
        assert door.try_("AAAAAA", client=f"10.0.1.{machine}")[0] == 403
    assert door.try_("AAAAAA", client="10.0.2.1")[0] == 429


def test_a_whole_class_may_come_in_at_once_from_one_address():
    door = Door(tries=Tries(lambda: 0.0))
    for _ in range(TRIES - 1):
        assert door.try_("AAAAAA")[0] == 403
    for _ in range(2 * TRIES_OF_ALL):
        assert door.try_(CODE)[0] == 303
    assert door.try_("AAAAAA")[0] == 403 and door.try_("AAAAAA")[0] == 429, "and gives nobody another guess"


def test_codes_are_drawn_from_letters_that_nobody_mistakes():
    drawn = {new_code() for _ in range(200)}
    assert len(drawn) == 200 and all(len(code) == 6 and not set(code) - set(LETTERS) for code in drawn)
    assert not set("IO") & set(LETTERS) and set(LETTERS) < set(string.ascii_uppercase)


def test_a_class_is_started_on_the_network_under_its_own_address(monkeypatch, capfd):
    started = {}
    monkeypatch.setattr(class_room, "own_address", lambda: "192.0.2.77")
    monkeypatch.setattr(
        class_room.subprocess,
        "call",
        lambda command, env: (
            started.update(command=command, code=env["EXPLORER_CLASS_CODE"], word=env["EXPLORER_CLASS_PRESENTER"]) or 0
        ),
    )
    monkeypatch.setattr("sys.argv", ["class_room", "--port", "8600", "--code", "abcdef"])
    assert class_room.main() == 0 and started["code"] == "ABCDEF"
    said, command = capfd.readouterr().out, " ".join(started["command"])
    assert "http://192.0.2.77:8600" in said and "ABCDEF" in said and "█" in said
    assert f"code=ABCDEF&presenter={started['word']}" in said and len(started["word"]) > 12
    assert started["word"] not in command
    assert "--server.address 0.0.0.0" in command and "--server.allowedHosts 192.0.2.77" in command
    assert "--browser.serverAddress 192.0.2.77" in command and "ABCDEF" not in command, "others see what is started"
    monkeypatch.setattr("sys.argv", ["class_room", "--code", "OOOOOO"])
    with pytest.raises(SystemExit):
        class_room.main()
    assert "it must be 6 of the letters" in capfd.readouterr().err
