"""A reader's text, compressed and read back: what is refused, what is said of odd characters, and the numbers."""

import io
import json
import math
import re
from dataclasses import replace

import pytest
import torch

from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.cli.main import main
from mistral_core.experiments import models
from mistral_core.experiments.compression_run import PROGRAMS
from mistral_core.experiments.own_text import MOST, checked, difference
from mistral_core.experiments.own_text_run import by_model, compress

ODD = "Once upon a time there was a girl.\r\nShe had a cat — and a 🙂, e\u0301, \u202eabc.\t"
PLAIN = "Once upon a time there was a girl. She had a cat, and the cat said nothing."


@pytest.fixture(scope="module")
def baseline():
    torch.set_num_threads(1)
    return load_model(bundled_root() / "baseline")


def silent(done, total, what):
    pass


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no text; type or paste one of at most 20,000 characters"),
        (" \n\t\u2003", "the text has 4 characters and all are blanks"),
        ("x" * (MOST + 2), "the text has 20,002 characters; at most 20,000 are compressed, so leave out 2"),
        ("a\ud800b", "character 1 of the text is U+D800, half of a surrogate pair; remove it"),
    ],
)
def test_a_text_that_cannot_be_compressed_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        checked(text)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        compress(lambda name: None, text, ["baseline"], silent)


def test_the_longest_text_is_allowed():
    assert checked("x" * MOST) == "x" * MOST


@pytest.mark.parametrize("text", [PLAIN, ODD])
def test_a_text_comes_back_from_every_code_and_the_bits_are_those_that_were_asked_for(baseline, text):
    said = []
    made = compress(lambda name: baseline, text, ["baseline"], lambda *now: said.append(now))
    (code,) = made.models
    assert code.back and code.difference == "" and all(one.back for one in made.programs)
    assert made.size == len(text.encode()) and made.characters == len(text)
    assert code.bits <= code.asked + 64, "a coder loses its last words and no more"
    assert (code.bits < code.asked) == any("all but impossible" in notice for notice in made.notices)
    assert code.bits >= code.asked or text is ODD
    assert code.nbytes == code.bits // 8 + 8, "and a decoder has to know how many texts there are, and how long"
    assert code.decoder > 1_000_000 and {one.by for one in made.programs} == set(PROGRAMS)
    done = [step for step, _, _ in said]
    assert done == sorted(done) and {what for _, _, what in said} == {"coding with baseline", "decoding with baseline"}
    rows = {row[0]: row for row in made.table().rows}
    assert rows["baseline"][3] == code.nbytes + code.decoder and rows["xz"][3] == rows["xz"][1]
    content = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert content["hashes"] == {"baseline": baseline.model_hash}
    assert [one["by"] for one in content["codes"]] == ["baseline", *PROGRAMS] and content["codes"][1]["asked"] is None


def test_what_a_tokenizer_reads_as_something_else_is_named(baseline):
    code = by_model(baseline, "a▁b", silent)
    assert not code.back and code.difference == "character 2 was U+2581 and came back as U+0020"
    assert difference("ab", "abcd") == "it came back with 2 characters more"


def test_control_characters_are_said_and_coded(baseline):
    made = compress(lambda name: baseline, "a\x00b\x1b[0m", ["baseline"], silent)
    assert made.models[0].back
    assert made.notices == (
        "The text holds 2 control characters (U+0000, U+001B); they show nothing and are coded like all others.",
    )


def test_a_model_that_cannot_read_a_text_does_not_stop_the_others(baseline):
    def load(name):
        full = replace(baseline.config, sliding_window=None)
        return {"small": baseline, "short": replace(baseline, name="short", config=full, trained_context=2)}.get(name)

    made = compress(load, "The fox ran.", ["short", "small", "absent"], silent)
    assert [one.by for one in made.models] == ["baseline"]
    assert made.notices[0].startswith("short reads ") and "trained on at most 2; give a shorter text" in made.notices[0]
    assert "absent is not there" in made.notices[1]
    with pytest.raises(ValueError, match="absent is not there"):
        compress(load, "The fox ran.", ["absent"], silent)


def test_a_compression_can_be_ended(baseline):
    class EndedError(Exception):
        pass

    def stop(done, total, what):
        if "decoding" in what:
            raise EndedError

    with pytest.raises(EndedError):
        compress(lambda name: baseline, "The fox ran.", ["baseline"], stop)


class Pipe:
    def __init__(self, raw):
        self.buffer = io.BytesIO(raw)


def test_the_command_compresses_a_file_or_a_pipe(baseline, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(models, "load", lambda name: baseline)
    path = tmp_path / "mine.txt"
    path.write_bytes(ODD.encode())
    assert main(["experiment", "compression", "--text", str(path), "--quick", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["characters"] == len(ODD), "line ends as they are"
    assert math.isfinite(made["codes"][0]["asked"]) and all(one["back"] for one in made["codes"])
    monkeypatch.setattr("sys.stdin", Pipe(b"The fox ran."))
    assert main(["experiment", "compression", "--text", "-", "--quick"]) == 0
    assert "12 characters, 12 bytes" in (said := capsys.readouterr().out) and said.count("letter for letter") == 4


@pytest.mark.parametrize(
    ("arguments", "raw", "sentence"),
    [
        (["window", "--text", "-"], b"a", "only `experiment compression` compresses a text"),
        (["compression", "--text", "-"], b" \n", "all are blanks"),
        (["compression", "--text", "-"], b"\xff\xfe", "standard input is not text in UTF-8"),
        (["compression", "--text", "-"], b"x" * 100_000, "at most 20,000 are compressed"),
        (["compression", "--text", "none.txt"], b"", "none.txt"),
    ],
)
def test_what_the_command_cannot_compress_is_one_sentence(arguments, raw, sentence, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Pipe(raw))
    assert main(["experiment", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said and "\n" not in said
