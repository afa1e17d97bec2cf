"""Bytes are added up while workers begin runs."""

import sys
import threading

import pytest

from mistral_core.generation import Run
from mistral_core.serving.job import Limits
from mistral_core.serving.places import Places


class Held(Run):
    """A run of which nothing is there but its bytes."""

    nbytes = 1

    def __init__(self):
        pass


@pytest.fixture
def impatient():
    """Threads take turns at almost every line."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_bytes_are_added_up_while_runs_begin_and_end(impatient):
    places, kept, wrong = Places(Limits()), [Held() for _ in range(50)], []
    for run in kept:
        places.takes(run)
    over = threading.Event()

    def begin():
        while not over.is_set():
            new = [Held() for _ in range(5)]
            for run in new:
                places.takes(run)

    workers = [threading.Thread(target=begin) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(1500):
            assert places.nbytes >= 50
    except RuntimeError as error:
        wrong.append(error)
    over.set()
    for worker in workers:
        worker.join()
    assert wrong == []
    del worker, workers
    assert places.nbytes == 50, "what nobody holds any more does not count"
