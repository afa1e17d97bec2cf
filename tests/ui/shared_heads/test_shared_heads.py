"""The page `shared_heads`: what its payload says is what the network holds, and what is taken away is what the core says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app import compute
from app.session.desk import Desk
from app.session.rereading import writer_of
from app.session.runs import Record
from app.shared_heads import payload, sending
from app.shared_heads.asking import ask_layer, opening, stop, take, taking_address
from app.shared_heads.sending import busy, shared_heads_payload
from app.shared_heads.state import SharedHeadsState, Taking
from app.wire_types import problems_of_event, problems_of_payload
from mistral_core.analysis.kv_head import without_kv_head
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.trace.trace import Trace
from tests.conftest import TINY, TINY_STD
from tests.model import reference
from tests.model.writing import FULL, asked
from tests.ui.runs import arrived, make_trace

SHORT = 60


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The page waits for what it begins, however slow the machine is."""
    monkeypatch.setattr(sending, "PATIENCE", 60.0)


def desk_of(trace: Trace) -> Desk:
    made = Desk()
    made.add(Record(name="r", label="r", trace=trace))
    return made


@pytest.fixture
def desk() -> Desk:
    """A desk that shows the beginning of the recorded run, which keeps neither keys nor values."""
    return desk_of(compute.recording().truncated(SHORT))


def sent(desk):
    parts = arrived(shared_heads_payload(desk).parts)
    assert problems_of_payload("shared_heads", parts) == []
    return parts


def held(desk, n: int, **parts):
    """The browser says what it holds."""
    named = {name: (key, 1) for name, key in parts.items()}
    desk.page_state(SharedHeadsState).delivery.acknowledge({"run": "r", "to": SHORT, "parts": named, "n": n})


def layer(index: int):
    event = {"run": "r", "layer": index}
    assert problems_of_event("shared_heads", "layer", event) == []
    return event


def question(**parts):
    event = {"run": "r", "layer": 2, "kv_head": 1, "takes": "both", **parts}
    assert problems_of_event("shared_heads", "take", event) == []
    return event


def written(tokenizer, n_kv_heads: int, windows) -> tuple[Trace, dict]:
    """A run of a random network, and what a second Mistral computes of its text."""
    config = replace(TINY, n_kv_heads=n_kv_heads, sliding_window=windows)
    model = random_model(config, seed=11, std=TINY_STD)
    trace = Run(model, tokenizer, asked(20), plan=FULL).complete().trace()
    return trace, reference.forward(reference.weights_of(model), config, trace.token_ids.tolist())


@pytest.mark.parametrize(("n_kv_heads", "windows"), [(6, 5), (2, (4, 2, 5)), (1, None)])
def test_keys_go_with_the_tokens_and_are_those_of_the_weights(tokenizer, n_kv_heads, windows):
    trace, independent = written(tokenizer, n_kv_heads, windows)
    header, arrays = sent(desk_of(trace))
    assert header["beside"]["kv"] and header["model"]["n_kv_heads"] == n_kv_heads
    assert header["beside"]["codes"][0]["name"] == "Attention.attend"
    for index in range(TINY.n_layers):
        for name, hook in (("keys", "rot_k"), ("values", "v")):
            expected = independent[f"layers.{index}.attention.hook_{hook}"]
            np.testing.assert_allclose(arrays[name][:, index], expected, atol=2e-4)


@pytest.mark.parametrize("windows", [(4, 2, 5), None])
def test_what_is_too_much_for_all_layers_comes_for_the_one_looked_at(tokenizer, monkeypatch, windows):
    from app.shared import run_payload

    trace, independent = written(tokenizer, 2, windows)
    monkeypatch.setattr(run_payload, "PATTERN_BUDGET", 6 * len(trace))  # the mean of the heads, and no more
    monkeypatch.setattr(payload, "KV_BUDGET", 100)
    monkeypatch.setattr(sending, "MORE_BUDGET", 40_000)
    desk = desk_of(trace)
    header, arrays = sent(desk)
    assert header["pattern"]["mean"] and not header["beside"]["kv"] and "keys" not in arrays
    ask_layer(desk, layer(1))
    header, arrays = sent(desk)
    assert header["beside"]["more"]["layers"] in ([1], [0, 1, 2]) and not header["beside"]["more"]["again"]
    at = header["beside"]["more"]["layers"].index(1)
    np.testing.assert_allclose(arrays["more_keys"][:, at], independent["layers.1.attention.hook_rot_k"], atol=2e-4)
    np.testing.assert_allclose(arrays["more_values"][:, at], independent["layers.1.attention.hook_v"], atol=2e-4)
    pattern = independent["layers.1.attention.hook_pattern"]
    for query in (0, 3, len(trace) - 1):
        for offset in range(min(TINY.with_window(windows).windows[1] or 99, query + 1)):
            weights = arrays["more_pattern"][query, at, :, offset] / 65535
            np.testing.assert_allclose(weights, pattern[:, query, query - offset], atol=2e-5)
    desk.page_state(SharedHeadsState).delivery.acknowledge(
        {"run": "r", "to": len(trace), "parts": {"more": (header["beside"]["more"]["key"], 1)}, "n": 1}
    )
    assert sent(desk).header["beside"]["more"] is None, "what the browser holds is not sent again"
    monkeypatch.setattr(sending, "MORE_BUDGET", 10)
    assert "at most 10 are sent" in sent(desk).header["beside"]["note"]


