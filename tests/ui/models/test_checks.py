"""The panel of checks: what it says of a model whose weights are kept in fewer bytes."""

import pytest

from app import compute
from app.models.checks import error_of_rounding, verification
from mistral_core.analysis.progress import silent
from mistral_core.analysis.rounding import compare
from mistral_core.checkpoint.golden import TEXT
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.verification import verify as verify_module
from mistral_core.verification.verify import CHECKS


@pytest.fixture
def int8(monkeypatch):
    """The storyteller as a server with little memory has it."""
    loaded = load_model(bundled_root() / "storyteller", weights="int8")

    class Engine:
        @staticmethod
        def model(name):
            return loaded

    monkeypatch.setattr(compute, "engine", Engine)
    names = ("independent forward", "rounded weights", "golden logits")
    monkeypatch.setattr(verify_module, "CHECKS", {name: CHECKS[name] for name in names})
    return loaded


def test_of_a_sound_model_in_int8_no_check_fails_and_the_error_against_float32_is_measured(int8):
    results = verification("storyteller", silent)
    assert all(result.ok for result in results)
    (line,) = [result for result in results if result.check == "rounded weights"]
    exact = load_model(int8.folder)
    apart = compare(exact.model, int8.model, exact.tokenizer, [TEXT])
    assert line.max_abs_error == pytest.approx(apart.mean_kl, rel=0.3), "of the first 160 tokens of the same text"
    said = error_of_rounding(line)
    assert f"lie {line.max_abs_error:.2g} nats a token" in said and "largest 0.0" in said


def test_what_could_not_be_measured_is_said_with_its_reason(int8, monkeypatch):
    def broken(*_):
        raise ValueError("the file is gone")

    monkeypatch.setattr("mistral_core.verification.independent.between", broken)
    (line,) = [result for result in verification("storyteller", silent) if result.check == "rounded weights"]
    assert error_of_rounding(line) == "The error against float32 could not be measured: ValueError: the file is gone."
