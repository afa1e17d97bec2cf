"""Next word: are the written tokens those that encoding gives, as rows and sentences, and what it does to the loss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app import compute
from app.next_word.reencoding import cuts_of, losses_of, place_rows, said, verdict
from app.next_word.state import NextWordState
from app.session.desk import Desk
from app.session.rereading import writer_of
from app.session.runs import Record
from mistral_core.analysis.progress import silent
from mistral_core.analysis.reencoding import Place, Reencoded
from mistral_core.analysis.reencoding_loss import cut_loss
from mistral_core.trace.trace import NOTHING, Trace


def desk_of(trace: Trace) -> Desk:
    desk = Desk()
    desk.add(Record(name="r", label="r", trace=trace))
    return desk


@pytest.fixture
def split() -> Trace:
    """The recorded text up to a word of several letters, which is spelled in letters then."""
    from mistral_core.generation import Run
    from mistral_core.request import GenerationRequest

    trace = compute.recording()
    loaded = compute.load(trace.model_name)
    by_bytes = {loaded.tokenizer.token_bytes(one): one for one in range(loaded.tokenizer.vocab_size)}
    letters = [by_bytes[bytes([byte])] for byte in b" girl"]
    ids = (*trace.token_ids[:20].tolist(), *letters)
    request = GenerationRequest(prompt_ids=ids, max_new_tokens=0)
    made = Run(loaded.model, loaded.tokenizer, request, plan=NOTHING).complete().trace()
    return replace(made, n_prompt=20, model_name=trace.model_name, model_hash=trace.model_hash)


def test_the_recorded_text_is_what_encoding_gives():
    trace = compute.recording()
    cuts = cuts_of(desk_of(trace), Record(name="r", label="r"), trace)
    assert isinstance(cuts, Reencoded) and not cuts.places
    assert (
        said(cuts, trace.n_prompt)
        == f"Yes: encoding the letters of this text gives all of its {len(trace)} tokens again."
    )


def test_a_split_word_is_a_row_with_what_it_costs_both_ways(split):
    desk = desk_of(split)
    cuts = cuts_of(desk, desk.record, split)
    assert cuts.places == (Place(start=20, stop=25, again_start=20, again_stop=21),)
    assert said(cuts, 20).startswith("Not everywhere: in one place, 5 of 25 tokens")
    assert "One is where the prompt ends" in said(cuts, 22) and "One is where" not in said(cuts, 20)
    assert cuts_of(desk, desk.record, split) is cuts, "kept while the text is as long"
    tokenizer = compute.tokenizer(split.model_name)
    losses = losses_of(split, cuts, silent)
    (row,) = place_rows(cuts, tokenizer, losses)
    assert row["as written"] == "␣ | g | i | r | l" and row["as encoded"] == "girl" and row["position"] == "20"
    measured = cut_loss(writer_of(split).model, cuts)
    assert float(row["written, nats"]) == pytest.approx(measured.written[20:25].sum(), abs=0.006)
    assert float(row["encoded, nats"]) == pytest.approx(measured.again[20], abs=0.006)
    before, after = measured.bits_per_byte()
    assert f"{before:.4f} bits per byte" in verdict(losses) and f"{after:.4f}" in verdict(losses)
    assert before > after and verdict(losses).split(": ")[1].startswith(f"{before - after:.4f} less")


def test_what_cannot_be_encoded_is_a_sentence_and_what_is_forgotten_is_made_anew(split):
    desk = desk_of(split)
    ids = split.token_ids.copy()
    ids[1] = compute.tokenizer(split.model_name).eos_id
    assert "begins with control tokens" in cuts_of(desk, desk.record, replace(split, token_ids=ids))
    desk.page_state(NextWordState).forget("r")
    assert isinstance(cuts_of(desk, desk.record, split), Reencoded)
    with pytest.raises(ValueError, match="other weights"):
        losses_of(replace(split, model_hash="0" * 64), cuts_of(desk, desk.record, split), silent)
