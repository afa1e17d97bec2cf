"""The page inside_a_block: what is answered to a look is what the model made, and what cannot be had is said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from app.inside_a_block import answering, reading, sending
from app.inside_a_block.codes import codes
from app.inside_a_block.sending import LOOK, box_address, busy, look_at, open_box, token_payload
from app.inside_a_block.state import InsideState
from app.session import progress, visible
from app.session.desk import Desk
from app.session.runs import Record
from app.wire_types import problems_of_payload
from mistral_core.analysis.worked_cell import STORED
from mistral_core.generation import ModelCard, Run
from mistral_core.hooks import recording
from mistral_core.sampling import softmax
from mistral_core.trace.trace import LOGITS
from tests.conftest import TINY
from tests.model.writing import FULL, asked
from tests.ui.runs import arrived, make_trace

T, LAYER = 13, 1
HASH = "of tiny"


@pytest.fixture
def trace(tokenizer, tiny_model):
    return Run(tiny_model, tokenizer, asked(20), plan=FULL, card=ModelCard("tiny", HASH)).complete().trace()


@pytest.fixture
def loaded(monkeypatch, tokenizer, tiny_model):
    """The model that wrote the runs is there, and a reading is waited for."""
    one = SimpleNamespace(model=tiny_model, tokenizer=tokenizer, model_hash=HASH, readings=0)

    def writer(trace):
        one.readings += 1
        return one

    monkeypatch.setattr(reading, "writer_of", writer)
    monkeypatch.setattr(reading.registry, "offered", lambda name: True)
    monkeypatch.setattr(sending, "PATIENCE", 60.0)
    return one


@pytest.fixture
def desk(trace) -> Desk:
    made = Desk()
    made.add(Record(name="r", label="r", trace=trace))
    return made


def look(desk: Desk, n: float = 1.0, **changes):
    """What the browser gets for a look."""
    event = {"run": "r", "t": T, "layer": LAYER, "head": -1, "box": "q", "cell": [], "key": -1, "numbers": True, "n": n}
    look_at(desk, {**event, **changes})
    parts = arrived(token_payload(desk).parts)
    assert problems_of_payload("inside_a_block", parts) == []
    return parts.header["inside"], parts.arrays


def boxes(inside, arrays):
    def numbers(box):
        return arrays["numbers"][box["at"] : box["at"] + int(np.prod(box["shape"]))].reshape(box["shape"])

    return {(box["layer"], box["box"]): numbers(box) for box in inside["boxes"]}


def test_every_box_holds_what_a_dense_pass_makes(desk, loaded, trace, tiny_model):
    inside, arrays = look(desk)
    assert inside["status"] == "done" and inside["gap"] < 1e-5
    sent = boxes(inside, arrays)
    with recording([*tiny_model.hook_names]) as seen, torch.inference_mode():
        tiny_model(torch.tensor([trace.token_ids.tolist()]))
    keys = [p for p in range(T + 1) if T - p < TINY.sliding_window]
    assert {one["layer"]: one["positions"] for one in inside["seen"]} == dict.fromkeys(range(TINY.n_layers), keys)
    for (layer, box), values in sent.items():
        name = STORED[box] if layer < 0 else f"layers.{layer}.{STORED[box]}"
        own = seen[name][0]
        own = own[:, T, keys] if box in ("scores", "pattern") else own[T]
        np.testing.assert_allclose(values, own.numpy(), atol=1e-3, err_msg=f"{layer} {box}")
    assert len(sent) == TINY.n_layers * (len(STORED) - 4) + 1  # ring and mask are others' numbers, logits the ending's


def test_terms_that_are_sent_sum_to_the_stored_number(desk, loaded):
    inside, arrays = look(desk, head=4)
    assert {one["box"] for one in inside["worked"]} == set(STORED)
    sent = boxes(inside, arrays)
    for one in inside["worked"]:
        assert one["agrees"] and one["first"], one
        terms = arrays["terms"][one["at"] : one["at"] + one["count"]].astype(float)
        if not one["steps"] and one["count"]:
            assert terms.prod(1).sum() == pytest.approx(one["stored"], abs=1e-4), one["box"]
        if (LAYER, one["box"]) in sent and one["box"] != "scores" and one["box"] != "pattern":
            value = sent[LAYER, one["box"]][tuple(one["cell"])]
            assert value == pytest.approx(one["stored"], abs=1e-6), "the cell is where the picture shows it"


def test_the_number_that_is_clicked_is_worked_out_and_a_wrong_one_refused_in_a_sentence(desk, loaded):
    inside, _ = look(desk, box="mlp_out", cell=[7], numbers=False)
    (asked_for,) = [one for one in inside["worked"] if not one["first"]]
    assert (asked_for["box"], asked_for["cell"], asked_for["count"]) == ("mlp_out", [7], TINY.hidden_dim)
    assert inside["boxes"] == [] and inside["codes"] == [], "only what is missing is sent"
    inside, _ = look(desk, 2.0, box="scores", cell=[0, 2])
    assert inside["text"] == f"Position 2 is not seen from {T} in layer {LAYER}: it is masked."
    assert loaded.readings == 1, "a text is read once for all its tokens"


def test_a_score_is_taken_apart_or_it_is_said_why_not(desk, loaded):
    inside, arrays = look(desk, box="scores", head=5, key=T - 2)
    split = inside["split"]
    assert (split["layer"], split["head"], split["key"]) == (LAYER, 5, T - 2) and split["error"] < 1e-4
    assert arrays["split_pairs"].sum() == pytest.approx(split["score"], abs=1e-4)
    assert arrays["split_layers"].sum() == pytest.approx(split["score"], abs=1e-4)
    inside, _ = look(desk, 2.0, box="scores", key=0)
    assert inside["split"] is None and inside["split_note"].startswith("Position 0 is not seen from")


def test_the_end_is_what_sampling_makes_of_the_logits(desk, loaded, trace):
    ending = look(desk)[0]["ending"]
    probs = softmax(trace[LOGITS][T].astype(float))
    best = np.argsort(-probs)[:3]
    assert [one["id"] for one in ending["top"][:3]] == best.tolist()
    assert ending["stages"][0] == "model" and len(ending["top"]) >= 10
    for one in ending["top"]:
        assert one["probs"][0] == pytest.approx(probs[one["id"]], abs=1e-4)
    assert ending["next"] == trace.token_ids[T + 1] and not ending["given"] and 0 <= ending["drawn"] < 1
    assert ending["next"] in [one["id"] for one in ending["top"]]
    assert look(desk, 2.0, t=2)[0]["ending"]["given"], "a word of the prompt was not drawn"
    last = look(desk, 3.0, t=len(trace) - 1)[0]["ending"]
    assert last["next"] is None and last["drawn"] is None


def test_an_answer_is_sent_until_it_is_acknowledged_and_then_no_more(desk, loaded):
    look(desk, 5.0)
    delivery = desk.page_state(InsideState).delivery
    assert token_payload(desk).parts.header["inside"]["n"] == 5.0
    delivery.acknowledge({"run": "r", "to": 27, "parts": {LOOK: ("5.0", 1)}, "n": 1.0})
    assert token_payload(desk).parts.header["inside"] is None
    assert not busy(desk)
    assert look(desk, 6.0)[0]["n"] == 6.0


@pytest.mark.parametrize("wrong", [{"t": 99}, {"layer": 3}, {"head": 6}, {"key": T + 1}, {"run": "another"}])
def test_a_look_at_what_is_not_there_is_not_looked_at(desk, loaded, wrong):
    assert look(desk, **wrong)[0] is None and desk.page_state(InsideState).looks == {}


def test_of_a_network_with_too_many_layers_those_of_one_are_sent(desk, loaded, monkeypatch):
    monkeypatch.setattr(answering, "NUMBERS_BUDGET", 100)
    inside, _ = look(desk)
    assert {box["layer"] for box in inside["boxes"]} == {LAYER, -1}
    assert [one["layer"] for one in inside["seen"]] == [LAYER]


def test_what_is_broken_in_a_network_is_said(desk, loaded, monkeypatch):
    monkeypatch.setattr(answering.registry, "parts_of", lambda name: SimpleNamespace(changes=("head:2:3",)))
    assert look(desk)[0]["changes"] == ["head 3 of layer 2 is silent"]


def test_where_the_model_is_not_here_what_the_run_kept_is_shown(desk, trace):
    inside, arrays = look(desk)
    assert inside["status"] == "reading" or inside["status"] == "recorded"
    desk.page_state(InsideState).reading[1].task.join(60)
    inside, arrays = look(desk, 2.0)
    assert inside["status"] == "recorded" and "the model that wrote this text (tiny) is not here" in inside["text"]
    sent = boxes(inside, arrays)
    assert {box for _, box in sent} == {"rot_k", "v", "pattern"} and inside["worked"] == []
    np.testing.assert_array_equal(sent[LAYER, "v"], trace.values(LAYER)[T])
    keys = inside["seen"][LAYER]["positions"]
    assert keys == list(range(T - 4, T + 1))
    own = trace.pattern(LAYER)[T][:, [T - key for key in keys]]
    np.testing.assert_array_equal(sent[LAYER, "pattern"], own)


def test_a_run_that_kept_nothing_says_so():
    desk = Desk()
    desk.add(Record(name="r", label="r", trace=make_trace()))
    look(desk, t=5)
    desk.page_state(InsideState).reading[1].task.join(60)
    inside, _ = look(desk, 2.0, t=5)
    assert inside["status"] == "recorded" and {box["box"] for box in inside["boxes"]} == {"pattern"}


def test_a_growing_text_is_read_again_only_for_tokens_that_were_not_read(loaded, trace, monkeypatch):
    for module in (progress, visible):
        monkeypatch.setattr(module, "progress_of", lambda record: record.job)
    job = SimpleNamespace(message="", total=len(trace), tokens_per_second=9.0, status="running")
    job.trace, desk = trace.truncated(16), Desk()
    desk.add(Record(name="r", label="r", job=job))
    assert look(desk, t=13)[0]["status"] == "done" and loaded.readings == 1
    job.trace = trace.truncated(22)
    assert look(desk, 2.0, t=12)[0]["status"] == "done" and loaded.readings == 1
    assert look(desk, 3.0, t=20)[0]["status"] == "done" and loaded.readings == 2


def test_another_run_of_the_same_name_finds_nothing(desk, loaded):
    look(desk)
    page = desk.page_state(InsideState)
    desk.forget("r")
    assert page.looks == {} and page.reading is None and page.answer is None


def test_an_address_names_a_box_and_keeps_it(desk, loaded):
    assert list(sending.BOXES) == list(STORED)
    open_box(desk, {"box": "scores", "t": "3"})
    assert token_payload(desk).parts.header["box"] == "scores" and box_address(desk) == {}
    look(desk, box="pattern")
    assert box_address(desk) == {"box": "pattern"}
    look(desk, 2.0, box="resid_pre")
    assert box_address(desk) == {}, "the first one needs no name"
    open_box(desk, {"box": "<b>"})
    assert token_payload(desk).parts.header["box"] == ""


def test_every_box_has_lines_of_the_source():
    lit = [mark for code in codes() for mark, lines in code["marks"].items() if lines]
    assert sorted(lit) == sorted(STORED)
    assert all(code["text"].count("\n") < 40 for code in codes())
