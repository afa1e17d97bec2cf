"""The player's payload says exactly what the run says, and its script keeps its promises."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from app.shared import run_payload as pp
from mistral_core.config import MistralConfig
from mistral_core.sampling import SamplingSettings, Stage, sampling_stages
from mistral_core.trace.compact import distil
from mistral_core.trace.trace import LOGITS, PATTERN, Trace, layer_hook

ROOT = Path(__file__).resolve().parents[3]
N, VOCAB, LAYERS, HEADS = 23, 50, 3, 4


def make_trace(window: int | None = 5, n: int = N) -> Trace:
    """A run with made-up numbers: attention rows that sum to 1, logits from a fixed generator."""
    rng = np.random.default_rng(3)
    config = MistralConfig(
        dim=16,
        n_layers=LAYERS,
        n_heads=HEADS,
        n_kv_heads=2,
        head_dim=4,
        hidden_dim=8,
        vocab_size=VOCAB,
        norm_eps=1e-5,
        rope_theta=1e4,
        sliding_window=window,
    )
    arrays: dict[str, np.ndarray] = {}
    for layer in range(LAYERS):
        weights = rng.random((n, HEADS, window or n))
        for q in range(n):
            weights[q, :, q + 1 :] = 0
        arrays[layer_hook(layer, PATTERN)] = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
    arrays[LOGITS] = rng.normal(0, 3, (n, VOCAB)).astype(np.float32)
    ids = rng.integers(0, VOCAB, n)
    probability = np.full(n, np.nan)
    rank = np.full(n, -1)
    texts = tuple(["<script>", " wörd", "\n", "🙂", ""][i % 5] for i in range(n))
    return Trace(
        config=config,
        model_name="tiny",
        model_hash="abc",
        token_ids=ids,
        positions=np.arange(n),
        token_texts=texts,
        token_labels=texts,
        text="".join(texts),
        n_prompt=3,
        probability=probability,
        rank=rank,
        settings=asdict(SamplingSettings(temperature=0.7)),
        arrays=arrays,
    )


@dataclass
class FakeStage:
    name: str
    probs: np.ndarray


def stages_of(logits: np.ndarray, history: list[int]) -> list[FakeStage]:
    """The model, then only even ids: nothing that the real sampler does, so the packer cannot lean on it."""
    probs = np.exp(logits.astype(float) - logits.max())
    even = np.where(np.arange(len(probs)) % 2 == 0, probs, 0)
    return [FakeStage("model", probs / probs.sum()), FakeStage(f"even after {len(history)}", even / even.sum())]


def block(trace: Trace, start: int, stop: int) -> pp.StageBlock:
    return pp.stage_block(trace, stages_of, key="k", start=start, stop=stop, label_of=lambda i: f"w{i}")


def test_layout_is_what_the_docstring_says() -> None:
    payload = pp.pack_growth(make_trace(), run="r", start=4, stop=9)
    (length,) = struct.unpack_from("<I", payload)
    assert (4 + length) % 8 == 0
    header = json.loads(payload[4 : 4 + length].decode("utf-8"))
    assert (header["run"], header["from"], header["to"], header["total"]) == ("r", 4, 9, N)
    ends = []
    for spec in header["arrays"].values():
        assert spec["offset"] % 8 == 0 and spec["dtype"] in ("<f4", "<u2", "<i4")
        ends.append(spec["offset"] + int(np.prod(spec["shape"])) * int(spec["dtype"][-1]))
    assert 4 + length + max(ends) <= len(payload) < 4 + length + max(ends) + 8


@pytest.mark.parametrize(("start", "stop"), [(0, N), (7, 12), (N, N)])
def test_tokens_and_attention_survive(start: int, stop: int) -> None:
    trace = make_trace()
    header, arrays = pp.unpack(pp.pack_growth(trace, run="r", start=start, stop=stop))
    assert [token[0] for token in header["tokens"]] == list(trace.token_texts[start:stop])
    assert [token[2] for token in header["tokens"]] == trace.token_ids[start:stop].tolist()
    assert arrays["pattern"].shape == (stop - start, LAYERS, HEADS, 5)
    for layer in range(LAYERS):
        sent = arrays["pattern"][:, layer] / 65535
        assert np.abs(sent - trace.pattern(layer)[start:stop]).max(initial=0) <= 0.5001 / 65535


def test_overlapping_payloads_join_to_the_whole() -> None:
    trace = make_trace()
    whole = pp.unpack(pp.pack_growth(trace, run="r"))[1]["pattern"]
    first = pp.unpack(pp.pack_growth(trace, run="r", stop=10))[1]["pattern"]
    second = pp.unpack(pp.pack_growth(trace, run="r", start=6))[1]["pattern"]
    assert np.array_equal(np.concatenate([first, second[4:]]), whole)


def test_the_prefix_tells_texts_apart() -> None:
    trace = make_trace()
    value = 0
    for token in trace.token_ids[:9]:
        value = (value * 31 + int(token) + 1) % 2**32
    assert pp.unpack(pp.pack_growth(trace, run="r", start=9))[0]["prefix"] == value
    assert pp.unpack(pp.pack_growth(trace, run="r"))[0]["prefix"] == 0
    other = trace.token_ids[:9].copy()
    other[0] += 1
    assert pp.prefix_hash(other) != value


def test_alternatives_agree_with_a_full_sort() -> None:
    trace = make_trace()
    header, arrays = pp.unpack(pp.pack_growth(trace, run="r", start=N, stages=block(trace, 2, 8)))
    assert header["stages"] == {"key": "k", "from": 2, "to": 8, "names": ["model", "even after 8"]}
    for i, step in enumerate(range(2, 8)):
        expected = sorted(range(VOCAB), key=lambda v, s=step: (-trace.logits[s][v], v))[: pp.TOP_K]
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
    assert block(flat, 0, 1).ids[0].tolist() == list(range(pp.TOP_K))


def test_a_distilled_recording_says_the_same_without_logits(tmp_path: Path) -> None:
    trace = make_trace()
    small = distil(trace, lambda i: f"w{i}")

    def own_stages(logits: np.ndarray, history: list[int]) -> list[Stage]:
        return sampling_stages(logits, SamplingSettings(temperature=0.7), history)

    assert LOGITS not in small.arrays and any(line.startswith(LOGITS) for line in small.omitted)
    small.save(tmp_path / "small.safetensors")
    small = Trace.load(tmp_path / "small.safetensors")
    sent = pp.recorded_block(small, 3, 9)
    expected = pp.stage_block(trace, own_stages, key="k", start=3, stop=9, label_of=lambda i: f"w{i}")
    assert np.array_equal(sent.ids, expected.ids) and np.array_equal(sent.probs, expected.probs)
    assert np.array_equal(sent.kept, expected.kept) and sent.labels == expected.labels
    _, full = pp.unpack(pp.pack_growth(trace, run="r"))
    header, arrays = pp.unpack(pp.pack_growth(small, run="r", stages=sent))
    assert np.allclose(arrays["entropy"], full["entropy"], atol=1e-6)
    assert np.abs(arrays["pattern"].astype(int) - full["pattern"]).max() <= 65535 * 2**-11
    assert "top_labels" not in header["settings"]


def test_no_window_sends_as_wide_as_the_text_is() -> None:
    _, arrays = pp.unpack(pp.pack_growth(make_trace(window=None), run="r", start=2, stop=6))
    assert arrays["pattern"].shape == (4, LAYERS, HEADS, 6)


def test_too_much_attention_becomes_the_mean_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = make_trace()
    monkeypatch.setattr(pp, "PATTERN_BUDGET", LAYERS * 5 * 2)
    header, arrays = pp.unpack(pp.pack_growth(trace, run="r"))
    assert header["pattern"]["mean"] and "mean of the heads" in header["note"]
    np.testing.assert_allclose(arrays["pattern"][:, 1, 0] / 65535, trace.pattern(1).mean(1), atol=1 / 65535)
    monkeypatch.setattr(pp, "PATTERN_BUDGET", 3)
    header, arrays = pp.unpack(pp.pack_growth(trace, run="r"))
    assert header["pattern"] is None and "pattern" not in arrays and "too many" in header["note"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"start": 5, "stop": 3}, "tokens 5 to 3"),
        ({"stop": N + 1}, f"tokens 0 to {N + 1}"),
        ({"mode": "film"}, "'film'"),
        ({"status": "odd"}, "'odd'"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pp.pack_growth(make_trace(), run="r", **arguments)  # type: ignore[arg-type]


def test_a_recorded_run_of_330_tokens_fits_a_megabyte() -> None:
    trace = make_trace(window=16, n=330)
    scale = (8 * 8) / (LAYERS * HEADS)
    payload = pp.pack_growth(trace, run="r", stages=block(trace, 0, 330))
    pattern = pp.unpack(payload)[1]["pattern"].nbytes
    assert len(payload) - pattern + pattern * scale < 1_000_000
    assert len(pp.pack_growth(trace, run="r", start=330)) < 1500  # what a poll without news costs


def test_packing_needs_neither_torch_nor_streamlit() -> None:
    code = (
        "import sys; import app.shared.run_payload, app.theme; "
        "print([m for m in ('torch', 'streamlit', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_start_page_does_not_import_torch() -> None:
    code = (
        "import sys, logging; logging.disable(logging.CRITICAL); "
        "import runpy; runpy.run_path('pages/start.py'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "False"