def test_a_run_that_keeps_no_keys_is_read_again(desk):
    header, arrays = sent(desk)
    assert not header["beside"]["kv"] and header["beside"]["more"] is None and not header["beside"]["note"]
    ask_layer(desk, layer(3))
    header, arrays = sent(desk)
    more = header["beside"]["more"]
    assert more["again"] and more["layers"] == list(range(8)) and "more_pattern" not in arrays
    model = writer_of(desk.record.trace).model
    ids = desk.record.trace.token_ids[:20].tolist()
    expected = reference.forward(reference.weights_of(model), model.config, ids[:6])
    for index in (0, 7):
        np.testing.assert_allclose(
            arrays["more_keys"][:6, index], expected[f"layers.{index}.attention.hook_rot_k"], atol=2e-4
        )


def test_without_the_model_a_sentence_says_so():
    desk = desk_of(make_trace())
    ask_layer(desk, layer(1))
    take(desk, question(layer=1))
    header, arrays = sent(desk)
    assert "is not here" in header["beside"]["note"] and "more_keys" not in arrays
    assert header["beside"]["away"]["status"] == "failed" and "is not here" in header["beside"]["away"]["error"]
    assert not header["beside"]["measurable"]


def test_other_weights_are_refused_in_a_sentence(desk):
    other = desk_of(replace(desk.record.trace, model_hash="0" * 64))
    take(other, question())
    assert "other weights" in sent(other).header["beside"]["away"]["error"]


@pytest.mark.parametrize("takes", ["both", "keys"])
def test_what_is_taken_away_is_what_the_core_says(desk, takes):
    take(desk, question(takes=takes))
    header, arrays = sent(desk)
    away, trace = header["beside"]["away"], desk.record.trace
    gone = without_kv_head(writer_of(trace).model, trace.token_ids.tolist(), 2, 1, takes)
    np.testing.assert_allclose(arrays["away_moved"], gone.moved, rtol=1e-6)
    np.testing.assert_array_equal(arrays["away_moved"] == 0, gone.moved == 0)
    np.testing.assert_allclose(arrays["away_kl"], gone.kl, rtol=1e-5)
    np.testing.assert_allclose(arrays["away_likely"], gone.likely, rtol=1e-6)
    same = (arrays["away_moved"] == 0).all(0)
    assert same[:2].all() and same[2].tolist() == [True] * 4 + [False] * 4 and not same[3:].any()
    assert away["status"] == "done" and (away["layer"], away["kv_head"], away["takes"]) == (2, 1, takes)
    label = compute.tokenizer(trace.model_name).label
    assert away["labels"] == {str(one): label(one) for one in set(arrays["away_ids"].ravel().tolist())}
    held(desk, 1, away=away["key"])
    header, arrays = sent(desk)
    assert header["beside"]["away"] == {**away, "labels": {}} and "away_moved" not in arrays
    assert not busy(desk)


def test_an_address_asks_and_is_written(desk):
    assert taking_address(desk) == {}
    for spelled, asked_for in (("3:2", Taking(2, 1, "both")), ("8:1:keys", Taking(7, 0, "keys"))):
        opening(desk, {"away": spelled})
        assert desk.page_state(SharedHeadsState).taking["r"] == asked_for
        assert taking_address(desk) == {"away": spelled} and not desk.notice
    assert sent(desk).header["beside"]["away"]["status"] == "done"
    opening(desk, {"away": "9:1"})
    assert sent(desk).header["beside"]["away"]["error"] == "Layer 9 is not in this model; it has 1 to 8."
    for wrong in ("3", "3:x", "3:2:values", ":", "-1:2", "3:2:keys:"):
        desk.notice = ""
        opening(desk, {"away": wrong})
        assert "write a layer and a key/value head" in desk.notice


def test_what_is_not_there_changes_nothing(desk):
    take(desk, question(kv_head=2))
    assert "Key/value head 3 is not in this model; it has 1 to 2" in desk.notice
    ask_layer(desk, {"run": "r", "layer": 8})
    ask_layer(desk, {"run": "gone", "layer": 0})
    take(desk, {**question(), "run": "gone"})
    stop(desk, {"run": "r", "n": 1})
    header, _ = sent(desk)
    assert header["beside"]["away"] is None and header["beside"]["more"] is None


def test_a_measurement_that_was_stopped_can_be_asked_for_again(desk, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE", 0.0)
    take(desk, question())
    assert sent(desk).header["beside"]["away"]["status"] in ("running", "done")
    stop(desk, {"run": "r", "n": 1})
    away = sent(desk).header["beside"]["away"]
    assert away["status"] == "done" or away["error"] == "Cancelled."
    monkeypatch.setattr(sending, "PATIENCE", 60.0)
    take(desk, question())
    assert sent(desk).header["beside"]["away"]["status"] == "done"


def test_a_run_of_another_text_under_the_name_is_asked_nothing(desk):
    take(desk, question())
    ask_layer(desk, layer(2))
    desk.page_state(SharedHeadsState).forget("r")
    header, _ = sent(desk)
    assert header["beside"]["away"] is None and header["beside"]["more"] is None
