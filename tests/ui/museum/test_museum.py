"""The museum of mistakes: its payload against the core, what a link opens, what is refused, its buttons."""

from __future__ import annotations

import numpy as np
import pytest

from app import compute
from app.museum import asking, sending
from app.museum.asking import act_on_mistake, ask_mistake, mistake_address, open_mistake
from app.museum.sending import museum_busy, museum_payload
from app.museum.sources import LIT, codes_of
from app.museum.state import MuseumState
from app.session.desk import Desk
from app.session.runs import Record
from app.wire_types import problems_of_event, problems_of_payload
from mistral_core.museum.caught import caught_by
from mistral_core.museum.exhibits import EXHIBITS, exhibit
from mistral_core.museum.pictures import draw
from mistral_core.museum.reading import compare
from tests.ui.runs import arrived

pytestmark = pytest.mark.usefixtures("patient")
SHORT = 44


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """verify takes half a minute: it is asked where a test asks."""
    monkeypatch.setattr(sending, "SMALL", 0)


@pytest.fixture
def desk(recorded) -> Desk:
    made = Desk()
    made.add(Record(name="recorded", label="recorded", trace=recorded.trace.truncated(SHORT)))
    return made


def sent(desk):
    parts = arrived(museum_payload(desk).parts)
    assert problems_of_payload("museum", parts) == []
    return parts


def opened(desk, name, n=1):
    event = {"run": "recorded", "n": n, "mistake": name}
    assert problems_of_event("museum", "ask", event) == []
    ask_mistake(desk, event)
    return sent(desk)


def pressed(desk, what):
    event = {"run": "recorded", "n": 1, "what": what}
    assert problems_of_event("museum", "act", event) == []
    act_on_mistake(desk, event)
    return sent(desk)


@pytest.mark.parametrize("name", ["window-plus-one", "rope-by-slot", "half-split", "repeat-order", "other-order"])
def test_what_is_sent_is_what_the_core_measures(desk, name):
    header, arrays = opened(desk, name, 7)
    trace = desk.record.trace
    loaded, ids = compute.load(trace.model_name), trace.token_ids.tolist()
    expected = compare(loaded.model, exhibit(name), ids, stop=loaded.tokenizer.eos_id)
    drawn = draw(loaded.config, exhibit(name), SHORT)
    assert (header["mistake"], header["asked"], header["drawing"]) == (name, 7, drawn.kind)
    assert header["measured"]["errs_from"] == expected.errs_from and header["measured"]["expected"] == expected.expected
    assert np.allclose(arrays["error"], expected.error) and np.allclose(arrays["kl"], expected.kl)
    for side, given in (("right", drawn.right), ("wrong", drawn.wrong)):
        for key, array in given.items():
            chosen = arrays[f"{key}_{side}"] / (65535 if key == "read" else 1)
            assert np.allclose(chosen, array, atol=1e-5)
    right, wrong = header["measured"]["written"]
    whole = loaded.tokenizer.decode([*ids, *expected.wrong])
    assert whole.endswith(wrong) and wrong
    same = header["measured"]["same"]
    assert right[:same] == wrong[:same] and (right == wrong or right[same : same + 1] != wrong[same : same + 1])
    assert header["checked"] is None and header["checking"] is None and header["checkable"] == ""


def test_verify_is_asked_by_a_button_and_answers_as_the_core_does(desk, monkeypatch):
    opened(desk, "write-before-read")
    monkeypatch.setattr("mistral_core.museum.caught.ASKED", ("chunked prefill", "grouped queries"))
    header, _ = pressed(desk, "verify")
    loaded = compute.engine().model(desk.record.trace.model_name)
    expected = caught_by(loaded, exhibit("write-before-read"))
    assert header["checked"]["by"] == list(expected.by) == ["chunked prefill"]
    assert [line["verdict"] for line in header["checked"]["lines"]] == list(expected.verdicts)
    assert [line["error"] for line in header["checked"]["lines"]] == [line.max_abs_error for line in expected.lines]
    compute.caught.clear()
    compute.sound_lines.clear()


def test_work_is_stopped_and_taken_up_again(desk):
    page = desk.page_state(MuseumState)
    header, arrays = pressed(desk, "stop")
    assert header["stopped"] and header["measured"] is None and not arrays and not page.readings.running
    header, arrays = pressed(desk, "again")
    assert not header["stopped"] and header["measured"] and "error" in arrays
    assert not museum_busy(desk)


def test_what_a_model_or_text_cannot_show_is_said_and_nothing_is_measured(recorded):
    desk = Desk()
    desk.add(Record(name="recorded", label="recorded", trace=recorded.trace.truncated(9)))
    header, arrays = sent(desk)
    (story,) = [story for story in header["stories"] if story["name"] == "window-plus-one"]
    assert "17 tokens and more, and this one has 9" in story["problem"]
    assert header["measured"] is None and not arrays and header["message"] == ""
    header, arrays = opened(desk, "repeat-order")
    assert header["measured"] and len(arrays["error"]) == 9
    assert [story["name"] for story in header["stories"]] == [one.name for one in EXHIBITS]


def test_a_link_opens_its_mistake_and_a_bad_one_says_so(desk):
    open_mistake(desk, {"mistake": "wrong-end"})
    assert asking.open_tab(desk) == asking.MISTAKES and mistake_address(desk) == {"mistake": "wrong-end"}
    open_mistake(desk, {"mistake": "no-such"})
    assert "there is no mistake" in desk.notice.lower() and mistake_address(desk) == {"mistake": "wrong-end"}
    open_mistake(desk, {})
    assert asking.open_tab(desk) == asking.SILENCE


def test_a_mistake_that_is_none_changes_nothing_but_the_sentence(desk):
    ask_mistake(desk, {"run": "recorded", "n": 3, "mistake": "<b>"})
    assert "There is no mistake" in desk.notice and desk.page_state(MuseumState).mistake == "window-plus-one"


def test_every_mistake_has_its_sources_with_a_line_lit():
    for one in EXHIBITS:
        right, wrong = codes_of(one)
        assert right["file"].startswith("mistral_core/") and wrong["file"] == "mistral_core/museum/mistakes.py"
        assert right["marks"][LIT] and wrong["marks"][LIT] and right["text"] != wrong["text"], one.name
