"""Experiments of several visitors: one at a time, in their order, and who leaves makes room."""

import threading
import time

import pytest

from app.test_the_paper.queue import Queue
from mistral_core.experiments.claims import MODULES
from tests.model.experiments.test_frame import found

NAMES = list(MODULES)


class Slow:
    """An experiment that ends when it is let go, and says how many are inside at once."""

    def __init__(self):
        self.inside, self.most, self.order = 0, 0, []
        self.go = {name: threading.Event() for name in NAMES}

    def __call__(self, name, *, quick, report):
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(name)
        try:
            while not self.go[name].wait(0.01):
                report(1, 2, "measuring")
            return found()
        finally:
            self.inside -= 1


class Left(Exception):
    pass


def visitor(queue, name, said, leave=None):
    def report(done, total, what):
        said.append(what)
        if leave is not None and leave.is_set():
            raise Left

    def work():
        try:
            queue.run(name, True, report)
        except Left:
            said.append("left")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_one_at_a_time_in_the_order_in_which_they_came():
    slow = Slow()
    queue = Queue(slow)
    said: list[list[str]] = [[], [], []]
    threads = []
    for index, name in enumerate(NAMES[:3]):
        threads.append(visitor(queue, name, said[index]))
        until(lambda count=index + 1: queue.length == count)
    until(lambda: any("2 experiments of other visitors first" in what for what in said[2]))
    assert "waiting: 1 experiment of other visitors first" in said[1]
    for name in NAMES[:3]:
        slow.go[name].set()
    for thread in threads:
        thread.join(10)
    assert slow.most == 1 and slow.order == NAMES[:3] and queue.length == 0
    for name in NAMES[:3]:
        assert queue.outcome(name, True).finding == found() and queue.outcome(name, False) is None


@pytest.mark.parametrize("who", [0, 1])
def test_who_leaves_while_measuring_or_waiting_makes_room(who):
    slow = Slow()
    queue = Queue(slow)
    leave, said = threading.Event(), [[], []]
    threads = []
    for index, name in enumerate(NAMES[:2]):
        threads.append(visitor(queue, name, said[index], leave if index == who else None))
        until(lambda count=index + 1: queue.length == count)
    leave.set()
    threads[who].join(10)
    assert said[who][-1] == "left" and queue.outcome(NAMES[who], True) is None
    slow.go[NAMES[1 - who]].set()
    threads[1 - who].join(10)
    assert queue.outcome(NAMES[1 - who], True).finding == found()


def test_one_that_fails_is_nobodys_outcome():
    def fails(name, *, quick, report):
        raise ValueError("no model")

    queue = Queue(fails)
    with pytest.raises(ValueError, match="no model"):
        queue.run(NAMES[0], True, lambda done, total, what: None)
    assert queue.length == 0 and queue.outcome(NAMES[0], True) is None


def test_a_visitors_own_work_waits_its_turn_and_is_nobody_elses():
    slow = Slow()
    queue, said = Queue(slow), []
    first = visitor(queue, NAMES[0], [])
    until(lambda: queue.length == 1)
    done = []
    own = threading.Thread(target=lambda: done.append(queue.in_turn(lambda: 7, lambda *now: said.append(now[2]))))
    own.start()
    until(lambda: "waiting: 1 experiment of other visitors first" in said)
    assert not done
    slow.go[NAMES[0]].set()
    first.join(10)
    own.join(10)
    assert done == [7] and queue.length == 0
