"""The arithmetic of the benchmarks, and that a tiny run of each gives what it promises. No speed is asserted."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from mistral_core.analysis import accounting
from mistral_core.model import random_model
from mistral_core.tokenizer import Tokenizer
from tests.bench import __main__ as bench
from tests.bench import classroom, decode, figure, fresh, growth, load, machine, ratios, streams, texts
from tests.bench.ratios import Block
from tests.conftest import TINY, TINY_STD
from tests.model.test_parity import theirs
from tests.model.writing import PROMPT, asked, written

ROOT = Path(__file__).resolve().parents[2]


def blocks(*walls: float) -> list[Block]:
    return [Block(wall, wall / 2, (wall / 4,), (7,)) for wall in walls]


# --- arithmetic


@pytest.fixture
def clock(monkeypatch):
    """Hands of its own: `pass_by(wall, cpu)` in seconds; no real time is measured."""
    now = {"wall": 100.0, "cpu": 7.0}
    monkeypatch.setattr(ratios.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(ratios.time, "thread_time", lambda: now["cpu"])

    def pass_by(wall: float, cpu: float) -> None:
        now["wall"] += wall
        now["cpu"] += cpu

    return pass_by


def test_a_block_is_timed_per_token_and_by_three_clocks(clock):
    """One token is interrupted for 60 ms: seen by the wall, not by the thread, not by the median."""
    tokens = iter([(5, 0.002), (6, 0.062), (7, 0.001), (8, 0.003), (9, 0.002)])

    def step() -> int:
        token, wall = next(tokens)
        clock(wall, 0.001)
        return token

    block = ratios.write_block(step, 5)
    assert block.tokens == (5, 6, 7, 8, 9)
    assert (block.wall, block.cpu, block.median_step) == pytest.approx((14, 1, 2))
    with pytest.raises(ValueError, match="length is 0"):
        ratios.write_block(step, 0)


def test_the_turns_are_fair():
    names = ["a", "b", "c"]
    orders = [ratios.order(names, turn) for turn in range(6)]
    assert all(sorted(found) == names for found in orders)
    assert sorted(found[0] for found in orders) == ["a", "a", "b", "b", "c", "c"]
    before = {name: {found[found.index(name) - 1] for found in orders if found[0] != name} for name in names}
    assert all(len(others) == 2 for others in before.values())


def test_contestants_write_in_turn():
    log = []

    def step(name):
        return lambda: log.append(name) or len(log)

    found = ratios.in_turn({"a": step("a"), "b": step("b")}, rounds=2, length=2)
    assert "".join(log) == "aabb" + "bbaa"
    assert ratios.written(found["a"]) == [1, 2, 7, 8]
    log.clear()
    found = ratios.in_turn({"a": step("a"), "b": step("b")}, rounds=1, length=4, slices=2)
    assert "".join(log) == "aabbbbaa"
    assert (found["a"][0].tokens, len(found["a"][0].steps)) == ((1, 2, 7, 8), 4)
    with pytest.raises(ValueError, match="no 3 equal slices"):
        ratios.in_turn({"a": step("a")}, rounds=1, length=4, slices=3)


def test_slices_are_joined_per_token():
    block = ratios.joined([Block(2, 1, (1.0, 3.0), (4, 5)), Block(10, 2, (9.0, 11.0), (6, 7))])
    assert (block.wall, block.cpu, block.median_step, block.tokens) == (6, 1.5, 6, (4, 5, 6, 7))


def test_ratios_are_taken_round_by_round():
    """2/1 and 30/10 and 1/1: the ratio of the medians would be 2, as would be that of no round in the mean."""
    found = ratios.compare(blocks(2, 30, 1), blocks(1, 10, 1))
    assert found["wall"] == {"median": 2, "min": 1, "p10": 1.2, "p90": 2.8, "max": 3, "n": 3}
    assert found["cpu"]["median"] == 2
    with pytest.raises(ValueError, match="2 rounds stand against 3"):
        ratios.compare(blocks(1, 2), blocks(1, 2, 3))


def test_spread_agrees_with_the_standard_library():
    values = [3.0, 1.0, 10.0, 2.0, 5.0, 8.0, 13.0]
    found = ratios.spread(values)
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    assert (found["median"], found["min"], found["max"], found["n"]) == (5, 1, 13, 7)
    assert (found["p10"], found["p90"]) == pytest.approx((tenths[0], tenths[-1]))
    with pytest.raises(ValueError, match="at least one"):
        ratios.spread([])


@pytest.mark.parametrize(("b", "equal", "first"), [([1, 2, 3], True, None), ([1, 9, 3], False, 1), ([1, 2], False, 2)])
def test_agreement_says_where_texts_part(b, equal, first):
    assert ratios.agreement([1, 2, 3], b) == {"equal": equal, "compared": len(b), "first_difference": first}


def seen(at: float, count: int, shown: float | None = None) -> dict:
    return {"at": at, "count": count, "status": "running", "shown": shown}


def test_streaming_counts_what_was_seen():
    series = [seen(100, 10), seen(200, 12, 40.0), seen(600, 30, 60.0), seen(650, 30, 60.0)]
    found = streams.streaming(series, clicked=50, n_prompt=10, sizes=[1000, 200, 100])
    assert found["tokens_per_second"] == 40  # 20 tokens in the half second from 100 to 600
    assert found["new_tokens"] == 20
    assert found["click_to_first_new_token_ms"] == 150
    assert found["click_to_end_ms"] == 600
    assert found["longest_standstill_ms"] == 400
    assert found["tokens_per_second_on_screen"]["median"] == 60
    assert (found["bytes_per_token"], found["bytes_per_token_without_largest_message"]) == (65, 15)
    with pytest.raises(ValueError, match="at 1 lengths"):
        streams.rate([seen(0, 3), seen(9, 3)])


def test_latencies_have_a_tail():
    found = streams.latencies([*[10.0] * 18, 50.0, 90.0])
    assert found == {"median_ms": 10, "p95_ms": 52, "min_ms": 10, "max_ms": 90, "n": 20}
    with pytest.raises(ValueError, match="at least one"):
        streams.latencies([])


def test_load_ratios_are_against_the_weights():
    def run(seconds, peak):
        return {
            "seconds_wall": seconds,
            "seconds_cpu": seconds,
            "before_bytes": 50,
            "peak_bytes": 50 + peak,
            "peak_over_before_bytes": peak,
            "weights_bytes": 100,
            "peak_was_reset": True,
        }

    memory = [run(1, 110), run(1, 130)]
    found = load.summary({"first": [run(2, 150)] * 2, "memory": memory, "huggingface": [run(6, 250)] * 2})
    assert found["peak_over_bare_process_per_weights"]["median"] == 1.2
    assert found["aim_met"] is False, "the worst of them counts"
    assert found["seconds_huggingface_over_ours"]["seconds_wall"]["median"] == 3


# --- the command


def test_sections_are_chosen_by_name():
    assert bench.chosen("load, decode") == ["decode", "load"]
    with pytest.raises(argparse.ArgumentTypeError, match="speed"):
        bench.chosen("decode,speed")


def test_the_headline_names_only_what_was_measured():
    result = {"load": {"first": {"seconds_wall": {"median": 0.5}}}, "decode": {"error": "no model"}}
    assert bench.headline(result) == {"load_seconds": 0.5}
    assert bench.failures(result) == ["no model"]
    assert bench.failures({"browser": {"next_word": {"branch": {"failed": "no row"}}}}) == ["no row"]


def test_a_fresh_process_answers_or_says_why():
    found = fresh.call("tests.bench.machine", "describe")
    assert found == machine.describe()
    with pytest.raises(RuntimeError, match="no_such"):
        fresh.call("tests.bench.machine", "no_such")


@pytest.mark.skipif(not machine._STATUS.exists(), reason="memory is read from /proc")
def test_a_peak_that_is_gone_again_is_seen():
    """In a process of its own: what other tests left behind may be given back at any moment."""
    code = """
