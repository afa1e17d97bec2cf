"""Cuts by a file's own pattern: the same ids as asked here, and a hostile one is ended with a sentence."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from mistral_core.checkpoint import cutting
from mistral_core.checkpoint.cutting import Apart, is_known
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.tekken import tokenizer_from_tekken
from mistral_core.checkpoint.tokenizer_json import tokenizer_from_json
from mistral_core.tokenizer import as_read
from tests.model.checkpoint.json_files import NEMO, put, write_json
from tests.model.checkpoint.test_tekken import tekken
from tests.model.many_texts import strings

LONG = r"(x+x+)+y"
"""30 letters x can be told apart in a billion ways; the library gives up after 10 million."""
OFTEN = r"x*x*x*y"
"""Below those 10 million tries at each place of `MANY`, but it has hundreds of places: half a minute."""
MANY = "x" * 600 + "ay"
SPLIT = ("pre_tokenizer", "pretokenizers", 0, "pattern")


def of_json(folder, pattern):
    return tokenizer_from_json(write_json(folder, "nemo", put(*SPLIT, value={"Regex": pattern})))


def of_tekken(folder, pattern):
    return tokenizer_from_tekken(tekken(folder, put("config", "pattern", value=pattern)))


READERS = pytest.mark.parametrize("read", [of_json, of_tekken])


@READERS
def test_a_pattern_of_its_own_gives_the_ids_that_the_known_one_gives(tmp_path, read):
    """The same cuts in other words, so that they are made apart."""
    near, apart = read(tmp_path / "near", NEMO), read(tmp_path / "apart", NEMO + r"|\s+")
    for text in [*strings(60), "", "  two\n\n x", "a" * 3000, "\u2028 \x00"]:
        assert near.encode(text) == apart.encode(text), text


@READERS
def test_a_pattern_that_the_library_gives_up_is_a_sentence(tmp_path, read):
    tokenizer = read(tmp_path, LONG)
    with pytest.raises(CheckpointError, match=r"cannot cut this text: .*retry-limit.*; shorten the text, or take"):
        tokenizer.encode("x" * 40)
    assert tokenizer.decode(tokenizer.encode("a king")) == "a king", "it goes on"


@READERS
def test_a_pattern_that_looks_for_hours_is_ended_while_others_go_on(tmp_path, monkeypatch, read):
    monkeypatch.setattr(cutting, "SECONDS", 1)
    tokenizer, refused = read(tmp_path, OFTEN), []

    def cut():
        try:
            tokenizer.encode(MANY)
        except ValueError as error:
            refused.append(str(error))

    thread = threading.Thread(target=cut)
    thread.start()
    rounds, began = 0, time.monotonic()
    while thread.is_alive() and time.monotonic() - began < 60:
        time.sleep(0.01)
        rounds += 1
    thread.join(timeout=1)
    assert len(refused) == 1 and "it takes more than 1 s or 4 GiB of memory; shorten the text" in refused[0]
    assert rounds > 20, "this thread has gone on meanwhile"
    assert tokenizer.decode(tokenizer.encode("a king")) == "a king", "a new process has the next text"


def test_a_rewriting_that_makes_gigabytes_of_a_word_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "SECONDS", 2)
    monkeypatch.setattr(cutting, "BYTES", 2**29)
    doubled = [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 40
    tokenizer = tokenizer_from_json(
        write_json(tmp_path, "nemo", put("normalizer", value={"type": "Sequence", "normalizers": doubled}))
    )
    with pytest.raises(CheckpointError, match="a rewriting of its own, which cannot cut this text"):
        tokenizer.encode("a")
    assert as_read(tokenizer, "king") == "king"


@READERS
def test_what_is_no_pattern_is_refused_at_once(tmp_path, read):
    with pytest.raises(
        CheckpointError, match=r"(is not read by the tokenizers library|has a pattern that is none): Onig.*; take an"
    ):
        read(tmp_path, "(")


def test_the_process_ends_with_who_asks_it(tmp_path):
    apart = Apart(tmp_path, {"pattern": "a+"})
    process = apart._process
    assert apart.words("baab") == ["b", "aa", "b"] and process.poll() is None
    del apart
    gc.collect()
    assert process.poll() is not None


REGEX = {"type": "Split", "pattern": {"Regex": NEMO}}
KNOWN = [
    ([REGEX, {"type": "ByteLevel"}], True),
    ([{"type": "Split", "pattern": {"Regex": NEMO + "+"}}], False),
    ([{"type": "Split", "pattern": "a+"}], False),
    ([{"type": "Split", "pattern": {"String": "a"}}], True),
    ([{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}], True),
    ([{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}], False),
    ([{"type": "Replace", "pattern": {"Regex": NEMO}, "content": "a" * 99}], False),
    ([{"type": "Prepend", "prepend": "▁"}], True),
    ([{"type": "Prepend", "prepend": "a" * 99}], False),
    ([{"type": "NFC"}] * 33, False),
]


@pytest.mark.parametrize(("parts", "known"), KNOWN)
def test_what_is_asked_here(parts, known):
    assert is_known(parts) == known
