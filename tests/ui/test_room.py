"""The room of a class: who may lead, what is counted once, what waits and what is refused."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import room as module
from app.gate import CODE_VARIABLE, PRESENTER_VARIABLE, Gate
from app.room import HERE, MOST_ANSWER, MOST_OFFERS, MOST_QUESTIONS, MOST_TABS, PATH, ROUTES, Room, place_of
from app.shared.class_bar import class_bar

PLACE = {"path": "/ring", "search": "?text=Once&t=5", "run": "abc", "look": {"t": 5}}


def test_the_presenter_leads_and_rests_and_pupils_do_not():
    room = Room()
    room.said("teacher", {"what": "lead", **PLACE}, presenter=True)
    assert room.seen_by(False)["place"] == PLACE and room.version == 2
    with pytest.raises(ValueError, match="presenter's to say"):
        room.said("pupil", {"what": "lead", **PLACE}, presenter=False)
    room.said("teacher", {"what": "rest"}, presenter=True)
    assert room.seen_by(False) == {"version": 3, "presenter": False, "place": None}


def test_each_tab_answers_once_and_the_newest_question_is_counted():
    room = Room()
    for tab, given in (("a", "yes"), ("b", "no"), ("c", "yes"), ("a", "no")):
        room.said(tab, {"what": "answer", "question": "forgotten?", "answer": given}, presenter=False)
    assert room.seen_by(True)["answers"] == {"no": 2, "yes": 1}
    for tab, given in (("a", "position 9"), ("b", "position 10"), ("c", "position 9")):
        room.said(tab, {"what": "answer", "question": "edge?", "answer": given}, presenter=False)
    seen = room.seen_by(True)
    assert seen["question"] == "edge?" and list(seen["answers"].items()) == [("position 9", 2), ("position 10", 1)]
    assert "answers" not in room.seen_by(False), "who has not guessed is not told"
    room.said("teacher", {"what": "clear"}, presenter=True)
    assert room.seen_by(True)["answers"] == {}


def test_offers_are_one_a_tab_and_few():
    room = Room()
    for i in range(MOST_OFFERS):
        room.said(f"tab {i}", {"what": "offer", **PLACE}, presenter=False)
    room.said("tab 0", {"what": "offer", **PLACE, "search": "?text=Twice"}, presenter=False)
    offers = room.seen_by(True)["offers"]
    assert len(offers) == MOST_OFFERS and offers[-1] == {"path": "/ring", "search": "?text=Twice"}
    with pytest.raises(ValueError, match=f"{MOST_OFFERS} texts are offered already"):
        room.said("one more", {"what": "offer", **PLACE}, presenter=False)


@pytest.mark.parametrize(
    "said",
    [
        [],
        "lead",
        {},
        {"what": "sing"},
        {"what": ["lead"]},
        {"what": "answer", "question": "q", "answer": ""},
        {"what": "answer", "question": "q", "answer": "a" * (MOST_ANSWER + 1)},
        {"what": "offer", "path": "//elsewhere.example/"},
        {"what": "offer", "path": "/class"},
        {"what": "offer", "path": "/ring", "search": "javascript:alert(1)"},
        {"what": "offer", "path": "/ring", "search": 7},
    ],
)
def test_what_cannot_be_said_is_refused_and_changes_nothing(said):
    room = Room()
    before = room.version, room.seen_by(True)
    with pytest.raises(ValueError):
        room.said("pupil", said, presenter=False)
    assert (room.version, room.seen_by(True)) == before


def test_it_stays_small_however_much_is_said():
    room = Room()
    for i in range(3 * MOST_QUESTIONS):
        room.said("a", {"what": "answer", "question": f"q{i}", "answer": "yes"}, presenter=False)
    for i in range(2 * MOST_TABS):
        room.said(f"t{i}", {"what": "answer", "question": "q", "answer": "yes"}, presenter=False)
    assert len(room._answers) == MOST_QUESTIONS and room.seen_by(True)["answers"] == {"yes": MOST_TABS}
    assert place_of({**PLACE, "look": [1], "run": "r" * 99})["look"] is None


def run(coroutine):
    with ThreadPoolExecutor(1) as thread:  # this one may have an event loop already
        return thread.submit(asyncio.run, coroutine).result()


def test_who_asks_for_news_waits_until_there_is_some():
    async def both():
        room, told = Room(), []

        async def pupil(name):
            await room.news(name, room.version, 5)
            told.append(name)

        waiting = [asyncio.create_task(pupil(name)) for name in "abc"]
        await asyncio.sleep(0.05)
        assert told == [] and room.present() == 3
        room.said("t", {"what": "lead", **PLACE}, presenter=True)
        await asyncio.wait_for(asyncio.gather(*waiting), 1)
        await asyncio.wait_for(room.news("late", 0, 5), 1)  # what is newer is said at once
        await asyncio.wait_for(room.news("patient", room.version, 0.01), 1)
        return told

    assert sorted(run(both())) == ["a", "b", "c"]


def test_a_tab_that_asks_no_more_has_left():
    now = [0.0]
    room = Room(lambda: now[0])
    run(room.news("a", 0))
    now[0] = HERE - 1
    run(room.news("b", 0))
    assert room.present() == 2
    now[0] = HERE + 1
    assert room.present() == 1


async def app(scope, receive, send):
    """The application behind the door: the room alone."""
    await ROUTES[0].handle(scope, receive, send)


class Class:
    """A server of a class, asked without a network."""

    def __init__(self, monkeypatch):
        monkeypatch.setenv(CODE_VARIABLE, "KLMNPQ")
        monkeypatch.setenv(PRESENTER_VARIABLE, "a long word")
        monkeypatch.setattr(module, "_rooms", [])
        self.gate = Gate(app)

    def ask(self, method="GET", body=b"", query="since=0&tab=a", cookie="", origin="", path=PATH):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"here"), (b"cookie", cookie.encode())]
        headers += [(b"origin", origin.encode())] if origin else []
        scope = {"type": "http", "path": path, "method": method, "headers": headers, "client": ("10.0.0.5", 1)}
        run(self.gate({**scope, "query_string": query.encode(), "root_path": "", "scheme": "http"}, receive, send))
        cookies = [value.decode().split(";")[0] for name, value in sent[0]["headers"] if name == b"set-cookie"]
        return sent[0]["status"], cookies, b"".join(one.get("body", b"") for one in sent[1:])

    def cookies(self, word=""):
        return "; ".join(self.ask(path="/class", query=f"code=KLMNPQ&presenter={word}")[1])


def test_only_the_word_makes_a_presenter_and_only_pages_of_the_server_speak(monkeypatch):
    lesson = Class(monkeypatch)
    pupil, teacher = lesson.cookies("a wrong word"), lesson.cookies("a+long+word")
    assert "explorer_presenter" in teacher and "explorer_presenter" not in pupil
    assert lesson.ask()[0] == 303, "outside"
    assert json.loads(lesson.ask(cookie=pupil)[2])["presenter"] is False
    assert json.loads(lesson.ask(cookie=teacher)[2])["presenter"] is True
    lead = json.dumps({"what": "lead", **PLACE}).encode()
    status, _, said = lesson.ask("POST", lead, cookie=pupil)
    assert status == 400 and "presenter's to say" in json.loads(said)["refused"]
    assert lesson.ask("POST", lead, cookie=teacher, origin="http://elsewhere")[0] == 403
    assert json.loads(lesson.ask("POST", lead, cookie=teacher, origin="http://here")[2])["place"] == PLACE
    assert json.loads(lesson.ask(cookie=pupil)[2])["place"] == PLACE
    assert lesson.ask("POST", b"{", cookie=pupil)[0] == lesson.ask("POST", b"x" * 9000, cookie=pupil)[0] == 400


def test_without_a_class_there_is_no_room(monkeypatch):
    lesson = Class(monkeypatch)
    monkeypatch.delenv(CODE_VARIABLE)
    lesson.gate = Gate(app)
    assert lesson.ask()[0] == 404 and class_bar() == ""
    monkeypatch.setenv(CODE_VARIABLE, "KLMNPQ")
    assert "data-room" in class_bar()
