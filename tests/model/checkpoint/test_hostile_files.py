"""A thousand damaged and invented files: each is loaded or refused in a sentence, soon, and in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.checkpoint.hostile import COUNTS, MOST_BYTES, SECONDS

ROOT = Path(__file__).parents[3]
MIB = 2**20


@pytest.fixture(scope="module")
def found():
    """What came of every case, in a process of its own: a crash there is an exit code here."""
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "tests.model.checkpoint.hostile"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_there_are_a_thousand(found):
    assert sum(COUNTS.values()) == 1000
    assert {kind: len(results) for kind, results in found["results"].items()} == COUNTS


@pytest.mark.parametrize("kind", COUNTS)
def test_each_is_loaded_or_refused_in_a_sentence(found, kind):
    results = found["results"][kind]
    assert [(number, result["told"]) for number, result in enumerate(results) if result["told"]] == []
    refused = sum(result["outcome"] == "refused" for result in results)
    assert len(results) // 3 < refused < len(results), "the files are neither all sound nor all beyond reading"


@pytest.mark.parametrize("kind", COUNTS)
def test_none_takes_long_or_more_than_the_model_would(found, kind):
    """No claim of a file buys more than a sound one takes."""
    results = found["results"][kind]
    assert max(result["seconds"] for result in results) < SECONDS
    assert max(result["peak"] for result in results) < MOST_BYTES


def test_what_torch_and_the_readers_take_outside_python_does_not_grow(found):
    assert found["grown"] < 64 * MIB
