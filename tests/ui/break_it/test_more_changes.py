"""An edge, a slot of the ring, a patch, a direction: the page's changed run against the core's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app import compute
from app.break_it.asking import ask, opening, question_address
from app.break_it.making import interventions_of, while_writing
from app.break_it.question import Choice
from app.break_it.sending import break_payload
from app.session.desk import Desk
from app.session.runs import Record
from app.wire_types import problems_of_event, problems_of_payload
from mistral_core.analysis.influence import read
from mistral_core.analysis.intervening import direction, effect, touched
from mistral_core.analysis.interventions import Add, Edge, KnockOut, Patch, Slot
from mistral_core.checkpoint.variants import with_windows
from tests.ui.runs import arrived

pytestmark = pytest.mark.usefixtures("patient")
SHORT, TARGET, PLACE = 60, 40, 33


@pytest.fixture
def desk(recorded) -> Desk:
    made = Desk()
    made.add(Record(name="recorded", label="recorded", trace=recorded.trace.truncated(SHORT)))
    return made


@pytest.fixture
def word(desk) -> str:
    """A word of the text that is one token and not the one at the place."""
    trace = desk.record.trace
    words = (text.strip() for text in trace.token_texts[2:] if text.startswith(" ") and text.strip().isalpha())
    return next(word for word in words if word != trace.token_texts[PLACE].strip())


def asked(desk, *changes, n=1):
    event = {
        "run": "recorded",
        "n": n,
        "target": TARGET,
        "level": "zero",
        "changes": list(changes),
        "writing": "greedy",
    }
    assert problems_of_event("break_it", "ask", event) == []
    ask(desk, event)
    parts = arrived(break_payload(desk).parts)
    assert problems_of_payload("break_it", parts) == []
    return parts


def other_ids(trace, word):
    tokenizer = compute.tokenizer(trace.model_name)
    ids = trace.token_ids.tolist()
    (token,) = tokenizer.encode(word, bos=False)
    return (*ids[:PLACE], token, *ids[PLACE + 1 :])


def expected(trace, word):
    """By how the page spells it, what the core is asked for."""
    model, other = compute.load(trace.model_name).model, other_ids(trace, word)
    way = direction(model, trace.token_ids.tolist(), other, 3, PLACE)
    lent = {"positions": (PLACE, PLACE + 1), "token_ids": other}
    return {
        f"edge:{PLACE}:{TARGET}": Edge(source=PLACE, target=TARGET),
        f"edge:{PLACE}:{TARGET}:8": Edge(source=PLACE, target=TARGET, layers=(7,)),
        "slot:1:35": Slot(slot=1, step=35),
        "slot:1:35:zero": Slot(slot=1, step=35, to="zero"),
        f"patch:0:{PLACE}:{PLACE}:{word}": Patch(hook="hook_resid_pre", layers=(0,), **lent),
        f"patch:4:{PLACE}:{PLACE}:{word}": Patch(hook="hook_resid_post", layers=(3,), **lent),
        f"add:3:{PLACE}-{TARGET}:-2.5:{PLACE}:{word}": Add(
            row=3, positions=(PLACE, TARGET + 1), vector=tuple(-2.5 * number for number in way)
        ),
    }


def test_every_change_is_that_of_the_core_alone_and_with_others(desk, word):
    trace = desk.record.trace
    model, ids = compute.load(trace.model_name).model, trace.token_ids.tolist()
    original, kinds = read(model, ids), expected(trace, word)
    knock_out = KnockOut(part="head", layer=6, index=2)
    cases = [((change,), (one,)) for change, one in kinds.items()]
    cases.append((("head:7:3", *list(kinds)[:6:2]), (knock_out, *list(kinds.values())[:6:2])))
    for n, (changes, interventions) in enumerate(cases, 1):
        header, arrays = asked(desk, *changes, n=n)
        assert header["message"] == "" and header["choice"]["changes"] == list(changes)
        measured = effect(model, ids, interventions, original=original)
        np.testing.assert_allclose(arrays["kl"], measured.kl, rtol=1e-5, atol=1e-9, err_msg=str(changes))
        np.testing.assert_allclose(arrays["moved"], measured.after - measured.before, rtol=1e-4, atol=1e-6)
        assert arrays["kl"].any(), changes
        can_change = touched(model.config, interventions, SHORT)[-1]
        allowed = int(can_change.argmax()) if can_change.any() else SHORT
        assert header["changed"]["allowed"] == allowed <= header["changed"]["untouched"]
        assert not arrays["kl"][:allowed].any()


def test_a_run_patched_into_itself_is_the_same_bit_for_bit(desk):
    own = desk.record.trace.token_texts[PLACE].strip()
    for n, row in enumerate((0, 4, 8), 1):
        header, arrays = asked(desk, f"patch:{row}:0-{SHORT - 1}:{PLACE}:{own}", n=n)
        facts = header["changed"]
        assert facts["untouched"] == SHORT and not arrays["kl"].any() and not arrays["moved"][:-1].any()
        assert facts["after"] == facts["before"] and facts["lending"] is None
        assert facts["written"][0] == facts["written"][1]


def test_the_whole_last_row_of_the_other_text_predicts_what_that_predicts(desk, word):
    facts = asked(desk, f"patch:8:0-{SHORT - 1}:{PLACE}:{word}").header["changed"]
    assert facts["lending"] == facts["after"] != facts["before"]
    trace = desk.record.trace
    logits = read(compute.load(trace.model_name).model, other_ids(trace, word)).logits[TARGET]
    assert facts["lending"] == pytest.approx(float(logits.double().log_softmax(-1)[trace.token_ids[TARGET + 1]]))


def test_of_two_other_texts_neither_is_the_one_that_lends(desk, word):
    own = desk.record.trace.token_texts[PLACE].strip()
    patch = f"patch:4:{PLACE}:{PLACE}:"
    assert asked(desk, patch + word, patch + own).header["changed"]["lending"] is not None
    assert asked(desk, patch + word, f"patch:4:{PLACE}:{PLACE + 4}:{word}", n=2).header["changed"]["lending"] is None


def test_a_word_of_several_tokens_is_refused_by_hand_and_by_link(desk, word):
    asked(desk, "mlp:2")
    bad = f"patch:4:{PLACE}:{PLACE}:incomprehensibilities"
    header = asked(desk, bad, n=2).header
    assert header["choice"]["changes"] == ["mlp:2"]
    assert "both texts need the same number, so choose a word that is 1 token" in header["message"]
    opening(desk, {"at": f"{TARGET}", "change": bad})
    header = break_payload(desk).parts.header
    assert "both texts need the same number" in header["message"] and header["choice"]["changes"] != [bad]


def test_an_edge_that_is_none_leaves_the_picture_and_says_what_there_is(desk):
    asked(desk, "mlp:2")
    header = asked(desk, f"edge:5:{TARGET}", n=2).header
    assert header["choice"]["changes"] == ["mlp:2"]
    assert "There is no edge from position 5 to 40: a window of 16 reaches back to 25" in header["message"]


def test_a_link_brings_them_and_the_address_says_them_again(desk, word):
    changes = f"edge:{PLACE}:{TARGET},slot:1:35:zero,patch:4:{PLACE}:{PLACE}:{word}"
    query = {"at": f"{TARGET}", "change": changes}
    opening(desk, query)
    header = arrived(break_payload(desk).parts).header
    assert header["choice"]["changes"] == changes.split(",") and header["changed"]
    assert question_address(desk) == query


def test_layers_without_a_ring_have_no_slot(desk):
    loaded = compute.load(desk.record.trace.model_name)
    choice = Choice(changes=("slot:1:20",))
    assert interventions_of(loaded, desk.record.trace, choice) == (Slot(slot=1, step=20),)
    mixed = replace(loaded.config, sliding_window=(16, None) * 4)
    loaded = replace(loaded, model=with_windows(loaded.model, 16, 0), config=mixed)
    assert interventions_of(loaded, desk.record.trace, choice) == (Slot(slot=1, step=20, layers=(0, 2, 4, 6)),)


def test_what_is_written_on_has_no_state_of_another_text_behind_the_target():
    lent = {"hook": "hook_resid_post", "layers": (0,), "token_ids": (3,) * 9}
    over, behind, before = (Patch(positions=span, **lent) for span in ((2, 8), (6, 8), (1, 3)))
    edge = Edge(source=6, target=7)
    assert while_writing((over, behind, edge, before), 5) == (Patch(positions=(2, 6), **lent), edge, before)
