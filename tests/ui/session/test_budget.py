"""What sessions hold is bounded, and given back when their visitors have left."""

from __future__ import annotations

import gc
import os
import time
import weakref

import pytest

from app import compute
from app.session import actions, budget, visitors
from app.session.desk import Desk
from app.session.files import open_file, trace_bytes
from app.session.runs import Record, RunSpec
from mistral_core.serving.task import Task

MODEL = "storyteller"


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.setattr(visitors, "_desks", weakref.WeakValueDictionary())


def entered() -> Desk:
    desk = Desk()
    visitors.enter(desk)
    return desk


def spec(seed: int = 0, tokens: int = 20, text: str = "Once upon a time there was") -> RunSpec:
    return RunSpec(model=MODEL, text=text, seed=seed, new_tokens=tokens)


def written(desk: Desk, asked: RunSpec) -> None:
    assert actions.write(desk, asked, pace=0), desk.notice
    job = desk.record.job
    until = time.monotonic() + 120
    while compute.engine().poll(job).status not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.005)
    assert job.status == "done"


@pytest.mark.parametrize("model", ["storyteller", "full-attention", "mqa"])
def test_the_price_of_a_text_is_what_it_holds(model):
    desk = entered()
    asked = RunSpec(model=model, text="A hungry fox", new_tokens=30)
    written(desk, asked)
    n_prompt = len(compute.tokenizer(model).encode(asked.text))
    price = compute.engine().price(compute.config(model), n_prompt + 30)
    assert price == pytest.approx(budget.held(desk), rel=0.01) and price > 100_000


def test_older_texts_make_room_and_come_back_when_they_are_chosen(monkeypatch):
    desk = entered()
    written(desk, spec(0))
    one, first = budget.held(desk), desk.current
    ids = compute.engine().poll(desk.record.job).trace.token_ids.tolist()
    monkeypatch.setattr(budget, "SESSION_BYTES", int(2.5 * one))
    for seed in (1, 2, 3):
        written(desk, spec(seed))
        assert budget.held(desk) <= 2.5 * one
    assert [record.job is None for record in desk.records.values()] == [True, True, False, False]
    actions.choose(desk, first)
    assert desk.current == first and not desk.notice
    job = desk.record.job
    while compute.engine().poll(job).status != "done":
        time.sleep(0.005)
    assert compute.engine().poll(job).trace.token_ids.tolist() == ids, "to the same letters"
    assert budget.held(desk) <= 2.5 * one


def test_what_is_too_much_for_a_session_or_the_server_is_a_sentence_and_loses_nothing(monkeypatch):
    desk, other = entered(), entered()
    written(desk, spec(0))
    written(other, spec(1))
    one, shown = budget.held(desk), desk.current
    monkeypatch.setattr(budget, "SERVER_BYTES", int(2.5 * one))
    assert not actions.write(desk, spec(2))
    assert "texts of all visitors" in desk.notice and "fewer tokens" in desk.notice
    assert desk.current == shown and list(desk.records) == [shown]
    monkeypatch.setattr(budget, "SESSION_BYTES", int(1.5 * one))
    assert not actions.write(desk, spec(2, tokens=60)) and "your other texts hold" in desk.notice
    other.clear()
    monkeypatch.setattr(budget, "SESSION_BYTES", 10 * one)
    assert actions.write(desk, spec(2))


def test_who_has_left_holds_nothing_and_what_he_had_under_way_ends():
    here = {"a": True, "b": True}
    desks = {name: Desk() for name in here}
    visitors._desks.update(desks)
    written(desks["b"], spec(0))
    assert actions.write(desks["a"], spec(5, tokens=1500))
    job = desks["a"].record.job
    seen: dict[str, float] = {}
    visitors.look(here.get, seen, 0.0)
    here["a"] = False
    visitors.look(here.get, seen, visitors.GRACE - 1)
    assert desks["a"].records, "he may come back"
    visitors.look(here.get, seen, visitors.GRACE + 1)
    assert not desks["a"].records and desks["b"].records
    until = time.monotonic() + 20
    while job.status != "expired" and time.monotonic() < until:
        time.sleep(0.01)
    assert job.status == "expired", "the engine writes for nobody"
    here["b"] = False
    visitors.look(here.get, seen, 3 * visitors.GRACE)
    assert not visitors.desks(), "and then nobody is here"


def resident() -> float:
    """MB of this process."""
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux for the memory of this process")
def test_sixty_sessions_with_texts_and_files_leave_no_memory_behind():
    """Each holds some 4 MB; after the 20th and after the 60th the process is as large."""
    sizes = []
    desk = entered()
    written(desk, spec(0))
    file = trace_bytes(desk.record)
    for number in range(60):
        desk = entered()
        written(desk, spec(number, tokens=60, text="She went out every day to look for berries. " * 8))
        open_file(desk, "mine.safetensors", file)
        assert budget.held(desk) > 2 * 2**20
        here = dict.fromkeys(visitors._desks, False)
        seen = dict.fromkeys(here, 0.0)
        del desk
        visitors.look(here.get, seen, 2 * visitors.GRACE)
        if number in (19, 59):
            time.sleep(1.1)  # the engine drops at its next look, a second later at most
            visitors.give_back()
            sizes.append(resident())
    gc.collect()
    assert sizes[1] - sizes[0] < 10, sizes


def test_work_of_a_page_ends_with_its_session():
    desk = entered()
    from app.ring.state import RingState

    page = desk.page_state(RingState)
    work = page.measurements.start(
        "any", lambda report: [report(0, 1, "waits") or time.sleep(0.01) for _ in range(500)]
    )
    desk.clear()
    work.task.join(5)
    assert work.cancelled and not work.task.running and isinstance(work.task, Task)


def test_bytes_are_counted_while_another_visitor_begins_a_text(monkeypatch):
    """Another session's thread adds a run while this one adds up what all hold (seen once in an hour of thirty)."""
    desk = entered()
    desk.add(Record(name="one", label="one"))

    def meanwhile(record: Record) -> int:
        desk.add(Record(name=f"{record.name}+", label="another"))
        return 1

    monkeypatch.setattr(budget, "bytes_of", meanwhile)
    assert budget.held(desk) == 1
