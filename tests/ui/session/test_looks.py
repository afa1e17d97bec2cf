"""How often pages look: as often as they ask alone, and all together no more than a share of a processor."""

import pytest

from app.session.looks import AROUND, MOST, PRESENT, RUNS, SHARE, Looks


@pytest.fixture
def room():
    now = [100.0]
    made = Looks(clock=lambda: now[0])
    made.now = now
    return made


def test_one_page_looks_as_often_as_it_asks(room):
    assert room.every(0.08) == 0.08
    for _ in range(100):
        room.took("one", 0.1)
    assert room.every(0.08) == 0.08, "whatever its looks cost: there is nobody whom it disturbs"


def test_the_looks_of_a_class_take_their_share_and_no_more(room):
    for _ in range(200):
        for pupil in range(16):
            room.took(pupil, 0.004)
    every = room.every(0.08)
    assert 0.08 < every < MOST
    assert 16 * RUNS * (0.004 + AROUND) / every == pytest.approx(SHARE, rel=0.03)


def test_a_page_never_seems_to_stand_still(room):
    for pupil in range(1000):
        room.took(pupil, 0.05)
    assert room.every(0.08) == MOST
    assert room.every(2.0) == 2.0, "what the page asks for is the least"


def test_who_has_gone_counts_no_more(room):
    for pupil in range(16):
        room.took(pupil, 0.004)
    crowded = room.every(0.08)
    for pupil in range(8):
        room.over(pupil)
    assert room.every(0.08) == pytest.approx(crowded / 2, abs=0.02)
    room.now[0] += PRESENT + 1
    room.took("new", 0.004)
    assert room.every(0.08) == 0.08


def test_what_is_in_use_is_kept_until_another_one_is_clearly_better(room):
    for pupil in range(8):
        room.took(pupil, 0.003)
    used = room.every(0.08)
    room.took("another", 0.003)
    assert room.every(0.08, used) == used
    for pupil in range(100, 112):
        room.took(pupil, 0.003)
    assert room.every(0.08, used) > 1.5 * used
    for pupil in [*range(8), *range(100, 112), "another"]:
        room.over(pupil)
    assert room.every(0.08, used) == 0.08
