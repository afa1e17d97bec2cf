"""A tiny room of the real server, a real page that clicks in it, and the arithmetic of soak and kills; no speed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.bench import clicks, kills, room, soak
from tests.e2e.browser import browser, server


def test_a_room_of_two_writes_clicks_and_is_timed(tmp_path):
    with server(tmp_path / "log") as running:
        found = room.room(running, 2, 40)
        assert "Traceback" not in running.log
    assert found["problems"] == []
    assert found["tokens_per_second"] > 0 and found["writing"]["server_cpu_seconds"] > 0
    for name in ("first_token", "complete", "click"):
        assert found[name]["n"] == 2 and found[name]["min_ms"] > 0
    assert found["first_token"]["max_ms"] < found["complete"]["max_ms"]


@pytest.mark.browser
def test_clicks_of_a_real_page_are_timed_beside_others_who_write(tmp_path):
    with browser() as launched, server(tmp_path / "log", entry=clicks.ENTRY) as running:
        found = clicks.beside(launched, running, 2, clicks.WARM_UP + 2, tabs=1)
        assert "Traceback" not in running.log
    assert found["problems"] == []
    assert found["tokens_per_second_of_the_others"] > 0 and found["first_token"]["n"] >= 2
    shown, answered, grown = (found[f"click_to_{what}"] for what in ("branch", "answer", "its_next_token"))
    assert shown["n"] == answered["n"] == grown["n"] == 2
    assert 0 < shown["min_ms"] <= answered["min_ms"] <= grown["max_ms"]


def test_a_quarter_that_is_higher_is_growth():
    def hour(last):
        return [
            {
                "resident_mb": mb,
                "anonymous_mb": mb,
                "threads": 9,
                "load_average": 1.0,
                "tokens_total": 5,
                "texts_bytes": 2**20 / 2,
            }
            for mb in last
        ]

    rooms = soak.Class("http://127.0.0.1", SimpleNamespace(is_set=lambda: True))
    assert soak.report(hour([1, 100, 90, 104]), rooms, "all is well")["flat"]
    grown = soak.report(hour([1, 100, 90, 106]), rooms, "a\nTraceback (most recent call last):")
    assert not grown["flat"] and grown["bad_lines_of_the_log"] == ["Traceback (most recent call last):"]


def test_after_a_kill_seconds_count_from_the_kill():
    seat = kills.Seat.__new__(kills.Seat)
    seat.seen = [(10.0, 0), (11.0, 20), (15.0, 21), (18.0, 100)]
    assert seat.after(12.0) == pytest.approx((3.0, 6.0))


def test_rounds_become_one_row():
    one = {"texts_equal": 3, "until_it_went_on": 1.0, "until_complete": 2.0, "written_twice": 10}
    found = kills.summed([one, {**one, "texts_equal": 2, "until_complete": 4.0}], 3)
    assert (found["kills"], found["texts"], found["texts_equal"]) == (2, 6, 5)
    assert found["until_complete"]["median"] == 3.0
