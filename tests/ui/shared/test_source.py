"""The source that a page shows is the program's own, its lit lines exist, and what it is called elsewhere exists there."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from app.ring.sending import MARKS
from app.shared.source import ELSEWHERE, ROOT, source_of
from mistral_core.attention import Attention, read_and_write
from mistral_core.block import Block
from mistral_core.feed_forward import FeedForward
from mistral_core.kv_cache import KVCache, Ring
from mistral_core.mask import allowed
from mistral_core.model import Transformer
from mistral_core.norm import RMSNorm
from mistral_core.ring import slots_of
from mistral_core.rope import inverse_frequencies, rotate, rotation

OURS = (
    *(RMSNorm.forward, rotation, rotate, allowed, read_and_write, slots_of, Block.forward, Transformer.forward),
    *(Attention.forward, Attention.project, Attention.attend, FeedForward.forward, FeedForward.project),
    *(Ring.write, Ring.unrotate, KVCache.slots),
)
THEIRS = ("models.mistral.modeling_mistral", "masking_utils", "cache_utils")


@pytest.mark.parametrize("function", [*OURS, inverse_frequencies], ids=lambda function: function.__qualname__)
def test_what_is_shown_stands_in_the_file_at_that_line(function):
    code = source_of(function)
    lines = (ROOT / code["file"]).read_text(encoding="utf-8").splitlines()
    rows = code["text"].split("\n")
    there = lines[code["line"] - 1 : code["line"] - 1 + len(rows)]
    assert [row.strip() for row in rows] == [line.strip() for line in there]
    assert re.match(r"(?:@\w.*\n)?def \w+\(", code["text"]), "indented, or not the function"
    assert not Path(code["file"]).is_absolute()


def test_lines_of_a_mark_are_those_that_hold_its_fragments():
    code = source_of(read_and_write, MARKS)
    rows = code["text"].split("\n")
    one, more = ([rows[line].strip() for line in code["marks"][mark]] for mark in ("one", "more"))
    assert one[0].startswith("if positions.shape[1] == 1") and one[1:] == [
        "ring.write(k, v, plan)",
        "return ring.keys, ring.values, plan.key_positions",
    ]
    assert [line.split(" =")[0] for line in more] == [
        *("keys", "values"),
        *("ring.write(k, v, plan)", "return keys, values, plan.key_positions"),
    ]


@pytest.mark.parametrize("fragment", ["no such line", "", "ring.write(\n\n"])
def test_a_fragment_that_is_not_there_is_refused(fragment):
    with pytest.raises(ValueError, match="is nowhere in read_and_write; say another"):
        source_of(read_and_write, {"step": fragment})


def test_what_it_is_called_elsewhere_is_said_of_functions_that_are_there():
    assert {function.__qualname__ for function in OURS} == set(ELSEWHERE)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_in_transformers_exist_there(name):
    words = re.sub(r"\(.*\)", "", ELSEWHERE[name][1])
    identifiers = re.findall(r"\b(?:\w+\.)?(?:[A-Z]\w+|\w+_\w+)(?:\.\w+)?\b", words)
    texts = [inspect.getsource(importlib.import_module(f"transformers.{module}")) for module in THEIRS]
    for identifier in identifiers:
        *owner, last = identifier.split(".")
        assert any(re.search(rf"\b(?:def|class|self\.) ?{last}\b|self\.{last} = ", text) for text in texts), identifier
        assert not owner or any(f"class {owner[0]}(" in text for text in texts), identifier
    assert identifiers or "keeps the order" in ELSEWHERE[name][1]
