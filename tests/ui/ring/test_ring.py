"""The ring page: what its payload says is what the rings hold, what it measures is what two plain passes say."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from app import compute
from app.ring import payload, sending
from app.ring.asked_slot import ask_slot
from app.ring.bytes_rows import bytes_rows
from app.ring.forgotten import answer, cancel, measure
from app.ring.payload import ring_parts
from app.ring.sending import busy, ring_payload
from app.ring.state import Question, RingState
from app.session.actions import write_recorded
from app.session.desk import Desk
from app.session.files import RECORDING_NAME
from app.session.progress import trace_of
from app.session.runs import Record
from mistral_core.analysis.swap import replacement_of_its_kind
from mistral_core.config import MISTRAL_7B
from mistral_core.generation import ModelCard, Run
from mistral_core.kv_cache import EMPTY
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan
from tests.conftest import TINY, TINY_STD
from tests.model import reference
from tests.model.writing import FULL, asked
from tests.ui.runs import arrived
from tests.ui.test_pages import app, kept

NEW_TOKENS = 25
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood. One morning, when the sun came up,"


@pytest.mark.parametrize("window", [5, (4, 2, 5)])
def test_slot_p_mod_w_holds_p_and_its_numbers_are_those_of_the_weights(tokenizer, window):
    """Three sides: the payload, the rings of the run after every step, a recomputation that shares no code."""
    config = replace(TINY, sliding_window=window)
    model = random_model(config, seed=11, std=TINY_STD)
    run = Run(model, tokenizer, asked(NEW_TOKENS), plan=FULL)
    snapshots = []
    for _ in run.prefill():
        pass
    while True:
        rings = [
            (ring.positions[0].tolist(), ring.keys[0].numpy().copy(), ring.values[0].numpy().copy())
            for ring in run.kv_cache.rings
        ]
        snapshots.append((int(run.kv_cache.n_seen[0]) - 1, rings))
        if run.finish_reason:
            break
        run.step()
    trace = run.trace()
    assert len(trace) > 5 * 5 and snapshots[-1][0] == len(trace) - 1
    _, arrays = arrived(ring_parts(trace, run="r"))
    independent = reference.forward(reference.weights_of(model), config, trace.token_ids.tolist())
    for layer, width in enumerate(config.windows):
        for name, hook in (("keys", "rot_k"), ("values", "v")):
            expected = independent[f"layers.{layer}.attention.hook_{hook}"]
            np.testing.assert_allclose(arrays[name][:, layer], expected, atol=2e-4)
        for step, rings in snapshots:
            positions, keys, values = rings[layer]
            for slot, position in enumerate(positions):
                written = [p for p in range(step + 1) if p % width == slot]
                assert position == (written[-1] if written else EMPTY)
                if written:
                    np.testing.assert_array_equal(arrays["keys"][position, layer], keys[:, slot])
                    np.testing.assert_array_equal(arrays["values"][position, layer], values[:, slot])


def test_parts_of_a_growing_run_are_the_whole(tokenizer, tiny_model):
    run = Run(tiny_model, tokenizer, asked(9), plan=FULL)
    list(run.prefill())
    while not run.finish_reason:
        run.step()
    trace = run.trace()
    whole = arrived(ring_parts(trace, run="r"))
    parts = [arrived(ring_parts(trace, run="r", start=a, stop=b)) for a, b in ((0, 4), (4, 11), (11, len(trace)))]
    for name in ("keys", "values"):
        np.testing.assert_array_equal(np.concatenate([arrays[name] for _, arrays in parts]), whole[1][name])
    assert whole[0]["beside"]["kv"] and whole[0]["beside"]["kv_shape"] == {
        "n_kv_heads": TINY.n_kv_heads,
        "head_dim": TINY.head_dim,
    }
    kept_bytes = sum(
        array.nbytes for name, array in trace.arrays.items() if name.endswith(("hook_rot_k", "attention.hook_v"))
    )
    assert whole[0]["beside"]["kv_bytes"] == kept_bytes // len(trace)
    assert whole[0]["beside"]["kv_dtype"] == trace.keys(0).dtype.name, "bytes say of which numbers they are"


def test_what_cannot_be_shown_is_a_sentence(monkeypatch, tokenizer, tiny_model):
    header, arrays = arrived(ring_parts(compute.recording(), run="r"))
    assert not header["beside"]["kv"] and "keys" not in arrays and "pattern" in arrays
    assert "no keys and values" in header["beside"]["kv_note"]
    run = Run(tiny_model, tokenizer, asked(2), plan=FULL)
    list(run.prefill())
    monkeypatch.setattr(payload, "KV_BUDGET", 100)
    header, arrays = arrived(ring_parts(run.trace(), run="r"))
    assert "keys" not in arrays and "too many" in header["beside"]["kv_note"]
    with pytest.raises(ValueError, match="tokens 0 to 999"):
        ring_parts(run.trace(), run="r", stop=999)


def _opened(monkeypatch, found, trace):
    """A run in a session whose browser asks for one slot after another."""
    monkeypatch.setattr(payload, "KV_BUDGET", 100)
    monkeypatch.setattr(sending, "spec_of_recording", lambda record: None)
    found.add(Record(name="big", label="big", trace=trace))

    def ask(layer: int, position: int):
        ask_slot(found, {"run": "big", "layer": layer, "position": position})
        if (reading := found.page_state(RingState).reading) is not None:
            reading.work.task.join(60)
        return arrived(ring_payload(found).parts)

    return ask


def test_the_numbers_of_one_slot_are_sent_where_those_of_the_run_are_too_many(monkeypatch, tokenizer, tiny_model):
    run = Run(tiny_model, tokenizer, asked(9), plan=FULL)
    list(run.prefill())
    trace, found = run.trace(), Desk()
    ask = _opened(monkeypatch, found, trace)
    header, arrays = arrived(ring_payload(found).parts)
    assert header["beside"]["single"] and header["beside"]["slot"] is None and "slot_keys" not in arrays
    for layer, position in ((0, 0), (2, 5), (1, len(trace) - 1)):
        header, arrays = ask(layer, position)
        assert (header["beside"]["slot"]["layer"], header["beside"]["slot"]["position"]) == (layer, position)
        np.testing.assert_array_equal(arrays["slot_keys"], trace.keys(layer)[position])
        np.testing.assert_array_equal(arrays["slot_values"], trace.values(layer)[position])
        assert found.page_state(RingState).reading is None, "what is recorded is not computed again"
    for layer, position in ((3, 0), (0, len(trace)), (-1, 2)):
        header, _ = ask(layer, position)
        assert header["beside"]["slot"]["position"] == len(trace) - 1, "a slot that is not there changes nothing"


def test_what_a_run_does_not_keep_is_computed_anew_for_one_layer(monkeypatch):
    """Against the recording of the same text by another plan, made in one go."""
    loaded = compute.load("storyteller")
    ids = tuple(loaded.tokenizer.encode(PROMPT))
    request = GenerationRequest(prompt_ids=ids, max_new_tokens=30, seed=2)
    run = Run(
        loaded.model, loaded.tokenizer, request, plan=RecordingPlan(), card=ModelCard("storyteller", loaded.model_hash)
    ).complete()
    whole = run.trace()
    bare = replace(
        whole,
        arrays={name: array for name, array in whole.arrays.items() if "rot_k" not in name and "hook_v" not in name},
    )
    found = Desk()
    ask = _opened(monkeypatch, found, bare)
    header, arrays = ask(5, 40)
    assert "read again" in header["beside"]["slot"]["text"]
    np.testing.assert_allclose(arrays["slot_keys"], whole.keys(5)[40], atol=1e-4)
    np.testing.assert_allclose(arrays["slot_values"], whole.values(5)[40], atol=1e-4)
    first = found.page_state(RingState).reading
    _, arrays = ask(5, 3)
    np.testing.assert_allclose(arrays["slot_values"], whole.values(5)[3], atol=1e-4)
    assert found.page_state(RingState).reading is first, "a layer is read once"
    _, arrays = ask(2, 3)
    np.testing.assert_allclose(arrays["slot_keys"], whole.keys(2)[3], atol=1e-4)
    found.records["big"].trace = replace(bare, model_hash="f" * 64)
    header, arrays = ask(0, 3)
    assert "other weights" in header["beside"]["slot"]["text"] and "slot_keys" not in arrays


def test_bytes_by_counting_every_number():
    """Mistral 7B at 32k: the paper's 8 times; and each entry by counting heads, slots and numbers."""
    rows = {row["tokens"]: row for row in bytes_rows(MISTRAL_7B)}
    assert list(rows) == [4096, 8192, 32_768, 131_072]
    for tokens, row in rows.items():
        number, width = 2, 128
        assert row["allocated"] == 32 * 4096 * 8 * width * 2 * number
        assert row["used"] == 32 * min(4096, tokens) * 8 * width * 2 * number
        assert row["no_window"] == 32 * tokens * 8 * width * 2 * number
        assert row["no_gqa"] == 4 * row["used"] and row["neither"] == 4 * row["no_window"]
    assert rows[32_768]["window_factor"] == 8.0
    short = bytes_rows(MISTRAL_7B, (100,))[0]
    assert short["used"] * 4096 == short["allocated"] * 100


