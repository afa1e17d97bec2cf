"""The alternatives of a step are those of a full sort, and each stage's own numbers, live or recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.next_word import stages
from app.next_word.payload import next_word_parts
from mistral_core.sampling import SamplingSettings, Stage, sampling_stages
from mistral_core.trace.compact import distil
from mistral_core.trace.trace import LOGITS, Trace
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
