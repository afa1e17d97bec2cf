"""What can be seen of the container without an engine that builds it: the Dockerfile, read line by line."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def instructions(text: str) -> list[tuple[str, str]]:
    """Word and rest of each instruction; lines that go on are joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    return instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    return subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()


def copied(steps: list[tuple[str, str]]) -> list[str]:
    return [name for word, rest in steps if word == "COPY" for name in rest.split()[1:-1]]


def test_lines_that_go_on_are_one_instruction():
    assert instructions("# no\nRUN a \\\n    b\nCMD c") == [("RUN", "a  b"), ("CMD", "c")]


def test_what_is_copied_is_there_and_tracked(steps, tracked):
    names = copied(steps)
    assert {"app", "mistral_core", "pages", "assets", "requirements.txt"} <= {*names}
    for name in names:
        assert (ROOT / name).exists(), name
        assert any(path == name or path.startswith(f"{name}/") for path in tracked), name


def test_what_is_copied_is_not_ignored_and_all_else_is(steps):
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {*copied(steps)}
    assert any(fnmatch("app/__pycache__", rule) for rule in rules)


def test_everything_runs_as_a_user_who_is_not_root(steps):
    words = [word for word, _ in steps]
    users = [rest for word, rest in steps if word == "USER"]
    assert users and not {*users} & {"root", "0"}
    assert words.index("USER") < min(words.index("COPY"), words.index("CMD"))
    assert all(f"--chown={users[0]}" in rest for word, rest in steps if word == "COPY")
    made = next(rest for word, rest in steps if word == "RUN" and "useradd" in rest)
    assert users[0] in made


def test_nothing_is_added_from_an_address(steps):
    assert "ADD" not in {word for word, _ in steps}
    assert not any("://" in rest and "127.0.0.1" not in rest for _, rest in steps)
    assert not any(re.search(r"\b(curl|wget|git clone)\b", rest) for word, rest in steps if word == "RUN")


def test_requirements_come_before_the_code_and_the_step_is_compiled_by_the_user_who_runs(steps):
    order = [rest for word, rest in steps if word in ("RUN", "COPY", "USER")]
    at = {
        what: next(i for i, rest in enumerate(order) if what in rest)
        for what in ("-r requirements.txt", " app app", "step")
    }
    assert at["-r requirements.txt"] < at[" app app"] < at["step"]
    assert order.index("explorer") < at["step"]


def test_it_serves_the_application_and_is_asked_whether_it_is_well(steps):
    found = dict(steps)
    command = json.loads(found["CMD"])
    assert "app/server.py" in command and command[command.index("--server.port") + 1] == found["EXPOSE"] == "8501"
    assert "/healthz" in found["HEALTHCHECK"]
    assert (ROOT / "app" / "server.py").exists()
