"""A record of other weights says so before anything is run."""

import time

import pytest

from app import compute
from app.session import state
from mistral_core.experiments.record import read_record
from mistral_core.experiments.weights_here import WeightsHere
from tests.model.experiments.test_weights_here import damage, folder
from tests.ui.test_pages import app

MEASURED = read_record("stacking").finding.models
__all__ = ["folder"]


def opened(at):
    at.button(key=state.open_claim("stacking")).click().run()
    end = time.monotonic() + 60
    while compute.weights_here().compared(MEASURED).pending:
        assert time.monotonic() < end
        time.sleep(0.02)
    at.run()
    assert not at.exception, at.exception
    return [warning.value for warning in at.warning], " ".join(caption.value for caption in at.caption)


@pytest.fixture
def here(monkeypatch, folder):
    """The bundled models, of which `relay` may be changed."""
    from mistral_core.checkpoint.registry import available_models

    weights = WeightsHere(lambda: {**available_models(), "relay": folder})
    monkeypatch.setattr(compute, "weights_here", lambda: weights)


def test_the_bundled_records_are_of_the_bundled_weights(here):
    warnings, said = opened(app("test_the_paper"))
    assert warnings == []
    assert "The weights of full-attention, baseline and relay that are here are those that were measured." in said


def test_a_changed_file_is_said_with_the_remedy(here, folder):
    damage(folder)
    ((warning,), said) = opened(app("test_the_paper"))
    assert warning.startswith("The weights of relay that are here now are not those that this record measured")
    assert "`python -m mistral_core experiment stacking --record assets/experiments`" in warning
    assert "those that were measured" not in said
