"""Whatever is lost, doubled or comes late between Python and a picture: the browser ends with exactly the run."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from app.attention.sending import attention_payload
from app.attention.state import AttentionState
from app.inside_a_block.sending import token_payload
from app.inside_a_block.state import InsideState
from app.next_word.sending import next_word_payload
from app.next_word.state import NextWordState
from app.ring.sending import ring_payload
from app.ring.state import RingState
from app.session import delivery as delivery_module
from app.session import progress, visible
from app.session.delivery import Delivery
from app.session.desk import Desk
from app.session.runs import Record
from app.session.visible import Payload
from app.shared_heads.sending import shared_heads_payload
from app.shared_heads.state import SharedHeadsState
from app.wire import Parts, pack, unpack
from mistral_core.generation import Run
from tests.model.writing import FULL, asked
from tests.ui.session.browser_model import BY_TOKEN, Browser

PAGES = {
    "next_word": (next_word_payload, NextWordState),
    "attention": (attention_payload, AttentionState),
    "ring": (ring_payload, RingState),
    "shared_heads": (shared_heads_payload, SharedHeadsState),
    "inside_a_block": (token_payload, InsideState),
}
LOSS, DOUBLING, LATENESS = 0.3, 0.2, 0.3


class Line:
    """Carries things one way, and not well: each is lost, doubled, or comes after later ones, at random."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck
        self.waiting: list = []

    def send(self, thing) -> None:
        if self.luck.random() >= LOSS:
            self.waiting += [thing] * (2 if self.luck.random() < DOUBLING else 1)

    def arrivals(self) -> list:
        """What comes now, in an order of its own; some of it waits."""
        now = [thing for thing in self.waiting if self.luck.random() >= LATENESS]
        self.waiting = [thing for thing in self.waiting if not any(thing is other for other in now)]
        self.luck.shuffle(now)
        return now


@pytest.fixture(scope="module")
def trace(tokenizer, tiny_model):
    return Run(tiny_model, tokenizer, asked(60), plan=FULL).complete().trace()


@pytest.fixture
def growing(monkeypatch, trace):
    """A desk with a run that grows at a word; the engine's place is taken by what the test says."""
    for module in (progress, visible):
        monkeypatch.setattr(module, "progress_of", lambda record: record.job)
    desk = Desk()
    job = SimpleNamespace(message="", total=len(trace), tokens_per_second=9.0, leave=lambda: None)

    def grow(length: int) -> None:
        job.trace, job.status = trace.truncated(length), "running" if length < len(trace) else "done"

    grow(3)
    desk.add(Record(name="r", label="r", job=job))
    return desk, grow


def tell(desk: Desk, page: str, said: list) -> None:
    delivery = desk.page_state(PAGES[page][1]).delivery
    for name, event in said:
        (delivery.acknowledge if name == "ack" else delivery.send_again)(event)


def play(page: str, desk: Desk, grow, length: int, luck: random.Random, sampling=lambda tick: None) -> Browser:
    """Lets a run grow over bad lines, and goes on until nothing more is sent for a while, but not for ever."""
    payload, browser = PAGES[page][0], Browser()
    down, up = Line(luck), Line(luck)
    now, tick = 3, 0
    while now < length:
        tick += 1
        now = min(length, now + luck.randrange(8))
        grow(now)
        sampling(tick)
        tell(desk, page, up.arrivals())
        down.send(pack(payload(desk).parts))
        for packed in down.arrivals():
            for said in browser.take(unpack(packed)):
                up.send(said)
    quiet = 0
    for _ in range(200):
        tell(desk, page, up.arrivals())
        parts = payload(desk).parts
        quiet = 0 if contains_something(parts) or up.waiting or down.waiting else quiet + 1
        if quiet > 12:
            break
        down.send(pack(parts))
        for packed in down.arrivals():
            for said in browser.take(unpack(packed)):
                up.send(said)
    return browser


