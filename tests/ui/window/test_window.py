"""The page `window`: its payload against the core, its questions and addresses, and runs that cannot be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app import compute
from app.navigation import ROOT
from app.session.desk import Desk
from app.session.runs import Record
from app.window import payload
from app.window.messages import Ask
from app.window.payload import layers_sent
from app.window.question import Choice, choice_from_query, widest_choice
from app.window.sending import ask, busy, choice_address, opening, window_payload
from app.window.state import WindowState
from app.wire_types import problems_of_event, problems_of_payload
from mistral_core.analysis.mask_reading import derived_pattern
from mistral_core.checkpoint.variants import with_windows
from mistral_core.hooks import recording
from tests.conftest import TINY
from tests.ui.runs import arrived, make_trace

pytestmark = pytest.mark.usefixtures("patient")
LENGTH = 60


@pytest.fixture
def desk(recorded) -> Desk:
    """A desk that shows the beginning of the recorded run."""
    made = Desk()
    made.add(Record(name="recorded", label="recorded", trace=recorded.trace.truncated(LENGTH)))
    return made


def question(**parts) -> Ask:
    event = {"run": "recorded", "n": 1, "window": None, "plus": False, "layer": 0, **parts}
    assert problems_of_event("window", "ask", event) == []
    return event


def sent(desk):
    parts = arrived(window_payload(desk).parts)
    assert problems_of_payload("window", parts) == []
    return parts


@pytest.mark.parametrize(
    ("window", "plus", "read_with"), [(None, False, 16), (5, False, 5), (None, True, 17), (5, True, 6)]
)
def test_queries_and_keys_give_the_weights_of_the_model_under_the_chosen_window(desk, window, plus, read_with):
    ask(desk, question(window=window, plus=plus))
    header, arrays = sent(desk)
    assert header["windows"] == [read_with] * 8 and header["layers"] == list(range(8)) and header["error"] < 1e-6
    trace = desk.record.trace
    model = with_windows(compute.load(trace.model_name).model, read_with)
    name = "layers.5.attention.hook_pattern"
    with recording([name]) as seen, torch.inference_mode():
        logits = model(torch.tensor([trace.token_ids.tolist()]))[0]
    queries, keys = (torch.from_numpy(arrays[part][5].copy()) for part in ("queries", "keys"))
    torch.testing.assert_close(derived_pattern(queries, keys, read_with), seen[name][0], rtol=1e-5, atol=1e-6)
    if window is None and not plus:
        assert header["against"] == "" and "kl" not in arrays
        return
    against = (window or 16) if plus else 16
    assert header["against"] == ("W" if plus else "trained")
    with torch.inference_mode():
        other = with_windows(model, against)(torch.tensor([trace.token_ids.tolist()]))[0]
    np.testing.assert_allclose(arrays["largest"], (logits - other).abs().amax(-1), rtol=1e-5)
    narrow = min(against, read_with)
    assert not arrays["kl"][:narrow].any() and arrays["kl"][narrow:].all()


def test_the_countable_case_comes_with_every_payload(desk):
    header, arrays = sent(desk)
    assert [(case["window"], case["reach"], case["paper"]) for case in header["cases"]] == [(3, 4, 6), (4, 6, 8)]
    assert [(row > 0).sum() for row in arrays["case_felt"]] == [5, 7]
    np.testing.assert_allclose(arrays["case_pattern"].sum(-1), 1, atol=1e-6)


def test_where_all_is_too_much_one_layer_is_sent_and_another_one_when_it_is_asked_for(desk, monkeypatch):
    monkeypatch.setattr(payload, "BUDGET", 1000)
    assert layers_sent(TINY, 9, 1) == (1,)
    desk.at["recorded"] = {"t": 5, "layer": 4, "head": 1}
    assert sent(desk).header["layers"] == [4]
    ask(desk, question(layer=6))
    header, arrays = sent(desk)
    assert header["layers"] == [6] and arrays["queries"].shape == (1, LENGTH, 8, 32)
    assert arrays["keys"].shape == (1, LENGTH, 2, 32), "fewer keys than queries"


def test_a_window_that_cannot_be_chosen_is_refused_in_a_sentence(desk):
    widest = widest_choice(desk.record.trace.config)
    ask(desk, question(window=widest + 1))
    header = sent(desk).header
    assert f"1 to {widest}" in header["message"] and header["choice"]["window"] is None
    desk.page_state(WindowState).of("recorded").choice = Choice(window=10**6)
    assert "1 to 32" in sent(desk).header["message"], "of a link too"


def test_an_address_says_what_is_asked(desk):
    for choice in (Choice(), Choice(window=7), Choice(plus=True), Choice(window=3, plus=True)):
        opening(desk, choice.query())
        if choice.query():
            assert choice_from_query(choice.query()) == choice
            assert choice_address(desk) == choice.query()
    opening(desk, {"w": "many"})
    assert "whole number" in desk.notice
    assert choice_from_query({"model": "storyteller"}) is None
    assert choice_address(Desk()) == {} and opening(Desk(), {"w": "3"}) is None


def test_layers_without_a_window_have_no_key_more():
    config = replace(TINY, sliding_window=(4, None, 6))
    assert Choice(plus=True).windows(config) == (5, None, 7)
    assert Choice(window=3, plus=True).windows(config) == (4, 4, 4)
    assert Choice(window=3, plus=True).windows(config, plus=False) == (3, 3, 3)


def test_kept_first_tokens_stay_beside_another_window(tmp_path):
    made = Desk()
    trace = replace(compute.recording().truncated(40), model_name="storyteller@8,2")
    trace = replace(trace, config=compute.config("storyteller@8,2"))
    made.add(Record(name="recorded", label="recorded", trace=trace))
    ask(made, question(window=5))
    header, _ = sent(made)
    assert header["windows"] == [5] * 8 and header["model"]["sinks"] == 2 and header["error"] < 1e-6


def test_a_text_without_its_model_is_shown_without_scores():
    made = Desk()
    made.add(Record(name="r", label="r", trace=make_trace()))
    header, arrays = sent(made)
    assert not header["can_measure"] and "is not here" in header["message"]
    assert header["layers"] == [] and "queries" not in arrays and not busy(made)


def test_of_a_long_text_the_beginning_is_read(recorded, monkeypatch):
    from app.window import measure, sending

    for module in (payload, measure, sending):
        monkeypatch.setattr(module, "MOST_TOKENS", 30)
    made = Desk()
    made.add(recorded)
    header, arrays = sent(made)
    assert len(header["tokens"]) == arrays["queries"].shape[1] == 30
    assert header["total"] == len(recorded.trace) and "first 30 tokens of 271" in header["message"]
    assert window_payload(made).unfinished is False


def test_the_code_beside_the_picture_is_the_code_that_runs(desk):
    seen, stored = sent(desk).header["codes"]
    assert (seen["name"], stored["name"]) == ("allowed", "KVCache.plan") and seen["file"] == "mistral_core/mask.py"
    written = (ROOT / seen["file"]).read_text(encoding="utf-8").splitlines()
    assert written[seen["line"] - 1] == "def allowed(" and seen["text"].splitlines()[0] == "def allowed("
    lines = seen["text"].splitlines()
    assert [lines[line].strip() for line in seen["marks"]["future"]] == ["visible = (k >= 0) & (k <= q)"]
    assert seen["marks"]["older"] == seen["marks"]["allowed"] and set(seen["marks"]) == {
        "allowed",
        "kept",
        "future",
        "older",
    }