def _question(word: str = "") -> Question:
    ids = tuple(compute.tokenizer("storyteller").encode(PROMPT))
    return Question(run="r", model="storyteller", ids=ids, position=8, step=len(ids) - 2, word=word)


@pytest.mark.parametrize("word", ["", "boy"])
def test_the_measurement_is_what_two_plain_passes_say(word):
    question = _question(word)
    said = []
    told = answer(question, lambda *report: said.append(report))
    model, tokenizer = compute.exact_model(question.model), compute.tokenizer(question.model)
    assert tokenizer.label(question.ids[8]) == "girl" == told["original"]
    swapped = list(question.ids)
    swapped[8] = tokenizer.encode(word, bos=False)[0] if word else replacement_of_its_kind(tokenizer, question.ids, 8)
    with torch.no_grad():
        rows = [
            torch.softmax(model(torch.tensor([ids]))[0, question.step].double(), -1) for ids in (question.ids, swapped)
        ]
    kl = float((rows[0] * (rows[0] / rows[1]).log()).sum())
    following = question.ids[question.step + 1]
    assert told["kl"] == pytest.approx(kl, rel=1e-6) and kl > 1e-6
    assert (told["before"], told["after"]) == pytest.approx([float(row[following]) for row in rows], rel=1e-9)
    assert told["replacement"] == tokenizer.label(swapped[8]) and told["chosen"] == bool(word)
    assert [report[:2] for report in said] == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("word", "sentence"), [("girl", "is the word itself"), ("extraordinarily", "choose a word that is one token")]
)
def test_a_replacement_that_cannot_be_is_refused(word, sentence):
    with pytest.raises(ValueError, match=sentence):
        answer(_question(word), lambda *_: None)


