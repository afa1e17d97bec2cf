"""The alternatives of a step are those of a full sort, and each stage's own numbers, live or recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from app.next_word import sending, stages
from app.next_word.payload import next_word_parts
from app.next_word.sending import next_word_payload
from app.session.desk import Desk
from app.session.runs import Record, RunSpec
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import MODELS_VARIABLE, bundled_root
from mistral_core.generation import ModelCard, Run
from mistral_core.sampling import SamplingSettings, Stage, sampling_stages
from mistral_core.trace.compact import distil
from mistral_core.trace.trace import LOGITS, RecordingPlan, Trace
from mistral_core.unsaid import unsaid_of
from tests.ui.runs import VOCAB, N, arrived, make_trace


@dataclass
class FakeStage:
    name: str
    probs: np.ndarray


def stages_of(logits: np.ndarray, history: list[int]) -> list[FakeStage]:
    """The model, then only even ids: nothing that the real sampler does, so the packer cannot lean on it."""
    probs = np.exp(logits.astype(float) - logits.max())
    even = np.where(np.arange(len(probs)) % 2 == 0, probs, 0)
    return [FakeStage("model", probs / probs.sum()), FakeStage(f"even after {len(history)}", even / even.sum())]


def block(trace: Trace, start: int, stop: int) -> stages.StageBlock:
    return stages.stage_block(trace, stages_of, key="k", start=start, stop=stop, label_of=lambda i: f"w{i}")


def test_alternatives_agree_with_a_full_sort() -> None:
    trace = make_trace()
    header, arrays = arrived(next_word_parts(trace, run="r", start=N, stages=block(trace, 2, 8)))
    assert header["stages"] == {"key": "k", "from": 2, "to": 8, "names": ["model", "even after 8"]}
    for i, step in enumerate(range(2, 8)):
        expected = sorted(range(VOCAB), key=lambda v, s=step: (-trace.logits[s][v], v))[: stages.TOP_K]
        assert arrays["alt_ids"][i].tolist() == expected
        model, even = stages_of(trace.logits[step], list(range(step + 1)))
        np.testing.assert_allclose(arrays["stage_probs"][i, 0], model.probs[expected], rtol=1e-6)
        np.testing.assert_allclose(arrays["stage_probs"][i, 1], even.probs[expected], rtol=1e-6)
        assert arrays["stage_kept"][i].tolist() == [VOCAB, VOCAB // 2]
        assert all(header["labels"][str(v)] == f"w{v}" for v in expected)


def test_ties_put_the_lower_id_first() -> None:
    trace = make_trace(n=2)
    flat = Trace(
        **{
            **{f: getattr(trace, f) for f in trace.__dataclass_fields__},
            "arrays": {**trace.arrays, LOGITS: np.zeros((2, VOCAB), np.float32)},
        }
    )
    assert block(flat, 0, 1).ids[0].tolist() == list(range(stages.TOP_K))


def test_a_distilled_recording_says_the_same_without_logits(tmp_path: Path) -> None:
    trace = make_trace()
    small = distil(trace, lambda i: f"w{i}")

    def own_stages(logits: np.ndarray, history: list[int]) -> list[Stage]:
        return sampling_stages(logits, SamplingSettings(temperature=0.7), history)

    assert LOGITS not in small.arrays and any(line.startswith(LOGITS) for line in small.omitted)
    small.save(tmp_path / "small.safetensors")
    small = Trace.load(tmp_path / "small.safetensors")
    sent = stages.recorded_block(small, 3, 9)
    expected = stages.stage_block(trace, own_stages, key="k", start=3, stop=9, label_of=lambda i: f"w{i}")
    assert np.array_equal(sent.ids, expected.ids) and np.array_equal(sent.probs, expected.probs)
    assert np.array_equal(sent.survivors, expected.survivors) and sent.labels == expected.labels
    _, full = arrived(next_word_parts(trace, run="r"))
    header, arrays = arrived(next_word_parts(small, run="r", stages=sent))
    assert np.allclose(arrays["entropy"], full["entropy"], atol=1e-6)
    assert np.abs(arrays["pattern"].astype(int) - full["pattern"]).max() <= 65535 * 2**-11
    assert "top_labels" not in header["settings"]


def test_the_page_names_the_stage_that_leaves_words_unsaid_where_the_run_had_it() -> None:
    """A run of the application, after the prompt at which the bundled model wrote a word of the list."""
    loaded = load_model(bundled_root() / "storyteller")
    spec = RunSpec(model="storyteller", text="Mein Name ist", new_tokens=60)
    request = spec.request(tuple(loaded.tokenizer.encode(spec.text)))
    assert request.unsaid
    card = ModelCard(loaded.name, loaded.model_hash)
    for on in (True, False):
        wanted = replace(request, unsaid=on)
        run = Run(loaded.model, loaded.tokenizer, wanted, plan=RecordingPlan(hooks=(LOGITS,)), card=card)
        trace = run.complete().trace()
        desk = Desk()
        desk.add(Record(name="r", label="r", trace=trace))
        header, arrays = arrived(next_word_payload(desk).parts)
        assert ("unsaid" in header["stages"]["names"]) is on
        if not on:
            continue
        assert header["stages"]["names"][-2:] == ["min-p", "unsaid"]
        held = unsaid_of(loaded.tokenizer).held_back
        taken = [set(held(trace.token_ids[: t + 1]).tolist()) for t in range(len(trace))]
        kept = arrays["stage_kept"]
        assert (kept[:, -2] > kept[:, -1]).sum() >= 1
        for t in range(len(trace)):
            cut = np.isin(arrays["alt_ids"][t], list(taken[t]))
            assert (arrays["stage_probs"][t, -1][cut] == 0).all()
            if kept[t, -2] == kept[t, -1]:
                assert np.array_equal(arrays["stage_probs"][t, -1], arrays["stage_probs"][t, -2])
            else:
                assert taken[t]


def test_what_a_visitor_brings_says_what_it_says(tmp_path: Path, monkeypatch) -> None:
    """A model in a folder of one's own, even of the same files, is asked for no stage."""
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "config.json").write_bytes((bundled_root() / "storyteller" / "config.json").read_bytes())
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    assert not RunSpec(model="copied", text="a").request((1, 5)).unsaid
    assert all(
        RunSpec(model=name, text="a").request((1, 5)).unsaid for name in ("storyteller", "relay", "full-attention")
    )
    with pytest.raises(ValueError, match="no model 'other'"):
        RunSpec(model="other", text="a").request((1, 5))


