"""Commands as they are typed: what they print and how they end."""

import io

import pytest

from mistral_core.cli.main import main


@pytest.fixture
def cli(capsys, monkeypatch):
    def run(*arguments, pipe=None):
        """Exit code, stdout, stderr."""
        if pipe is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(pipe)))
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