def contains_something(parts: Parts) -> bool:
    """Whether a payload has tokens, alternatives or what is derived."""
    header = parts.header
    return bool(header["to"] > header["from"] or header.get("stages") or header.get("extras"))


def same(have: np.ndarray, should: np.ndarray) -> bool:
    """Equal but for zeros at the end of a row: of a short text fewer offsets of attention are sent."""
    if have.ndim:
        have = np.pad(have, [(0, 0)] * (have.ndim - 1) + [(0, max(0, should.shape[-1] - have.shape[-1]))])
    return np.array_equal(have, should, equal_nan=True)


def difference(page: str, browser: Browser, desk: Desk, trace) -> list[str]:
    """What the browser holds otherwise than a picture that is made anew and gets all at once."""
    fresh = Browser()
    new = Desk(sampling=desk.sampling)
    new.records, new.current = desk.records, desk.current
    fresh.take(unpack(pack(PAGES[page][0](new).parts)))
    wrong = [] if browser.ids == fresh.ids == trace.token_ids.tolist() else ["tokens"]
    for name in BY_TOKEN:
        have, should = browser.rows.get(name, []), fresh.rows.get(name, [])
        if len(have) != len(should) or not all(map(same, have, should)):
            wrong.append(name)
    if (
        browser.stages != fresh.stages
        or browser.steps.keys() != fresh.steps.keys()
        or not all(np.array_equal(browser.steps[step][1], fresh.steps[step][1]) for step in fresh.steps)
    ):
        wrong.append("stages")
    if browser.extras[0] != fresh.extras[0] or not all(
        np.array_equal(browser.extras[1][name], array, equal_nan=True) for name, array in fresh.extras[1].items()
    ):
        wrong.append("extras")
    return wrong


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("page", PAGES)
def test_what_is_lost_doubled_or_late_is_there_in_the_end_and_then_nothing_is_sent(page, seed, growing, trace):
    desk, grow = growing
    browser = play(page, desk, grow, len(trace), random.Random(seed))
    assert difference(page, browser, desk, trace) == []
    assert not contains_something(PAGES[page][0](desk).parts)


@pytest.mark.parametrize("seed", range(6))
def test_sliders_that_move_while_the_lines_are_bad_end_with_the_last_settings(seed, growing, trace):
    """Back to earlier settings too: what is said late about them must not count for the new sending."""
    desk, grow = growing
    luck = random.Random(seed)

    def move(tick: int) -> None:
        if tick % 3 == 0:
            desk.sampling = luck.choice([type(desk.sampling)(temperature=t) for t in (0.5, 1.0)])

    browser = play("next_word", desk, grow, len(trace), random.Random(seed), move)
    assert difference("next_word", browser, desk, trace) == []


def _what_was_sent_counts(self, run: str, length: int, *, growing: bool = False) -> tuple[int, int]:
    """A span that begins where the last one ended, whether that arrived or not."""
    sent = self.__dict__.setdefault("sent", {})
    start, sent[run] = min(sent.get(run, 0), length), length
    return start, length


@pytest.mark.parametrize(
    "broken",
    [{"acknowledge": lambda self, event: None}, {"span": _what_was_sent_counts}],
    ids=["deaf", "what was sent counts as held"],
)
def test_the_test_of_bad_lines_can_fail(broken, growing, trace, monkeypatch):
    """Without healing something is missing in the end, or is sent for ever."""
    for name, function in broken.items():
        monkeypatch.setattr(Delivery, name, function)
    if "span" in broken:
        monkeypatch.setattr(Delivery, "send_again", lambda self, event: None)
    desk, grow = growing
    browser = play("ring", desk, grow, len(trace), random.Random(1))
    header, _ = PAGES["ring"][0](desk).parts
    assert difference("ring", browser, desk, trace) or header["from"] < header["to"]


