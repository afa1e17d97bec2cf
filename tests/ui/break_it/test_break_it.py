"""The page `break_it`: its payload against the core, its questions, and what it says to bad ones."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from app import compute
from app.break_it import measure, sending
from app.break_it.asking import act, ask, opening, question_address
from app.break_it.payload import break_parts
from app.break_it.question import Choice, choice_from_query, first_choice
from app.break_it.sending import break_payload, busy
from app.break_it.spelling import asked_of
from app.break_it.state import BreakState
from app.session.desk import Desk
from app.session.runs import Record
from app.wire_types import problems_of_event, problems_of_payload
from mistral_core.analysis.influence import read
from mistral_core.analysis.intervening import read_changed, write_on
from mistral_core.analysis.interventions import Column, KnockOut, Shorten
from tests.conftest import TINY
from tests.ui.runs import arrived

pytestmark = pytest.mark.usefixtures("patient")
SHORT = 60


@pytest.fixture
def desk(recorded) -> Desk:
    """A desk that shows the beginning of the recorded run."""
    made = Desk()
    made.add(Record(name="recorded", label="recorded", trace=recorded.trace.truncated(SHORT)))
    return made


def question(**parts):
    event = {"run": "recorded", "n": 1, "target": 40, "level": "zero", "changes": [], "writing": "greedy", **parts}
    assert problems_of_event("break_it", "ask", event) == []
    return event


def sent(desk):
    parts = arrived(break_payload(desk).parts)
    assert problems_of_payload("break_it", parts) == []
    return parts


def test_a_visitor_starts_with_the_head_that_matters_most(desk):
    header, arrays = sent(desk)
    target = header["choice"]["target"]
    assert target == first_choice(SHORT, desk.record.trace.n_prompt, None).target
    heads = arrays["heads"]
    layer, head = np.unravel_index(heads.argmin(), heads.shape)
    assert header["choice"]["changes"] == [f"head:{layer + 1}:{head + 1}"] and header["chosen_for"]
    facts = header["changed"]
    assert facts["after"] - facts["before"] == pytest.approx(heads.min(), abs=1e-4)
    assert facts["kl"] == pytest.approx(arrays["heads_kl"][layer, head], abs=1e-5)
    assert question_address(desk) == {}, "what nobody asked for is in no address"


def test_the_map_is_what_single_knock_outs_give(desk):
    ask(desk, question(target=50))
    header, arrays = sent(desk)
    trace, model = desk.record.trace, compute.load(desk.record.trace.model_name).model
    ids = trace.token_ids.tolist()
    before = read(model, ids).logits[50].double().log_softmax(-1)
    for name, part, layer, index in (("heads", "head", 7, 3), ("groups", "group", 2, 1), ("mlps", "mlp", 0, 0)):
        one = KnockOut(part=part, layer=layer, index=None if part == "mlp" else index)
        after = read_changed(model, ids, [one]).logits[50].double().log_softmax(-1)
        assert arrays[name][layer, index] == pytest.approx(float((after - before)[ids[51]]), abs=2e-4)
    assert header["log_prob"] == pytest.approx(float(before[ids[51]]), abs=1e-4)
    assert header["explained"] == trace.token_labels[51] and header["follows"]
    assert header["changed"] is None, "nothing is changed"


@pytest.mark.parametrize("level", ["zero", "mean"])
def test_the_changed_run_is_that_of_the_core(desk, level):
    changes = ["head:2:3", "near:5", "hide:7"]
    ask(desk, question(changes=changes, level=level))
    header, arrays = sent(desk)
    made = [KnockOut(part="head", layer=1, index=2, to=level), Shorten(distance=5), Column(position=7)]
    trace, loaded = desk.record.trace, compute.load(desk.record.trace.model_name)
    ids = trace.token_ids.tolist()
    p, q = (
        one.logits.double().log_softmax(-1) for one in (read(loaded.model, ids), read_changed(loaded.model, ids, made))
    )
    np.testing.assert_allclose(arrays["kl"], (p.exp() * (p - q)).sum(-1), atol=1e-6)
    assert np.isnan(arrays["moved"][-1])
    facts = header["changed"]
    best = facts["candidates"][0]
    assert best["before"] == pytest.approx(float(p[40].exp().max()), abs=1e-5)
    run = write_on(loaded.model, loaded.tokenizer, ids[:41], measure.WRITTEN, made, unsaid=True)
    assert facts["written"][1] == run.texts[41:]
    assert facts["written"][0][: facts["same"]] == facts["written"][1][: facts["same"]]
    assert facts["written"][0] != facts["written"][1]


def test_what_a_change_cannot_reach_is_the_same_bit_for_bit(desk):
    ask(desk, question(changes=["hide:30"]))
    header, arrays = sent(desk)
    assert header["changed"]["allowed"] == 31 and header["changed"]["untouched"] >= 31
    assert not arrays["kl"][:31].any() and arrays["kl"][31:].any()


def test_as_drawn_is_the_run_itself_where_nothing_differs(desk):
    ask(desk, question(changes=["hide:50"], target=44, writing="seeded"))
    own = compute.recording().token_texts[45 : 45 + measure.WRITTEN]
    written = sent(desk).header["changed"]["written"]
    assert "".join(written[0]) == "".join(own)
    assert written[1][:6] == written[0][:6], "up to the hidden word nothing is changed"


def test_after_the_last_token_the_likeliest_is_meant(desk):
    ask(desk, question(target=SHORT - 1, changes=["mlp:3"]))
    header = sent(desk).header
    assert not header["follows"] and header["explained"] == header["changed"]["candidates"][0]["label"]


@pytest.mark.parametrize(
    "choice",
    [
        Choice(target=3),
        Choice(target=0, level="mean", changes=(), writing="seeded"),
        Choice(target=12, changes=("head:1:2", "group:3:1", "mlp:2", "attention:1", "near:4", "hide:5")),
    ],
)
def test_a_choice_goes_into_an_address_and_back(choice):
    assert choice_from_query(choice.query()) == choice
    assert choice.inside(TINY, 17) == choice
    assert len(choice.asked()) == len(choice.changes or ())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("head:1", "write head:LAYER:HEAD"),
        ("mlp:1:2", "write head:LAYER:HEAD"),
        ("head:0:1", "count from 1"),
        ("near:-1", "write head:LAYER:HEAD"),
        ("near:²", "write head:LAYER:HEAD"),
        ("hammer:1", "write head:LAYER:HEAD"),
        ("head:9:1", "layer 8 is not in this model"),
        ("head:1:7", "head 6 is not in this model"),
        ("hide:16", "nothing comes after position 16"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_a_reason(change, why):
    with pytest.raises(ValueError, match=why):
        Choice(target=3, changes=(change,)).inside(TINY, 17)


def test_other_impossible_choices_are_refused():
    for choice, why in (
        (Choice(target=17), "positions are 0 to 16"),
        (Choice(level="loud"), "level is"),
        (Choice(writing="backwards"), "write is"),
        (Choice(changes=("mlp:1",) * 17), "at most 16"),
    ):
        with pytest.raises(ValueError, match=why):
            choice.inside(TINY, 17)
    assert asked_of("group:2:1", "mean") == KnockOut(part="group", layer=1, index=0, to="mean")


def test_a_link_opens_what_it_names_and_a_bad_one_says_why(desk):
    opening(desk, {"at": "33", "change": "mlp:2"})
    assert sent(desk).header["choice"]["changes"] == ["mlp:2"]
    assert question_address(desk) == {"at": "33", "change": "mlp:2"}
    opening(desk, {"at": "33", "change": "mlp:99"})
    header = sent(desk).header
    assert "layer 98 is not in this model" in header["message"].lower() and header["choice"]["changes"]
    opening(desk, {"at": "many"})
    assert "at=" in desk.notice


def test_a_question_that_makes_no_sense_leaves_the_picture(desk):
    ask(desk, question(changes=["mlp:2"]))
    sent(desk)
    ask(desk, question(changes=["mlp:2", "hide:59"], n=2))
    header = sent(desk).header
    assert header["choice"]["changes"] == ["mlp:2"] and "Nothing comes after position 59" in header["message"]
    ask(desk, question(changes=["mlp:3"], n=3))
    assert sent(desk).header["message"] == ""


def test_a_measurement_can_be_stopped_and_made_after_all(desk, monkeypatch):
    gate, inside = threading.Event(), threading.Event()
    real = measure.map_of

    def held(trace, target, level, report):
        inside.set()
        while not gate.wait(0.01):
            report(0, 1, "held")
        return real(trace, target, level, report)

    monkeypatch.setattr(sending, "map_of", held)
    monkeypatch.setattr(sending, "PATIENCE", 0.05)
    header = sent(desk).header
    assert inside.wait(10) and header["mapping"] and header["log_prob"] is None and busy(desk)
    act(desk, {"run": "recorded", "what": "stop", "n": 1})
    header = sent(desk).header
    assert header["stopped"] and header["mapping"] is None and not busy(desk)
    gate.set()
    assert sent(desk).header["log_prob"] is None, "what was stopped stays stopped"
    act(desk, {"run": "recorded", "what": "again", "n": 2})
    monkeypatch.setattr(sending, "PATIENCE", 60.0)
    assert sent(desk).header["log_prob"] is not None


def test_without_the_model_the_text_is_there_and_the_reason(desk):
    desk.add(Record(name="recorded", label="r", trace=replace(desk.record.trace, model_hash="other")))
    header, arrays = sent(desk)
    assert not header["can_measure"] and "other weights" in header["message"] and "heads" not in arrays
    assert len(header["tokens"]) == SHORT


def test_a_run_that_goes_takes_its_questions_with_it(desk):
    ask(desk, question(changes=["mlp:2"]))
    desk.forget("recorded")
    assert desk.page_state(BreakState).runs == {}


def test_a_question_about_a_run_that_is_gone_does_nothing(desk):
    ask(desk, question(run="gone"))
    act(desk, {"run": "gone", "what": "stop", "n": 1})
    assert desk.page_state(BreakState).runs == {}


def test_the_place_of_the_page_before_is_begun_at(desk):
    ask(desk, {"run": "recorded", "n": 1, "at": {"t": 25, "layer": 2, "head": 1}})
    assert sent(desk).header["choice"]["target"] == 25


def test_parts_outside_the_run_are_refused(recorded):
    with pytest.raises(ValueError, match="positions are 0 to 9"):
        break_parts(recorded.trace.truncated(10), Choice(target=10), run="r")
