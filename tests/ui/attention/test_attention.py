"""The attention page: its cells against q and k, its derived maps by brute force, its search against cut edges."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import compute
from app.attention import scores
from app.attention.finding import cancel, find, finding
from app.attention.payload import SCORES, attention_parts, derive
from app.attention.scores import read_scores
from app.attention.sending import attention_payload, busy
from app.attention.state import AttentionState
from app.navigation import ROOT
from app.session import state
from app.session.desk import Desk
from app.session.runs import Record
from mistral_core.analysis.heads import MEASURES
from mistral_core.generation import Run
from mistral_core.hooks import Capture, watching
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import PATTERN, RecordingPlan, Trace, layer_hook
from tests.ui.runs import arrived, make_trace

STEP = 1 / 65535


@pytest.fixture(scope="module")
def written(tiny_model, tokenizer) -> Trace:
    """A generated run: prompt in chunks, then token by token through the ring; over five windows long."""
    request = GenerationRequest(
        prompt_ids=(1, 70, 80, 90, 70, 80, 91),
        max_new_tokens=24,
        sampling=SamplingSettings(temperature=1.0),
        chunk_size=3,
    )
    run = Run(tiny_model, tokenizer, request, plan=RecordingPlan(hooks=(PATTERN, SCORES)))
    for _ in run.prefill():
        pass
    while not run.finish_reason:
        run.step()
    return run.trace()


def dense(model, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and weights `[L, H, T, T]` from the q and k (before rotation) of one pass without any ring, by loops."""
    config = model.config
    names = [layer_hook(layer, f"attention.hook_{kind}") for layer in range(config.n_layers) for kind in "qk"]
    capture = Capture(names)
    with watching(capture), torch.inference_mode():
        model(torch.tensor([ids]))
    n, half = len(ids), config.head_dim // 2
    scores = np.full((config.n_layers, config.n_heads, n, n), -np.inf)
    angle = np.arange(n)[:, None] * config.rope_theta ** (-2 * np.arange(half) / config.head_dim)
    turn = np.cos(angle) + 1j * np.sin(angle)
    for layer in range(config.n_layers):
        q, k = (capture.values[layer_hook(layer, f"attention.hook_{kind}")][0][0].double().numpy() for kind in "qk")
        q, k = (x[..., 0::2] + 1j * x[..., 1::2] for x in (q, k))
        for head in range(config.n_heads):
            mine = q[:, head] * turn
            theirs = k[:, head // (config.n_heads // config.n_kv_heads)] * turn
            for query in range(n):
                for key in range(max(0, query - config.windows[layer] + 1), query + 1):
                    dot = (mine[query] * theirs[key].conj()).real.sum()
                    scores[layer, head, query, key] = dot / np.sqrt(config.head_dim)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return scores, weights / weights.sum(-1, keepdims=True)


def test_every_cell_of_the_picture_equals_a_recomputation_from_q_and_k(tiny_model, written):
    """Generated tokens included: the ring wrote them one by one, the brute force sees the text at once."""
    ids = [int(token) for token in written.token_ids]
    assert len(ids) > 5 * tiny_model.config.windows[0]
    parts = attention_parts(written, run="r", extras=derive(written, "k"), finding={"state": "idle", "text": ""})
    header, arrays = arrived(parts)
    scores, weights = dense(tiny_model, ids)
    shown = arrays["pattern"]
    assert shown.shape == (len(ids), 3, 6, 5) and header["pattern"]["heads"] == 6
    for query in range(len(ids)):
        for offset in range(5):
            key = query - offset
            expected = weights[:, :, query, key] if key >= 0 else np.zeros((3, 6))
            assert np.abs(shown[query, :, :, offset] * STEP - expected).max() < 2 * STEP, (query, offset)
            if key >= 0:
                assert np.abs(arrays["scores"][query, :, :, offset] - scores[:, :, query, key]).max() < 1e-4
    assert shown[:, 0].std() > 1000  # the model has something to say


def test_maps_across_the_layers_equal_products_of_square_matrices(written):
    extras = derive(written, "k")
    n = len(written)
    layers = np.zeros((3, 6, n, n))
    for layer in range(3):
        for query in range(n):
            for offset in range(min(5, query + 1)):
                layers[layer, :, query, query - offset] = written.pattern(layer)[query, :, offset]
    rolled = np.eye(n)
    for layer in range(3):
        rolled = (0.5 * layers[layer].mean(0) + 0.5 * np.eye(n)) @ rolled
    for name, expected in (("mean", layers.mean((0, 1))), ("max", layers.max((0, 1))), ("rollout", rolled)):
        band = extras.arrays[name] * STEP
        square = np.zeros((n, n))
        for query in range(n):
            for offset in range(min(band.shape[1], query + 1)):
                square[query, query - offset] = band[query, offset]
        assert np.abs(square - expected).max() <= STEP, name
    assert extras.arrays["rollout"].shape[1] == 3 * 4 + 1  # the exact reach and the token itself


def test_without_position_0_the_other_weights_keep_their_ratios(written):
    hidden = derive(written, "k").arrays["without_first"] * STEP
    for query in range(5):
        row = written.pattern(1)[query, 2].astype(float).copy()
        row[query] = 0
        expected = row / row.sum() if query else row
        assert np.abs(hidden[query, 1, 2] - expected).max() <= STEP
    assert len(hidden) == 5  # later queries cannot see it


def test_the_numbers_of_a_head_stand_where_the_table_looks_for_them(written):
    extras = derive(written, "k")
    assert (
        extras.header["measures"]
        == list(MEASURES)
        == re.findall(r"^  (\w+): \[", (ROOT / "app" / "attention" / "table.js").read_text(), re.MULTILINE)
    )
    weights = written.pattern(2)[:, 4].astype(float)
    assert extras.arrays["measures"][0, 2, 4] == pytest.approx((weights * np.arange(5)).sum(1).mean(), rel=1e-5)
    assert extras.arrays["measures"][4, 2, 4] == pytest.approx(weights[1:, 1].mean(), rel=1e-5)


def test_a_run_without_attention_is_a_sentence_not_an_error():
    bare = dataclasses.replace(make_trace(), arrays={})
    extras = derive(bare, "k")
    assert not extras.arrays and "not recorded" in extras.header["notes"][0]
    header, arrays = arrived(attention_parts(bare, run="r", extras=extras, finding={"state": "idle", "text": ""}))
    assert header["pattern"] is None and "pattern" not in arrays and "not recorded" in header["note"]


def test_only_what_the_browser_lacks_is_sent(tiny_model):
    desk = Desk()
    desk.add(Record(name="r", label="r", trace=make_trace()))
    header, _ = arrived(attention_payload(desk).parts)
    key = header["extras"]["key"]
    assert (header["from"], header["to"]) == (0, 23) and key.endswith("/23")
    delivery = desk.page_state(AttentionState).delivery
    delivery.acknowledge({"run": "r", "to": 23, "parts": {"extras": (key, 1)}, "n": 1})
    header, arrays = arrived(attention_payload(desk).parts)
    assert header["from"] == 23 and header["extras"] is None and "measures" not in arrays
    delivery.send_again({"run": "r", "from": 7, "n": 2})
    header, _ = arrived(attention_payload(desk).parts)
    assert header["from"] == 7 and header["extras"] is None


def test_a_foreign_run_says_why_no_key_can_be_taken_away():
    desk = Desk()
    desk.add(Record(name="r", label="r", trace=make_trace()))
    finding = attention_payload(desk).parts.header["finding"]
    assert finding["state"] == "impossible" and "tiny" in finding["text"]


def test_the_disagreement_shows_measured_numbers():
    """Both numbers of both edges against a pass over the whole text in which that one edge is missing."""
    from mistral_core.analysis.reach import CutEdges, cut_edge

    desk = Desk()
    trace = compute.recording().truncated(64)
    desk.add(Record(name="r", label="r", trace=trace))
    find(desk, {"run": "r", "n": 1})
    assert busy(desk)
    page = desk.page_state(AttentionState)
    next(iter(page.searches)).task.join(60)
    found = finding(page.searches, desk.record, trace)
    assert found["state"] == "done" and len(found["edges"]) == 2 and not found["more"], found
    model = compute.engine().model(trace.model_name).model
    mean = derive(trace, "k").arrays["mean"] * STEP
    tokens = torch.tensor([trace.token_ids.tolist()])
    for edge in found["edges"]:
        cut = CutEdges(model.config, len(trace), [cut_edge(edge["key"], edge["query"])])
        with torch.inference_mode():
            whole = model(tokens)[0, edge["query"]].double().log_softmax(-1)
            with watching(cut):
                less = model(tokens)[0, edge["query"]].double().log_softmax(-1)
        kl = float((whole.exp() * (whole - less)).sum())
        assert edge["kl"] == pytest.approx(kl, rel=2e-3, abs=1e-5)
        assert edge["attention"] == pytest.approx(mean[edge["query"], edge["query"] - edge["key"]], abs=2e-3)
    watched, decisive = found["edges"]
    assert watched["query"] == decisive["query"], "two keys of one token, where one has such a pair"
    assert watched["attention"] > decisive["attention"] and watched["kl"] < 0.01 < 0.1 < decisive["kl"]


def test_a_search_can_be_cancelled_and_leaves_a_sentence():
    desk = Desk()
    desk.add(Record(name="r", label="r", trace=compute.recording()))
    find(desk, {"run": "r", "n": 1})
    cancel(desk, {"run": "r", "n": 2})
    page = desk.page_state(AttentionState)
    next(iter(page.searches)).task.join(60)
    found = finding(page.searches, desk.record, compute.recording())
    assert found["state"] == "failed" and found["text"] == "Cancelled."


def test_scores_that_are_too_many_are_a_note(monkeypatch):
    monkeypatch.setattr(scores, "BAND_BUDGET", 1000)
    desk = Desk()
    desk.add(Record(name="r", label="r", trace=compute.recording().truncated(20)))
    read_scores(desk, {"run": "r", "n": 1})
    next(iter(desk.page_state(AttentionState).scores)).task.join(60)
    header, arrays = arrived(attention_payload(desk).parts)
    extras = header["extras"]
    assert "scores" not in arrays and "20 tokens" in extras["notes"][0] and extras["key"].endswith("/failed")


def test_other_weights_under_the_same_name_are_refused():
    desk = Desk()
    trace = dataclasses.replace(compute.recording().truncated(20), model_hash="0" * 64)
    desk.add(Record(name="r", label="r", trace=trace))
    find(desk, {"run": "r", "n": 1})
    page = desk.page_state(AttentionState)
    next(iter(page.searches)).task.join(60)
    found = finding(page.searches, desk.record, trace)
    assert found["state"] == "failed" and "other weights" in found["text"]


def opened(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(str(ROOT / "pages" / "attention.py")).run()
    assert not at.exception, at.exception
    return at


def test_the_page_opens_and_a_bad_address_is_a_sentence():
    at = opened()
    assert at.title[0].value.startswith("Attention")
    assert at.session_state[state.DESK].record.name == "recorded"
    bad = opened(text="Once", seed="many")
    assert any("seed=many" in warning.value for warning in bad.warning)


def test_scores_read_again_give_the_weights_of_the_run():
    """softmax(scores) = weights, so the second pass saw what the run saw."""
    desk = Desk()
    trace = compute.recording().truncated(40)
    desk.add(Record(name="r", label="r", trace=trace))
    before, arrays = arrived(attention_payload(desk).parts)
    assert "scores" not in arrays
    read_scores(desk, {"run": "r", "n": 1})
    (work,) = desk.page_state(AttentionState).scores
    work.task.join(60)
    assert not work.error
    after, arrays = arrived(attention_payload(desk).parts)
    assert after["extras"]["key"] != before["extras"]["key"]
    read = arrays["scores"].astype(float)
    weights = np.exp(read - read.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    for layer in range(trace.config.n_layers):
        assert np.abs(weights[:, layer] - trace.pattern(layer)).max() < 1e-3  # the recording is float16
