"""What all pictures get of a run is exactly what the run says."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.attention.payload import derive
from app.next_word.payload import next_word_parts
from app.shared import run_payload
from app.wire import Parts, pack
from tests.ui.next_word.test_stages import block
from tests.ui.runs import HEADS, LAYERS, N, arrived, make_trace

ROOT = Path(__file__).resolve().parents[3]


def parts(*run: Any, **said: Any) -> Parts:
    return run_payload.run_parts(*run, **{"picture": "next_word", **said})


def test_layout_is_what_the_docstring_says() -> None:
    payload = pack(parts(make_trace(), run="r", start=4, stop=9))
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
    header, arrays = arrived(parts(trace, run="r", start=start, stop=stop))
    assert [token[0] for token in header["tokens"]] == list(trace.token_texts[start:stop])
    assert [token[2] for token in header["tokens"]] == trace.token_ids[start:stop].tolist()
    assert arrays["pattern"].shape == (stop - start, LAYERS, HEADS, 5)
    for layer in range(LAYERS):
        sent = arrays["pattern"][:, layer] / 65535
        assert np.abs(sent - trace.pattern(layer)[start:stop]).max(initial=0) <= 0.5001 / 65535


def test_overlapping_payloads_join_to_the_whole() -> None:
    trace = make_trace()
    whole = arrived(parts(trace, run="r"))[1]["pattern"]
    first = arrived(parts(trace, run="r", stop=10))[1]["pattern"]
    second = arrived(parts(trace, run="r", start=6))[1]["pattern"]
    assert np.array_equal(np.concatenate([first, second[4:]]), whole)


def test_the_prefix_tells_texts_apart() -> None:
    trace = make_trace()
    value = 0
    for token in trace.token_ids[:9]:
        value = (value * 31 + int(token) + 1) % 2**32
    assert arrived(parts(trace, run="r", start=9))[0]["prefix"] == value
    assert arrived(parts(trace, run="r"))[0]["prefix"] == 0
    other = trace.token_ids[:9].copy()
    other[0] += 1
    assert run_payload.prefix_hash(other) != value


def test_no_window_sends_as_wide_as_the_text_is() -> None:
    _, arrays = arrived(parts(make_trace(window=None), run="r", start=2, stop=6))
    assert arrays["pattern"].shape == (4, LAYERS, HEADS, 6)


def test_too_much_attention_becomes_the_mean_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = make_trace()
    monkeypatch.setattr(run_payload, "PATTERN_BUDGET", LAYERS * 5 * 2)
    header, arrays = arrived(parts(trace, run="r"))
    assert header["pattern"]["mean"] and "mean of the heads" in header["note"]
    np.testing.assert_allclose(arrays["pattern"][:, 1, 0] / 65535, trace.pattern(1).mean(1), atol=1 / 65535)
    monkeypatch.setattr(run_payload, "PATTERN_BUDGET", 3)
    header, arrays = arrived(parts(trace, run="r"))
    assert header["pattern"] is None and "pattern" not in arrays and "too many" in header["note"]


def test_attention_that_was_kept_of_some_layers_is_sent_with_what_is_missing() -> None:
    trace = make_trace()
    arrays = {name: array for name, array in trace.arrays.items() if name != "layers.1.attention.hook_pattern"}
    some = replace(trace, arrays=arrays)
    header, sent = arrived(parts(some, run="r"))
    assert header["pattern"]["missing"] == [1] and not header["pattern"]["mean"]
    assert "attention was kept of layers 1, 3 alone" in header["note"]
    assert not sent["pattern"][:, 1].any() and sent["pattern"].shape[1] == LAYERS
    whole = arrived(parts(trace, run="r"))[1]["pattern"]
    assert np.array_equal(sent["pattern"][:, [0, 2]], whole[:, [0, 2]])
    assert derive(some, "k").header["notes"] == [
        "numbers of the heads need the attention of all layers, which was not kept"
    ]
    none = {name: array for name, array in arrays.items() if "pattern" not in name}
    header, sent = arrived(parts(replace(trace, arrays=none), run="r"))
    assert header["pattern"] is None and header["note"] == "attention was not recorded in this run"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"start": 5, "stop": 3}, "tokens 5 to 3"),
        ({"stop": N + 1}, f"tokens 0 to {N + 1}"),
        ({"picture": "film"}, "'film'"),
        ({"status": "odd"}, "'odd'"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parts(make_trace(), run="r", **arguments)  # type: ignore[arg-type]


def test_a_recorded_run_of_330_tokens_fits_a_megabyte() -> None:
    trace = make_trace(window=16, n=330)
    scale = (8 * 8) / (LAYERS * HEADS)
    whole = next_word_parts(trace, run="r", stages=block(trace, 0, 330))
    payload, pattern = pack(whole), whole.arrays["pattern"].nbytes
    assert len(payload) - pattern + pattern * scale < 1_000_000
    assert len(pack(next_word_parts(trace, run="r", start=330))) < 1500  # what a poll without news costs


def test_packing_needs_neither_torch_nor_streamlit() -> None:
    code = (
        "import sys; import app.shared.run_payload, app.theme; "
        "print([m for m in ('torch', 'streamlit', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
