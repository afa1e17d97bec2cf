"""What every test of the application starts from."""

from pathlib import Path

import pytest

from app import compute
from app.break_it import sending as breaking
from app.museum import sending as museum
from app.reach import sending
from app.residual import sending as reading
from app.session.runs import Record
from app.window import sending as windowed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _cold(monkeypatch):
    """Nothing is warmed up behind a test's back, and pages are found."""
    monkeypatch.setenv(compute.WARM_UP_VARIABLE, "0")
    monkeypatch.chdir(ROOT)


@pytest.fixture
def patient(monkeypatch):
    """Pages that measure wait for what they measure, however slow the machine is."""
    for page in (sending, breaking, windowed, reading, museum):
        monkeypatch.setattr(page, "PATIENCE", 300.0)


@pytest.fixture
def recorded() -> Record:
    """The recorded run."""
    return Record(name="recorded", label="recorded", trace=compute.recording())