import json
import numpy as np
from tests.bench import machine
machine.observed(lambda: np.ones(40 * 2**20, np.uint8).sum())  # the second time shows that the peak starts anew
print(json.dumps(machine.observed(lambda: np.ones(80 * 2**20, np.uint8).sum())[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if found["peak_was_reset"]:
        assert 70 * 2**20 < found["peak_over_before_bytes"] < 100 * 2**20
        assert found["after_bytes"] < found["peak_bytes"] - 60 * 2**20


# --- tiny runs


def test_the_endless_tokenizer_never_ends_a_text(tiny_model, tokenizer):
    endless = texts.Endless(tokenizer)
    assert isinstance(endless, Tokenizer)
    assert endless.encode("abc") == tokenizer.encode("abc")
    request = asked(4, forced=((8, tokenizer.eos_id),))
    assert written(tiny_model, tokenizer, request).finish_reason == "eos"
    assert written(tiny_model, endless, request).finish_reason == "length"


def test_tiny_decoding(tiny_model, tokenizer):
    other = theirs(tiny_model)
    found = decode.contest(tiny_model, tokenizer, other, PROMPT, rounds=2, length=6, theirs_eager=other)
    assert {"ratio_recorded", "ratio_unrecorded", "recording_overhead", "aim_met", "ids_equal"} <= found.keys()
    assert found["ratio_recorded"].keys() == set(ratios.CLOCKS)
    assert found["ids_equal"].keys() == {
        "ours_recorded",
        "ours_unrecorded",
        "ours_plain_recorded",
        "huggingface_eager_attentions",
    }
    compared = decode.WARM_UP + 12
    same = {"equal": True, "compared": compared, "first_difference": None}
    assert all(text == same for text in found["ids_equal"].values())
    assert found["distinct_tokens"] > 1


def test_decoding_notices_another_model(tiny_model, tokenizer):
    other = theirs(random_model(TINY, seed=12, std=TINY_STD))
    found = decode.contest(tiny_model, tokenizer, other, PROMPT, rounds=1, length=6)
    assert found["ids_equal"]["ours_recorded"]["equal"] is False
    logits = decode.logits_agree(tiny_model, tokenizer, other, PROMPT, 6)
    assert logits["max_abs_difference"] > 0.1
    logits = decode.logits_agree(tiny_model, tokenizer, theirs(tiny_model), PROMPT, 20)
    assert logits["max_abs_difference"] < 1e-4 * logits["largest_logit"]
    assert (logits["steps"], logits["likeliest_differs"]) == (21, 0)


def test_tiny_growth(tiny_model, tokenizer):
    found = growth.compare_ages(tiny_model, tokenizer, PROMPT, near=10, far=60, rounds=4, length=3)
    assert found["flatness"]["wall"]["n"] == 4
    assert [point["new_tokens"] for point in found["curve"]][-1] == 54
    near, far = found["memory_near"], found["memory_far"]
    assert (near["new_tokens"], far["new_tokens"]) == (16, 54)
    assert near["weights_bytes"] == accounting.weight_bytes(TINY, 4)
    assert near["ring_bytes"] == far["ring_bytes"] == TINY.n_layers * 5 * (2 * TINY.n_kv_heads * TINY.head_dim * 4 + 8)
    with pytest.raises(ValueError, match="overlap"):
        growth.compare_ages(tiny_model, tokenizer, PROMPT, near=10, far=14, rounds=4, length=3)


def test_weights_that_share_memory_count_once(tiny_model):
    model = random_model(TINY, seed=1)
    before = texts.weight_bytes(model)
    model.register_buffer("copy", model.output.weight.clone())
    model.register_buffer("view", model.output.weight[:3])
    assert texts.weight_bytes(model) == before + model.output.weight.nbytes


def test_a_tiny_class():
    found = classroom.classroom(3, 4)
    assert not found["problems"] and found["tokens_per_second"] > 0 and found["of_each"] > 0
    assert 0 < found["first_token"]["median_ms"] <= found["first_token"]["p95_ms"]
    assert classroom.looked_at(2, 4) > 0


def test_the_figure_in_the_documents_is_drawn_from_its_numbers():
    found = json.loads((figure.DOCS / "classroom.json").read_text(encoding="utf-8"))
    drawn = figure.draw(found)
    assert (figure.DOCS / "classroom.svg").read_text(encoding="utf-8") == drawn
    said = (figure.DOCS / "classroom.md").read_text(encoding="utf-8")
    for speeds in found["tokens_per_second"].values():
        assert "| " + " | ".join(f"{speed:,}" for speed in speeds.values()) + " |" in said