def test_the_page_opens_with_the_recording_measures_it_and_refuses_a_word_still_in_the_ring():
    at = app("ring")
    found = kept(at)
    assert found.record.name == RECORDING_NAME and "what is kept" in at.title[0].value
    measure(found, {"run": found.current, "position": 30, "step": 40, "word": ""})
    at.run()
    assert (
        any("has not left all rings" in warning.value for warning in at.warning)
        and found.page_state(RingState).asking is None
    )
    measure(found, {"run": found.current, "position": 20, "step": 40, "word": ""})
    found.page_state(RingState).asking.work.task.join(60)
    at.run()
    assert not at.exception
    header, _ = arrived(ring_payload(found).parts)
    told = header["beside"]["forgotten"]
    assert (told["status"], told["position"], told["step"], told["distance"]) == ("done", 20, 40, 20) and told["kl"] > 0


def test_a_cancelled_measurement_says_so(monkeypatch):
    at = app("ring")
    found = kept(at)
    monkeypatch.setattr(compute, "exact_model", lambda name: time.sleep(0.3))
    measure(found, {"run": found.current, "position": 20, "step": 40, "word": "no"})
    cancel(found, {"run": found.current, "n": 1})
    told = arrived(ring_payload(found).parts)[0]["beside"]["forgotten"]
    assert (told["status"], told["error"]) == ("failed", "Cancelled.") and found.page_state(
        RingState
    ).asking.work.task.running, "at once"
    assert not busy(found)
    found.page_state(RingState).asking.work.task.join(30)
    told = arrived(ring_payload(found).parts)[0]["beside"]["forgotten"]
    assert (told["status"], told["error"]) == ("failed", "Cancelled.")


def test_the_recorded_run_is_written_again_with_its_keys_and_values():
    at = app("ring")
    found = kept(at)
    recorded = compute.recording()
    write_recorded(found, {"run": found.current, "n": 1, "t": 35, "layer": 4, "head": -1})
    assert found.at[found.current] == {"t": 35, "layer": 4, "head": -1}, "one stays where one was"
    job = found.record.job
    until = time.monotonic() + 60
    while compute.engine().poll(job).status not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.01)
    trace = trace_of(found.record)
    assert trace.token_ids.tolist() == recorded.token_ids.tolist()
    header, arrays = arrived(ring_payload(found).parts)
    assert arrays["keys"].shape[:2] == (len(recorded), trace.config.n_layers) and header["provenance"] == "model"
    delivery = found.page_state(RingState).delivery
    delivery.acknowledge({"run": found.current, "to": len(trace), "parts": {}, "n": 1})
    assert arrived(ring_payload(found).parts)[0]["from"] == len(trace)
    delivery.send_again({"run": found.current, "from": 7, "n": 2})
    assert arrived(ring_payload(found).parts)[0]["from"] == 7


def test_the_bytes_stand_on_the_page():
    at = app("ring")
    tables = [table.value for table in at.dataframe]
    assert len(tables) == 2
    paper = tables[1].set_index("tokens in the text")
    assert paper.loc["32,768", "the window saves"] == "8×" and paper.loc["32,768", "used"] == "512 MiB"
