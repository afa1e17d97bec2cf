"""What a person is told: settings, the machine's choice, the loss curve."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch

from mistral_core.model import random_model
from mistral_core.training import hardware
from mistral_core.training.curve import loss_curve
from mistral_core.training.expectation import EXPECTATIONS, expectation
from mistral_core.training.network import TrainingNetwork
from mistral_core.training.settings import Settings, parse_count, parse_phase
from tests.conftest import TINY


def test_settings_survive_json_and_name_what_is_not_default():
    settings = Settings(dim=64, phases=((0, (("a", 1.0),)), (500, ())), schedule=((10, 1.0), (20, 0.5)), window=None)
    assert Settings.from_json(settings.to_json()) == settings
    import json

    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert settings.not_default() == {
        "dim": 64,
        "phases": settings.phases,
        "schedule": settings.schedule,
        "window": None,
    }
    assert Settings().not_default() == {}
    with pytest.raises(ValueError, match="unknown keys: depth"):
        Settings.from_json({"depth": 3})


@pytest.mark.parametrize(("steps", "times"), [(79, 40), (80, 40), (1, 40), (100, 1), (2441, 40)])
def test_the_text_is_read_as_often_as_asked_or_a_little_less(steps, times):
    settings = Settings(tokens=steps * 8192, validations=times)
    read = {step for step in range(1, steps + 1) if step % settings.validate_every == 0 or step == steps}
    assert settings.steps == steps and min(steps, times) / 2 < len(read) <= times


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"context": 1}, "context is 1"),
        ({"batch": 0}, "batch is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"muon_rate": float("nan")}, "muon_rate is nan"),
        ({"n_kv_heads": 3}, "divisors of n_heads"),
        ({"phases": ()}, "must begin at 0"),
        ({"phases": ((0, (("a", 1.0), ("a", 2.0))),)}, "each source can be named once"),
        ({"phases": ((0, (("a", 0.0),)),)}, "one above 0"),
        ({"schedule": ((5, 1.0), (5, 0.0))}, "after the one before"),
    ],
)
def test_settings_out_of_bounds_are_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        replace(Settings(), **change)


def test_counts_and_mixes_read_as_people_write_them():
    assert [parse_count(text) for text in ("8192", "150k", "22.8M", "1b", "8_192")] == [
        8192,
        150_000,
        22_800_000,
        10**9,
        8192,
    ]
    assert parse_phase("27M:core=3, simple=1", 100) == (27_000_000, (("core", 3.0), ("simple", 1.0)))
    for wrong in ("-5", "40%", "M", "inf"):
        with pytest.raises(ValueError, match="not a number of tokens"):
            parse_count(wrong)


@pytest.fixture
def network():
    return TrainingNetwork(random_model(TINY).requires_grad_(True), dropout=0.1)


@pytest.fixture
def batch():
    return torch.randint(3, 300, (2, 17), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fast", ["float32", "bfloat16"])
def test_the_faster_precision_is_taken_and_both_numbers_are_said(network, batch, monkeypatch, fast):
    seconds = {"float32": 2.0, "bfloat16": 2.0, fast: 1.0}
    monkeypatch.setattr(hardware, "_step_seconds", lambda n, f, b, precision, repeats=2: seconds[precision])
    monkeypatch.setattr(hardware, "matmul_gflops", lambda n, d, precision: 1 / seconds[precision])
    choice = hardware.choose(network, batch, compile_mode="off")
    assert (choice.precision, choice.muon_dtype, choice.compiled) == (fast, fast, False)
    assert choice.why[0].startswith(f"{fast}: ") and "of 32 tokens" in choice.why[0]
    assert (
        f"at {32 / seconds['float32']:.0f} tokens/s in float32 and {32 / seconds['bfloat16']:.0f} with" in choice.why[0]
    )
    assert choice.matmul_gflops == 1.0


def test_timing_leaves_no_gradient_and_no_change(network, batch):
    before = [p.detach().clone() for p in network.parameters()]
    choice = hardware.choose(network, batch, compile_mode="off")
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))
    assert choice.matmul_gflops > 0 and choice.machine


def test_compiling_needs_a_compiler_a_long_run_and_a_gain(network, batch, monkeypatch):
    seconds = iter([1.0, 1.0, 0.5, 1.0, 1.5])
    monkeypatch.setattr(hardware, "_step_seconds", lambda *args, repeats=2: next(seconds))
    monkeypatch.setattr(hardware, "compile_network", lambda network: network)
    flags = {"precision": "float32", "compile_mode": "auto"}
    monkeypatch.setattr(hardware, "find_compiler", lambda device: None)
    assert "no compiler" in hardware.choose(network, batch, **flags).why[-1]
    monkeypatch.setattr(hardware, "find_compiler", lambda device: "cc")
    assert "too short to pay" in hardware.choose(network, batch, steps=10, **flags).why[-1]
    long = hardware.choose(network, batch, steps=10**6, **flags)
    assert long.compiled and "0.50 s a batch against 1.00 s" in long.why[-1]
    slower = hardware.choose(network, batch, steps=10**6, **flags)
    assert not slower.compiled and "slower" in slower.why[-1]


def test_a_compiler_that_fails_is_no_reason_to_stop(network, batch, monkeypatch):
    def broken(network):
        raise RuntimeError("no Python.h\nlong trace")

    monkeypatch.setattr(hardware, "compile_network", broken)
    monkeypatch.setattr(hardware, "find_compiler", lambda device: "cc")
    choice = hardware.choose(network, batch, precision="float32", compile_mode="on")
    assert not choice.compiled and "failed with cc (no Python.h)" in choice.why[-1]


def test_expectations_fall_with_the_loss_and_cover_everything():
    bounds = [bound for bound, _ in EXPECTATIONS]
    assert bounds == sorted(bounds, reverse=True) and bounds[-1] == 0
    assert expectation(8.0) == EXPECTATIONS[0][1] and expectation(0.01) == EXPECTATIONS[-1][1]


def events(steps):
    made = [{"event": "step", "step": n, "tokens": 100 * n, "loss": 8 - 4 * n / steps} for n in range(1, steps + 1)]
    held = {"event": "validation", "step": steps, "tokens": 100 * steps, "loss": 4.5, "bits_per_byte": 1.875}
    return [*made, held]


@pytest.mark.parametrize("steps", [1, 40, 5000])
def test_the_curve_is_a_picture_whose_points_are_the_losses(steps):
    root = ElementTree.fromstring(loss_curve(events(steps)))
    name = "{http://www.w3.org/2000/svg}"
    train, valid = root.iter(f"{name}polyline")
    points = [tuple(map(float, pair.split(","))) for pair in train.get("points").split()]
    assert len(points) <= 300
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)  # falling loss = growing y
    ticks = {float(t.text): float(t.get("y")) - 4 for t in root.findall(f"{name}text") if t.get("text-anchor") == "end"}
    (low, y_low), (high, y_high) = min(ticks.items()), max(ticks.items())
    _, y = map(float, valid.get("points").split(","))
    assert y == pytest.approx(y_low + (4.5 - low) * (y_high - y_low) / (high - low), abs=0.2)
    text = " ".join(root.itertext())
    assert "1.875 bits per byte" in text and "nats per token" in text and "tokens seen" in text
    seen = [t.text for t in root.findall(f"{name}text") if t.get("text-anchor") == "middle" and t.text[0].isdigit()]
    units = {"k": 1e3, "M": 1e6}
    counts = [float(text.rstrip("kM")) * units.get(text[-1], 1) for text in seen]
    assert len(counts) >= 2 and counts == sorted(set(counts)) and max(counts) <= 100 * steps
    assert all(text[-1] in "kM" for text, count in zip(seen, counts, strict=True) if count >= 1000)


def test_a_diary_without_losses_has_no_curve():
    with pytest.raises(ValueError, match="no loss yet"):
        loss_curve([{"event": "note", "step": 0}])