def same(one: stages.StageBlock, other: stages.StageBlock) -> None:
    assert (one.start, one.stop, one.labels) == (other.start, other.stop, other.labels)
    for name in ("ids", "probs", "survivors"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_block_that_grows_and_loses_its_beginning_is_the_one_that_is_made_at_once() -> None:
    trace = make_trace()
    same(block(trace, 2, 6).followed_by(block(trace, 6, 9)), block(trace, 2, 9))
    same(block(trace, 2, 9).since(5), block(trace, 5, 9))
    same(block(trace, 2, 9).since(2), block(trace, 2, 9))


def test_alternatives_that_were_sent_are_not_computed_again(monkeypatch) -> None:
    trace, desk, asked = make_trace(), Desk(), []

    def made(trace, stages_of, *, start, stop, **more):
        asked.append((start, stop))
        return stages.stage_block(trace, stages_of, start=start, stop=stop, **more)

    monkeypatch.setattr(sending, "stage_block", made)

    def grown(known, start, stop):
        return sending._grown(desk, trace, known, "k", start, stop)

    first = grown(None, 0, 5)
    second = grown(first, 0, 8)
    third = grown(second, 4, 8)
    grown(third, 2, 8)  # the browser has lost some
    assert asked == [(0, 5), (5, 8), (2, 8)]
    same(second, sending._block(desk, trace, "k", 0, 8))
    same(third, sending._block(desk, trace, "k", 4, 8))
