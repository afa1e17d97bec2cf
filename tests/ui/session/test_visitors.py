"""How many visitors may be here at once, and how often one of them may begin a text."""

import pytest

from app import compute
from app.session import actions, visitors
from app.session.desk import Desk
from app.session.rate import Rate
from app.session.runs import RunSpec


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(visitors, "_desks", {"a": Desk(), "b": Desk()})
    monkeypatch.setenv(visitors.MOST_VARIABLE, "2")


def test_a_full_server_says_so_to_a_new_visitor_alone(two):
    assert visitors.no_room("c").startswith("This server takes 2 visitors at once, and so many are here.")
    assert visitors.no_room("a") == ""


def test_who_is_away_takes_no_room(two, monkeypatch):
    monkeypatch.setattr(visitors, "_is_connected", lambda session: session != "b")
    assert visitors.no_room("c") == ""


@pytest.mark.parametrize("wanted", ["0", "-3", "many", "2.5"])
def test_a_number_of_visitors_that_is_none_is_refused_when_the_server_starts(monkeypatch, wanted):
    monkeypatch.setenv(visitors.MOST_VARIABLE, wanted)
    with pytest.raises(ValueError, match=f"EXPLORER_MOST_VISITORS is '{wanted}'; it must be a number of visitors"):
        visitors.most()


def test_many_texts_in_a_moment_are_refused_with_a_sentence_and_another_visitor_is_served():
    now = [0.0]
    desk, other = Desk(rate=Rate(2, 5.0, lambda: now[0])), Desk()
    runs = [RunSpec(model="storyteller", text="The king", new_tokens=1, seed=seed) for seed in range(4)]
    assert [actions.write(desk, run) for run in runs[:3]] == [True, True, False]
    assert desk.notice == "Many texts were begun here just now; the next one can begin in 5 s."
    assert len(desk.records) == 2, "what was there is there still"
    assert actions.write(other, runs[2])
    for record in desk.records.values():  # two at once are another limit
        compute.engine().cancel(record.job)
    now[0] = 5.0
    assert actions.write(desk, runs[3])
