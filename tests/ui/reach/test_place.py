"""Where a visitor of the page `reach` begins: where he was on the page before, also if that is heard late."""

from pathlib import Path

import pytest

from app.reach.asking import ask
from app.reach.question import Choice, first_choice
from app.reach.sending import reach_payload
from app.session.desk import Desk
from tests.conftest import TINY
from tests.ui.runs import arrived

ROOT = Path(__file__).resolve().parents[3]

QUESTION = {"reading": "forward", "source": 8, "target": 9, "replacement": None, "cut": "", "window": None, "sinks": 0}

pytestmark = pytest.mark.usefixtures("patient")


def test_a_visitor_starts_where_he_was():
    assert first_choice(TINY, 100, 19, None) == Choice(reading="forward", source=8, target=12)
    assert first_choice(TINY, 100, 19, 60) == Choice(reading="backward", source=8, target=60)
    assert first_choice(TINY, 10, 19, 60).reading == "forward", "a place that is not in this text"


def test_a_place_that_is_heard_late_begins_there_unless_something_was_asked(recorded):
    desk = Desk()
    desk.add(recorded)
    desk.at["recorded"] = {"t": 60, "layer": 2, "head": -1}
    reach_payload(desk)
    ask(desk, {"run": "recorded", "n": 1, "at": {"t": 62, "layer": 3, "head": 1}})
    header, _ = arrived(reach_payload(desk).parts)
    assert (header["choice"]["reading"], header["choice"]["target"], header["layer"]) == ("backward", 62, 4)
    assert header["asked"] == 1 and desk.at["recorded"] == {"t": 62, "layer": 3, "head": 1}
    ask(desk, {"run": "recorded", "n": 2, "layer": 0, **QUESTION})
    ask(desk, {"run": "recorded", "n": 3, "at": {"t": 64, "layer": 3, "head": 1}})
    header, _ = arrived(reach_payload(desk).parts)
    assert (header["choice"]["reading"], header["choice"]["source"]) == ("forward", 8), "reach keeps its own picture"