@pytest.mark.parametrize("page", PAGES)
def test_over_good_lines_nothing_is_sent_that_is_held(page, growing, trace):
    desk, grow = growing
    browser = Browser()
    for length in [*range(3, len(trace) + 1, 2), len(trace), len(trace), len(trace)]:
        grow(length)
        tell(desk, page, browser.take(unpack(pack(PAGES[page][0](desk).parts))))
    assert browser.useless == 0 and difference(page, browser, desk, trace) == []


@pytest.mark.parametrize("page", PAGES)
def test_of_a_growing_run_whichever_payload_arrives_can_be_shown(page, growing, trace):
    """Streamlit leaves out several in a row: no gap, so nothing needs to be asked for."""
    desk, grow = growing
    browser, luck = Browser(), random.Random(2)
    for length in range(3, len(trace) + 1, 2):
        grow(length)
        packed = pack(PAGES[page][0](desk).parts)
        if luck.random() < 0.3:
            said = browser.take(unpack(packed))
            assert len(browser.ids) == length and "need" not in [name for name, _ in said]
            tell(desk, page, said)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("seed", range(3))
def test_a_long_run_comes_in_several_payloads_each_after_the_answer_to_the_one_before(
    page, seed, growing, trace, monkeypatch
):
    """So the first of it is soon on screen, while it is written and when all of it is there at once."""
    monkeypatch.setattr(delivery_module, "MOST", 6)
    desk, grow = growing
    spans = []
    payload = PAGES[page][0]

    def noted(desk: Desk) -> Payload:
        made = payload(desk)
        spans.append((made.parts.header["from"], made.parts.header["to"]))
        return made

    monkeypatch.setitem(PAGES, page, (noted, PAGES[page][1]))
    for begun in (3, len(trace)):
        desk.page_state(PAGES[page][1]).delivery.forget("r")
        spans.clear()
        grow(begun)
        delivery = desk.page_state(PAGES[page][1]).delivery
        assert delivery.behind("r", len(trace)) and not delivery.behind("r", 6), "one payload needs no second look"
        browser = play(page, desk, grow, len(trace), random.Random(seed))
        assert max(stop - start for start, stop in spans) == 6
        assert not delivery.behind("r", len(trace)) and spans[-1][0] == len(trace)
        monkeypatch.setattr(delivery_module, "MOST", 512)
        assert difference(page, browser, desk, trace) == []
        monkeypatch.setattr(delivery_module, "MOST", 6)


def test_another_run_under_the_same_name_is_delivered_whole():
    delivery = Delivery()
    delivery.acknowledge({"run": "r", "to": 9, "parts": {}, "n": 1.0})
    assert delivery.held("r") == 9
    delivery.forget("r")
    assert delivery.held("r") == 0


def test_a_desk_forgets_a_run_on_all_its_pages(growing):
    desk, _ = growing
    for page in PAGES:
        tell(desk, page, [("ack", {"run": "r", "to": 3, "parts": {}, "n": 1.0})])
    desk.forget("r")
    assert all(desk.page_state(kind).delivery.held("r") == 0 for _, kind in PAGES.values())


def test_what_was_sent_is_given_time_to_be_answered_where_many_look():
    now = [100.0]
    one = Delivery(clock=lambda: now[0])
    one.rest = 0.4
    assert one.span("run", 20, growing=True) == (0, 20)
    assert one.span("run", 30, growing=True) == (0, 30), "before the first answer nobody knows what came"
    one.acknowledge({"run": "run", "to": 20, "parts": {}, "n": 1.0})
    assert one.span("run", 30, growing=True) == (20, 20)
    assert one.span("other", 10, growing=True) == (0, 10), "another run does not wait"
    assert one.span("run", 30) == (20, 30), "the end does not wait"
    now[0] += 0.5
    assert one.span("run", 40, growing=True) == (20, 40)
    assert one.span("run", 45, growing=True) == (20, 20)
    one.send_again({"run": "run", "from": 10, "n": 2.0})
    assert one.span("run", 45, growing=True) == (10, 45), "what is asked for comes at once"
    one.rest = 0.0
    assert one.span("run", 50, growing=True) == (10, 50)
