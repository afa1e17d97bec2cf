"""The residual stream's picture: its payload against the core, what is sent once, its questions, and bad ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app import compute
from app.residual import measure
from app.residual.asking import ask, held
from app.residual.measure import lens_spans, words_span
from app.residual.sending import residual_payload
from app.residual.state import ResidualState
from app.session.desk import Desk
from app.session.runs import Record
from app.wire_types import problems_of_event, problems_of_payload
from mistral_core.analysis.influence import read
from mistral_core.analysis.intervening import read_changed, touched
from mistral_core.analysis.other_word import patch_row, with_word
from tests.conftest import TINY
from tests.ui.runs import arrived

pytestmark = pytest.mark.usefixtures("patient")
LENGTH, T = 40, 33


@pytest.fixture
def desk(recorded) -> Desk:
    """A desk that shows the beginning of the recorded run, at a place in it."""
    made = Desk()
    made.add(Record(name="recorded", label="recorded", trace=recorded.trace.truncated(LENGTH)))
    made.at["recorded"] = {"t": T, "layer": 4, "head": -1}
    return made


@pytest.fixture(scope="module")
def reading():
    """The text, read by the model: states and predictions."""
    trace = compute.recording().truncated(LENGTH)
    loaded = compute.load(trace.model_name)
    return loaded, read(loaded.model, trace.token_ids.tolist())


def question(**parts):
    event = {"run": "recorded", "n": 1, "pins": [], "lender": None, "cell": None, **parts}
    assert problems_of_event("residual", "ask", event) == []
    return event


def sent(desk):
    residual_payload(desk)  # what is soon there is shown at once, so the rest comes with the next look
    parts = arrived(residual_payload(desk).parts)
    assert problems_of_payload("residual", parts) == []
    return parts


def test_the_lens_is_norm_and_output_of_every_state(desk, reading):
    header, arrays = sent(desk)
    loaded, whole = reading
    assert (header["lens"]["first"], header["lens"]["count"]) == (0, LENGTH)
    rows = [loaded.model.unembed(loaded.model.norm(state[None]))[0].double().log_softmax(-1) for state in whole.states]
    for row in (0, 4, 8):
        assert np.array_equal(arrays["top"][row], rows[row].argmax(-1).numpy())
        np.testing.assert_allclose(arrays["probability"][row], rows[row].exp().max(-1).values, rtol=1e-4)
        chosen = rows[row].gather(1, torch.tensor(arrays["tokens"]).long())
        np.testing.assert_allclose(arrays["log_prob"][row], chosen, rtol=1e-4, atol=1e-4)
    assert np.array_equal(arrays["top"][-1], whole.logits.argmax(-1).numpy()), "the last row is the model itself"
    assert set(map(str, arrays["top"].ravel())) <= set(header["labels"])


def test_contributions_sum_to_the_models_own_logits(desk, reading):
    header, arrays = sent(desk)
    logits = reading[1].logits.gather(1, torch.tensor(arrays["tokens"]).long()).numpy()
    np.testing.assert_allclose(arrays["parts"].sum(-1), logits, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(arrays["heads"].sum(-1), arrays["parts"][..., 1::2], atol=1e-3)
    assert 0 < header["lens"]["error"] < 1e-4


def test_what_the_browser_has_is_not_sent_again(desk):
    header, _ = sent(desk)
    keys = {name: header[name]["key"] for name in ("lens", "words")}
    held(desk, {"run": "recorded", **keys, "pinned": "", "patch": ""})
    again = sent(desk)
    assert again.arrays == {} and again.header["labels"] == {}
    assert again.header["lens"] == header["lens"]
    held(desk, {"run": "recorded", "lens": "", "words": keys["words"], "pinned": "", "patch": ""})
    assert "top" in sent(desk).arrays and "word_tokens" not in sent(desk).arrays, "what was lost is sent again"


def test_promoted_words_are_those_around_the_playhead(desk, reading):
    header, arrays = sent(desk)
    block = header["words"]
    assert block["first"] <= T < block["first"] + block["count"]
    assert arrays["word_tokens"].shape == (block["count"], 16, 2 * measure.EACH)
    added = arrays["word_added"]
    half = measure.EACH
    assert (np.diff(added[..., :half]) <= 0).all() and (np.diff(added[..., half:]) >= 0).all()
    assert (added[..., 0] > 0).all() and (added[..., half] < 0).all()


def test_pinned_tokens_are_followed_everywhere(desk, reading):
    ask(desk, question(pins=[300, 17, 300]))
    header, arrays = sent(desk)
    loaded, whole = reading
    assert header["pins"] == [300, 17]
    logs = loaded.model.unembed(loaded.model.norm(whole.states[3][None]))[0].double().log_softmax(-1)
    np.testing.assert_allclose(arrays["pin_log_prob"][3], logs[:, [300, 17]], rtol=1e-4, atol=1e-4)
    assert arrays["pin_rank"][3, T, 0] == int((logs[T] > logs[T, 300]).sum())
    np.testing.assert_allclose(arrays["pin_parts"].sum(-1), whole.logits[:, [300, 17]], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("cell", [{"row": 0, "position": 12}, {"row": 5, "position": 12}])
def test_a_patched_cell_is_that_of_the_core_and_changes_nothing_outside_the_cone(desk, reading, cell):
    lender = {"way": "word", "at": 12, "text": "bird"}
    ask(desk, question(lender=lender, cell=cell))
    header, arrays = sent(desk)
    loaded, whole = reading
    trace = desk.record.trace
    ids = trace.token_ids.tolist()
    patch = [patch_row(cell["row"], (12, 13), with_word(loaded.tokenizer, ids, trace.token_texts, 12, "bird"))]
    changed = read_changed(loaded.model, ids, patch)
    cone = touched(loaded.config, patch, LENGTH)
    assert np.array_equal(arrays["cone"], cone)
    assert not arrays["change"][~cone].any() and arrays["change"][cell["row"], 12] > 0
    facts = header["patch"]
    assert facts["outside"] == 0 and facts["inside"] == cone.sum() and 0 < facts["moved"] <= cone.sum()
    assert facts["words"][12] != trace.token_labels[12] and facts["words"][:12] == list(trace.token_labels[:12])
    assert np.array_equal(arrays["patched_top"][-1], changed.logits.argmax(-1).numpy())
    tokens = torch.tensor(arrays["choice_tokens"]).long()
    for name, one in (("choice_before", whole), ("choice_after", changed)):
        np.testing.assert_allclose(
            arrays[name], one.logits.double().softmax(-1).gather(1, tokens), rtol=1e-4, atol=1e-7
        )
    if cell["row"] == 0:  # then it is the other text itself, up to where the word was swapped
        other = read(loaded.model, patch[0].token_ids).logits[12].argmax()
        assert arrays["patched_top"][-1, 12] == int(other)


def test_another_prompt_lends_what_it_has(desk):
    ask(desk, question(lender={"way": "prompt", "at": 0, "text": "The king was old."}))
    header, arrays = sent(desk)
    count = len(header["patch"]["words"])
    assert arrays["lender_top"].shape == (9, count) and "cone" not in arrays and count < LENGTH
    bad = question(lender={"way": "prompt", "at": 0, "text": "The king."}, cell={"row": 2, "position": 30}, n=2)
    ask(desk, bad)
    assert "row 2 at position 30 is not in both texts" in sent(desk).header["message"].lower()


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"pins": [4096]}, "token 4096 is not in the vocabulary; ids are 0 to 4095"),
        ({"pins": list(range(7))}, "7 tokens are pinned; at most 6 can be"),
        ({"lender": {"way": "prompt", "at": 0, "text": "  "}}, "the other prompt is empty"),
        ({"lender": {"way": "prompt", "at": 0, "text": "a" * 2001}}, "the other prompt has 2,001 characters"),
        ({"lender": {"way": "word", "at": 99, "text": "a"}}, "position 99 is not in the text"),
    ],
)
def test_a_question_that_makes_no_sense_changes_nothing_but_the_sentence(desk, parts, sentence):
    ask(desk, question(pins=[5]))
    ask(desk, question(**parts, n=2))
    header = sent(desk).header
    assert sentence in header["message"][:1].lower() + header["message"][1:]
    assert header["pins"] == [5] and header["asked"] == 2


def test_a_run_without_its_model_says_so(desk):
    desk.records["recorded"].trace = replace(desk.record.trace, model_name="gone")
    header, arrays = sent(desk)
    assert not header["can_measure"] and header["lens"] is None and arrays == {}
    assert "gone" in header["message"]


def test_another_run_under_the_name_is_asked_anew(desk):
    ask(desk, question(pins=[5]))
    sent(desk)
    desk.page_state(ResidualState).forget("recorded")
    assert desk.page_state(ResidualState).of("recorded").pins == ()


def test_blocks_hold_the_playhead_and_stay_while_it_moves_a_little():
    large = replace(TINY, vocab_size=49_152, dim=576, n_layers=30)
    for length in (3, 60, 500):
        for t in range(length):
            soon, whole = lens_spans(large, length, t)
            near = words_span(large, whole, t)
            assert 0 <= whole[0] <= soon[0] <= t < soon[1] <= whole[1] <= length
            assert whole[0] <= near[0] <= t < near[1] <= whole[1]
    assert len({lens_spans(large, 500, t)[1] for t in range(500)}) < 30
    assert lens_spans(TINY, 500, 250) == ((0, 500), (0, 500)), "a small model's text is read whole"
