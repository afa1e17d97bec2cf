"""What the museum is asked: by a link, by a hand on it, by its buttons; and which tab of break_it is open."""

from __future__ import annotations

from collections.abc import Mapping

from app.museum.messages import Act, Ask
from app.museum.state import MuseumState
from app.session import state
from app.session.desk import Desk
from app.session.sentence import sentence
from mistral_core.museum.exhibits import exhibit

SILENCE, MISTAKES = "silence a part", "historical mistakes"
TABS = (SILENCE, MISTAKES)


def open_tab(desk: Desk) -> str:
    """The open tab of the page."""
    page = desk.page_state(MuseumState)
    chosen: str | None = state.value(state.field(state.BREAK_TAB, desk.filled))
    return chosen or page.tab or (MISTAKES if page.own else SILENCE)


def open_mistake(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over which mistake a URL opens; one without a mistake opens the first tab."""
    page, name = desk.page_state(MuseumState), query.get("mistake")
    page.own = False
    page.tab = MISTAKES if name else SILENCE
    if name is None:
        return
    try:
        page.mistake, page.own = exhibit(name).name, True
    except ValueError as error:
        desk.notice = sentence(error)


def mistake_address(desk: Desk) -> dict[str, str]:
    """Which mistake is open, as the parameter of a URL."""
    return {"mistake": desk.page_state(MuseumState).mistake}


def ask_mistake(desk: Desk, event: Ask) -> None:
    """Opens a mistake; a name that is none changes nothing but the sentence."""
    page = desk.page_state(MuseumState)
    page.number = event["n"]
    try:
        page.mistake, page.own = exhibit(event["mistake"]).name, True
    except ValueError as error:
        desk.notice = sentence(error)


def act_on_mistake(desk: Desk, event: Act) -> None:
    """A button in the picture: stop reading, read after all; ask verify, stop it."""
    page, what = desk.page_state(MuseumState), event["what"]
    if what in ("stop", "again"):
        (page.stopped.add if what == "stop" else page.stopped.discard)(page.mistake)
        if what == "stop":
            page.readings.cancel()
        return
    (page.wanted.add if what == "verify" else page.wanted.discard)(page.mistake)
    (page.stopped.discard if what == "verify" else page.stopped.add)(f"verify {page.mistake}")
    if what == "stop_verify":
        page.verdicts.cancel()
