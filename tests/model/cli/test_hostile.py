"""Numbers that nobody means, on the command line: one sentence, exit code 2, and nothing that fills a screen."""

import pytest

from mistral_core.cli.main import main

HUGE = "9" * 400
WRITE = ["generate", "--prompt", "The fox", "--max-new-tokens", "2"]


@pytest.mark.parametrize(
    "arguments",
    [
        *([*WRITE[:-2], "--max-new-tokens", number] for number in (HUGE, str(2**40), "-3")),
        *([*WRITE, option, number] for option in ("--seed", "--top-k") for number in (HUGE, "-1")),
        *([*WRITE, "--temperature", number] for number in ("nan", "inf", HUGE, "-1")),
        *([*WRITE, "--top-p", number] for number in ("nan", "0", "2", HUGE)),
        *([*WRITE, "--min-p", number] for number in ("nan", "-1", HUGE)),
        *([*WRITE, "--repetition-penalty", number] for number in ("nan", "0", "inf")),
        [*WRITE, "--chunk-size", "0"],
        [*WRITE, "--chunk-size", "-" + HUGE],
        ["info", "--context", HUGE],
        ["info", "--context", "0"],
        ["influence", "--text", "The fox ran", "--source", HUGE, "--target", "2"],
        ["influence", "--text", "The fox ran", "--source", "1", "--target", HUGE],
        ["trace", "--prompt", "x", "--max-new-tokens", HUGE, "--out", "never.safetensors"],
        ["trace", "--prompt", "x", "--max-new-tokens", "1", "--layer", HUGE, "--out", "never.safetensors"],
    ],
    ids=lambda arguments: " ".join(word if len(word) < 30 else "9..." for word in arguments),
)
def test_a_number_that_nobody_means_is_one_sentence(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ") and "\n" not in said and "Traceback" not in said
    assert len(said) < 330, said
    assert not list(tmp_path.iterdir())
