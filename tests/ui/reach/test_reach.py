"""The page `reach`: its payload against brute force, its questions, and what it says to bad ones."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import compute
from app.reach import asking, measure, sending
from app.reach.asking import act, ask, opening
from app.reach.payload import Measured, allowed_cells, reach_parts
from app.reach.question import READINGS, Choice, choice_from_query
from app.reach.room import too_short
from app.reach.sending import busy, reach_payload
from app.reach.state import ReachState, RunQuestions
from app.session import progress, state, visible
from app.session.desk import Desk
from app.session.runs import Record, RunSpec
from app.shared.windows import window_options
from app.wire import pack, unpack
from mistral_core.analysis.influence import backward_influence, forward_influence
from mistral_core.checkpoint.variants import in_dtype, with_windows
from mistral_core.config import MISTRAL_7B, MistralConfig
from tests.conftest import TINY
from tests.ui.runs import arrived

ROOT = Path(__file__).resolve().parents[3]
LENGTH = 17

pytestmark = pytest.mark.usefixtures("patient")


def walk(choice: Choice, config: MistralConfig = TINY, length: int = LENGTH) -> np.ndarray:
    """Cells on some path of single steps from the source, to the target, or both; looked for one by one."""
    kind, _, number = choice.cut.partition(":")
    rows = config.n_layers + 1

    def step(row: int, key: int, query: int) -> bool:
        if not (key <= query and query - key < config.windows[row]):
            return False
        if kind == "layer" and row == int(number) - 1:
            return key == query
        return not (kind == "wall" and key <= int(number) < query)

    ahead, back = np.zeros((rows, length), bool), np.zeros((rows, length), bool)
    ahead[0, choice.source] = back[-1, choice.target] = True
    for row in range(config.n_layers):
        for key in range(length):
            for query in range(length):
                ahead[row + 1, query] |= ahead[row, key] and step(row, key, query)
    for row in reversed(range(config.n_layers)):
        for key in range(length):
            for query in range(length):
                back[row, key] |= back[row + 1, query] and step(row, key, query)
    return {"forward": ahead, "backward": back, "corridor": ahead & back}[choice.reading]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("cut", ["", "wall:5", "wall:9", "layer:1", "layer:3"])
def test_allowed_cells_are_those_that_a_walk_finds(reading, cut):
    choice = Choice(reading=reading, source=2, target=12, cut=cut)
    assert np.array_equal(allowed_cells(TINY, choice, LENGTH), walk(choice))


def test_the_forward_payload_is_what_patching_gives_and_zero_beyond_the_edge(recorded):
    trace, choice = recorded.trace, Choice(reading="forward", source=8, target=8, replacement=300)
    measured, _ = measure.measure(trace, choice)
    header, arrays = arrived(reach_parts(trace, choice, measured, run="r"))
    model = in_dtype(compute.load(trace.model_name).model, torch.float64)
    found = forward_influence(model, trace.token_ids.tolist(), 8, 300)
    assert np.allclose(arrays["grid"], found.change, rtol=1e-5, atol=0)
    assert np.allclose(arrays["kl"], found.kl, rtol=1e-4, atol=1e-37)
    assert np.array_equal(arrays["grid"] != 0, found.change != 0)
    beyond = ~arrays["allowed"].astype(bool)
    assert beyond.any() and not arrays["grid"][beyond].any() and arrays["grid"][-1, 8 + 100] > 0
    assert header["forward_edges"] == [0, 15, 30, 45, 60, 75, 90, 105, 120]
    assert 100 < header["facts"]["farthest"] == np.flatnonzero(found.kl)[-1] - 8 <= 120
    assert header["facts"]["noticed"] == np.flatnonzero(found.kl >= 1e-3)[-1] - 8
    assert (header["facts"]["outside"], header["facts"]["outside_top"]) == (len(trace) - 8 - 121, 0)


def test_the_backward_payload_is_the_gradient_of_the_word_that_follows(recorded):
    trace, choice = recorded.trace, Choice(reading="backward", source=0, target=150)
    measured, _ = measure.measure(trace, choice)
    _, arrays = arrived(reach_parts(trace, choice, measured, run="r"))
    model = in_dtype(compute.load(trace.model_name).model, torch.float64)
    found = backward_influence(model, trace.token_ids[:152].tolist(), 150)
    assert np.allclose(arrays["grid"], found.influence, rtol=1e-5, atol=0)
    assert arrays["grid"][0, 30] > 0 and not arrays["grid"][0, :30].any()


def test_the_corridor_says_how_far_its_rows_are_from_the_measured_change(recorded):
    """The change is the difference of two plain passes; the cells are those that single steps can reach."""
    trace, choice = recorded.trace, Choice(reading="corridor", source=8, target=30, replacement=300)
    measured, _ = measure.measure(trace, choice)
    model, ids = in_dtype(compute.load(trace.model_name).model, torch.float64), trace.token_ids[:31].tolist()
    with torch.inference_mode():
        told = [model(torch.tensor([text]))[0, 30].log_softmax(-1) for text in (ids, [*ids[:8], 300, *ids[9:]])]
    before, after = (float(row[trace.token_ids[31]]) for row in told)
    facts, rows = measured.facts, measured.grid.sum(1)
    assert (facts["before"], facts["after"]) == pytest.approx((np.exp(before), np.exp(after)), rel=1e-9)
    assert facts["change"] == pytest.approx(after - before, rel=1e-6) and abs(after - before) > 1e-3
    assert max(abs(row - (after - before)) for row in rows) == pytest.approx(facts["off"], rel=1e-3)
    assert facts["off"] < 0.02 * abs(after - before), "a row holds the whole change but for two hundredths"
    ways = walk(choice, trace.config, measured.grid.shape[1])
    assert not measured.grid[~ways].any() and np.count_nonzero(measured.grid[ways]) > 0.9 * ways.sum()
    assert np.flatnonzero(measured.grid[0]).tolist() == [8] and np.flatnonzero(measured.grid[-1]).tolist() == [30]


def test_a_wall_lets_nothing_through(recorded):
    choice = Choice(reading="forward", source=8, target=8, replacement=300, cut="wall:20")
    measured, _ = measure.measure(recorded.trace, choice)
    assert not measured.kl[21:].any() and measured.kl[20] > 0 and measured.uncut[21] > 0
    assert 0 < measured.facts["left"] < 1


def test_what_is_read_of_a_growing_text_stays_the_same_once_the_edge_is_passed(recorded):
    config, choice = recorded.trace.config, Choice(reading="forward", source=8, target=8)
    lengths = [measure.needed(config, choice, length, whole=False) for length in (50, 145, 146, 400)]
    assert lengths == [50, 145, 145, 145] and 145 > 8 + 120 + 1


def test_a_value_too_small_for_float32_is_not_shown_as_nothing(recorded):
    grid = np.array([[0.0, 1e-60, -1e-60]])
    _, arrays = arrived(reach_parts(recorded.trace, Choice(), Measured(grid=grid), run="r"))
    assert arrays["grid"].tolist()[0][0] == 0 and arrays["grid"][0, 1] > 0 > arrays["grid"][0, 2]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(reading="sideways"), "readings are forward"),
        (Choice(source=17), "source 17 is not in the text; positions are 0 to 16"),
        (Choice(target=-1), "target -1"),
        (Choice(reading="corridor", source=9, target=3), "nothing travels backwards"),
        (Choice(cut="wall:16"), "no wall can stand after position 16; choose one of 0 to 15"),
        (Choice(cut="layer:4"), "layers 1 to 3"),
        (Choice(cut="moat:1"), "write wall:POSITION or layer:NUMBER"),
        (Choice(cut="wall:²"), "write wall:POSITION"),
        (Choice(window=0), "the window is 0; a text can be read with 1 to 4,096"),
        (Choice(window=5000), "with 1 to 4,096"),
        (Choice(window=4, sinks=5), "5 first tokens are to stay visible; that can be 0 to 4, beside a window"),
        (Choice(sinks=1), "beside a window"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_what_would(choice, said):
    with pytest.raises(ValueError, match=said):
        choice.inside(TINY, LENGTH)


def test_a_choice_survives_the_address():
    choice = Choice(reading="corridor", source=3, target=40, replacement=7, cut="layer:2", window=4, sinks=2)
    assert choice_from_query(choice.query()) == choice
    assert choice_from_query({"text": "A fox"}) is None
    with pytest.raises(ValueError, match="from=-3"):
        choice_from_query({"reading": "forward", "from": "-3"})


def question(number: int, source: int, target: int) -> dict:
    """A forward question as the browser asks it."""
    choice = {"source": source, "target": target, "replacement": None, "cut": "", "window": None, "sinks": 0}
    return {"run": "recorded", "n": number, "layer": 0, "reading": "forward", **choice}


def test_another_window_reads_the_same_text_and_everything_follows(recorded):
    trace, choice = recorded.trace, Choice(reading="forward", source=8, target=30, replacement=300, window=4)
    measured, _ = measure.measure(trace, choice)
    header, arrays = arrived(reach_parts(trace, choice, measured, run="r"))
    model = compute.load(trace.model_name).model
    narrow = with_windows(in_dtype(model, torch.float64), 4)
    found = forward_influence(narrow, trace.token_ids.tolist(), 8, 300)
    assert np.array_equal(measured.grid, found.change) and np.array_equal(measured.kl, found.kl)
    assert not arrays["grid"][:, 8 + 25 :].any() and not arrays["kl"][8 + 25 :].any() and found.kl[8 + 20] > 0
    assert header["forward_edges"] == [0, 3, 6, 9, 12, 15, 18, 21, 24] and header["reach"] == 24
    assert header["model"]["windows"] == [4] * 8 and header["model"]["trained"] == [16] * 8
    here, trained = header["facts"]["surprise"]
    p = model(torch.tensor([trace.token_ids.tolist()])).log_softmax(-1)[0, :-1]
    assert trained == pytest.approx(-float(p.gather(1, torch.tensor(trace.token_ids[1:, None])).mean()), rel=1e-4)
    assert here > trained, "it was trained with 16"
    corridor, _ = measure.measure(trace, replace(choice, reading="corridor", target=8 + 25))
    assert not corridor.grid.any() and corridor.facts["change"] == 0
    backward, _ = measure.measure(trace, replace(choice, reading="backward"))
    assert backward.grid[0, 6] > 0 and not backward.grid[:, :6].any()
    back, _ = measure.measure(trace, replace(choice, window=None))
    assert back.kl[8 + 40] > 0, "the model itself is as it was"


@pytest.mark.parametrize("target", [30, 115])
def test_a_corridor_is_in_float64_where_float32_would_drown_it(recorded, target):
    trace, choice = recorded.trace, Choice(reading="corridor", source=8, target=target, replacement=300)
    measured, _ = measure.measure(trace, choice)
    assert measured.facts["exact"] == (abs(measured.facts["change"]) < measure.DROWNS)
    assert measured.facts["exact"] == (target == 115)
    sums = measured.grid.sum(1)
    assert np.abs(sums - measured.facts["change"]).max() < 0.05 * abs(measured.facts["change"])


def test_a_text_without_room_says_what_can_be_done():
    config, at = MISTRAL_7B, Choice(source=3)
    eight = replace(config, n_layers=8, sliding_window=16)
    assert too_short(eight, at, 122) is None
    assert too_short(eight, at, 121) == {"leaves": True, "more": 3 + 120 + 1 + 16 - 121, "narrower": 8}
    assert too_short(eight, at, 16, goes_on=False) == {"leaves": False, "more": 0, "narrower": 0}
    assert too_short(eight, at, 17, goes_on=False) == {"leaves": True, "more": 0, "narrower": 0}
    assert too_short(eight, replace(at, window=2), 17) is None, "8 tokens are its reach"
    assert too_short(config, at, 200) == {"leaves": False, "more": 0, "narrower": 4}, "131,040 tokens are not offered"
    assert too_short(replace(config, sliding_window=None), at, 5) is None, "without a window there is no edge"
    assert window_options(eight) == [2, 4, 8, 32, 64] and window_options(config)[-2:] == [512, 1024]
    assert 16 in window_options(replace(eight, sliding_window=(16,) * 7 + (8,)))


def test_a_short_run_is_written_on_with_the_same_question(recorded, monkeypatch):
    desk, written = Desk(), []
    monkeypatch.setattr(asking, "write", lambda desk, spec: written.append(spec))
    trace = recorded.trace
    spec = RunSpec(model=trace.model_name, text="".join(trace.token_texts[: trace.n_prompt]), new_tokens=60)

    def cut(length):
        names = ("token_ids", "positions", "token_texts", "token_labels", "probability", "rank")
        return replace(trace, arrays={}, **{name: getattr(trace, name)[:length] for name in names})

    short = cut(trace.n_prompt + 60)
    desk.add(Record(name="a", label="a", spec=spec, trace=short))
    desk.page_state(ReachState).runs["a"] = RunQuestions(choice=Choice(source=5))
    act(desk, {"run": "a", "what": "write", "n": 1})
    assert written == [replace(spec, new_tokens=60 + 5 + 120 + 1 + 16 - len(short))]
    assert desk.page_state(ReachState).of(written[0].name).choice == Choice(source=5)
    desk.records["a"].trace = cut(len(short) - 1)
    act(desk, {"run": "a", "what": "write", "n": 1})
    assert len(written) == 1, "a text that has come to its own end cannot be written on"


def test_a_link_to_a_token_that_is_still_being_written_waits_for_it(recorded, monkeypatch):
    desk, length = Desk(), 40
    trace = recorded.trace
    desk.add(Record(name="a", label="a", job=SimpleNamespace(status="running")))
    desk.at["a"] = {"t": 60, "layer": 2, "head": -1}
    for module in (progress, visible):
        monkeypatch.setattr(
            module,
            "progress_of",
            lambda record: SimpleNamespace(status="running", message="", trace=trace.truncated(length)),
        )
    header, _ = arrived(reach_payload(desk).parts)
    assert header["choice"]["reading"] == "forward", "something to look at meanwhile"
    length = 70
    header, _ = arrived(reach_payload(desk).parts)
    assert (header["choice"]["reading"], header["choice"]["target"]) == ("backward", 60)


def test_long_work_says_how_far_it_is_and_can_be_stopped(recorded, monkeypatch):
    desk, going, seen = Desk(), threading.Event(), []

    def slow(trace, choice, *, growing, report):
        for step in range(1000):
            report(step, 1000, "reading the text")
            seen.append(step)
            going.set()
            time.sleep(0.01)

    monkeypatch.setattr(sending, "PATIENCE", 0.05)
    monkeypatch.setattr(sending, "measure", slow)
    desk.add(recorded)
    header, _ = arrived(reach_payload(desk).parts)
    assert going.wait(10) and busy(desk) and header["measured"] == 0
    header, _ = arrived(reach_payload(desk).parts)
    assert header["doing"][1:] == [1000, "reading the text"] and not header["stopped"]
    task = desk.page_state(ReachState).of("recorded").measuring.work.task
    act(desk, {"run": "recorded", "what": "stop", "n": 1})
    task.join(10)
    assert not task.running and len(seen) < 1000 and not busy(desk)
    header, _ = arrived(reach_payload(desk).parts)
    assert header["stopped"] and header["doing"] is None
    act(desk, {"run": "recorded", "what": "again", "n": 1})
    reach_payload(desk)
    work = desk.page_state(ReachState).of("recorded").measuring.work.task
    ask(desk, question(1, 9, 9))
    reach_payload(desk)
    work.join(10)
    assert not work.running and busy(desk), "the next question ends the work on the last one"
    act(desk, {"run": "recorded", "what": "stop", "n": 1})


def test_the_geometry_of_mistral_7b_fits_into_a_small_payload(record_property):
    length, config = 5000, replace(MISTRAL_7B, dim=64, head_dim=2, hidden_dim=64)
    texts = tuple(f" word{position}" for position in range(length))
    parts = {"token_ids": np.arange(length), "token_texts": texts, "token_labels": texts}
    trace = type(
        "Long", (), {**parts, "config": config, "n_prompt": 9, "model_name": "m", "__len__": lambda _: length}
    )()
    grid = np.random.default_rng(0).random((33, length))
    measured = Measured(grid=grid, kl=grid[0], before=grid[1], after=grid[2])
    packed = pack(reach_parts(trace, Choice(source=8), measured, run="r"))
    record_property("reach payload, 33 rows x 5,000 tokens, bytes", len(packed))
    assert len(packed) < 33 * length * 5 + 3 * 4 * length + 60 * length, "5 bytes a cell, 12 and the text a token"
    header, arrays = unpack(packed)
    assert header["forward_edges"][:2] == [0, 4095] and arrays["allowed"][1, 8 : 8 + 4096].all()
    assert not arrays["allowed"][1, 8 + 4096 :].any()


def test_a_bad_word_leaves_the_picture_and_says_why(recorded):
    desk = Desk()
    desk.add(recorded)
    event = question(1, 8, 9)
    ask(desk, event)
    ask(desk, {**event, "n": 2, "word": "antidisestablishment"})
    header, _ = arrived(reach_payload(desk).parts)
    assert "choose a word that is one token" in header["message"] and header["asked"] == 2
    assert header["choice"]["source"] == 8 and header["measured"] > 0
    assert desk.at["recorded"]["t"] == 8, "the place follows to the other pages"


def test_a_replacement_that_changes_nothing_is_answered_by_the_last_picture(recorded):
    desk = Desk()
    desk.add(recorded)
    reach_payload(desk)
    event = question(3, 8, 9)
    ask(desk, {**event, "replacement": int(recorded.trace.token_ids[8])})
    header, _ = arrived(reach_payload(desk).parts)
    assert "stands there already" in header["message"] and header["choice"]["replacement"] is None


def test_without_the_weights_only_theory_is_shown(recorded):
    desk = Desk()
    desk.add(replace(recorded, trace=replace(recorded.trace, model_hash="0" * 64)))
    header, arrays = arrived(reach_payload(desk).parts)
    assert "only theory is shown" in header["message"] and not header["can_measure"] and header["measured"] == 0
    assert arrays["allowed"].any()


def test_the_page_opens_and_refuses_two_equal_words():
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    at.switch_page(str(ROOT / "pages" / "reach.py")).run()
    assert not at.exception and at.title[0].value == "Reach: how far does a change travel?"
    at.text_input(key=state.PUSH_SWAP).set_value("girl").run()
    assert not at.exception and any("nothing would be swapped" in warning.value for warning in at.warning)


def test_another_run_under_the_same_name_is_measured_anew(recorded):
    """A second file of the same name and length must not be shown with the answer of the first."""
    desk, trace = Desk(), recorded.trace
    first = replace(trace.truncated(60))
    desk.add(Record(name="file x", label="x", trace=first))
    reach_payload(desk)
    desk.at["file x"] = {"t": 9, "layer": 0, "head": -1}
    assert desk.page_state(ReachState).of("file x").measuring is not None
    desk.add(Record(name="file x", label="x", trace=trace.truncated(60)))
    assert "file x" not in desk.page_state(ReachState).runs and "file x" not in desk.at and desk.current == "file x"


def test_a_link_that_is_followed_again_shows_its_reading(recorded):
    desk = Desk()
    desk.add(recorded)
    desk.page_state(ReachState).runs["recorded"] = RunQuestions(choice=Choice(source=3), answered=Choice(source=3))
    opening(desk, {"reading": "corridor", "from": "8", "to": "30"})
    header, _ = arrived(reach_payload(desk).parts)
    assert (header["choice"]["reading"], header["choice"]["source"], header["choice"]["target"]) == ("corridor", 8, 30)


def test_a_late_refusal_leaves_the_last_picture(recorded, monkeypatch):
    def refusing(trace, choice, *, growing, report):
        if choice.source == 20:
            time.sleep(0.3)
            raise ValueError("not this one")
        return really(trace, choice, growing=growing, report=report)

    really = measure.measure
    monkeypatch.setattr(sending, "measure", refusing)
    desk = Desk()
    desk.add(recorded)
    ask(desk, question(1, 5, 9))
    desk.page_state(ReachState).of("recorded").answered = None
    for _ in range(20):
        header, _ = arrived(reach_payload(desk).parts)
        if header["measured"]:
            break
    monkeypatch.setattr(sending, "PATIENCE", 0.05)
    ask(desk, question(2, 20, 25))
    reach_payload(desk)
    desk.page_state(ReachState).of("recorded").measuring.work.task.join(10)
    header, _ = arrived(reach_payload(desk).parts)
    assert header["choice"]["source"] == 5 and "Not this one" in header["message"]
