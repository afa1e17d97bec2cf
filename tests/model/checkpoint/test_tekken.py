"""tekken.json: ids of the plain algorithm and of transformers' converter, exact bytes, and refusals by name."""

from __future__ import annotations

import base64
import json
import random
import time
from itertools import pairwise

import pytest
import regex
from transformers.integrations.mistral.tokenizer import MistralConverter

from mistral_core.byte_level import bytes_of_letters
from mistral_core.checkpoint.chat import ChatTemplate
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_mistral
from mistral_core.checkpoint.tekken import OLD_SPECIAL, merged, tokenizer_from_tekken
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from mistral_core.tokenizer import Tokenizer, token_texts
from tests.model.checkpoint.folders import TINY
from tests.model.checkpoint.json_files import NEMO, byte_level, put
from tests.model.checkpoint.test_chat import INST, messages
from tests.model.many_texts import strings

MORE = ["", " ", "a\x00b", "  two\n\n x", "👩‍🚀", "\U0010ffff", "[INST] <s> </s>", "a" * 700, "ab" * 300, "日本" * 99]
SPECIAL, COUNT, USED = 20, 40, 800


def tekken(folder, change=lambda content: None, version="v3", named=True):
    """A vocabulary that was learned as Nemo's was, with more tokens than are used."""
    vocabulary = json.loads(byte_level("nemo"))["model"]["vocab"]
    spelled = [
        bytes_of_letters(folder, at, token) for token, at in sorted(vocabulary.items(), key=lambda item: item[1])
    ]
    assert {*spelled[:256]} == {bytes([byte]) for byte in range(256)} and len(spelled) > USED
    content = {
        "config": {"pattern": NEMO, "num_vocab_tokens": len(spelled), "default_vocab_size": USED + COUNT,
                   "default_num_special_tokens": COUNT, "version": version},
        "vocab": [{"rank": at, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
                  for at, token in enumerate(spelled)],
    }  # fmt: skip
    if named:
        content["special_tokens"] = [
            {"rank": at, "token_str": name, "is_control": True} for at, name in enumerate(OLD_SPECIAL)
        ]
    change(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tekken.json").write_text(json.dumps(content))
    return folder


def plain(word, rank):
    """Merging as tiktoken teaches it: look at all neighbours, merge the lowest, begin anew."""
    if word in rank:
        return [rank[word]]
    parts = [word[at : at + 1] for at in range(len(word))]
    while len(parts) > 1:
        ranks = [rank.get(left + right, 10**9) for left, right in pairwise(parts)]
        if min(ranks) == 10**9:
            break
        at = ranks.index(min(ranks))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return [rank[part] for part in parts]


@pytest.mark.parametrize("named", [True, False])
def test_ids_are_those_of_the_plain_algorithm_and_of_transformers(tmp_path, named):
    ours, theirs = (
        tokenizer_from_tekken(tekken(tmp_path, named=named)),
        MistralConverter(str(tekken(tmp_path / "b") / "tekken.json")),
    )
    made = theirs.converted()
    entries = json.loads((tmp_path / "tekken.json").read_text())["vocab"][:USED]
    rank = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in entries}
    assert isinstance(ours, Tokenizer) and (ours.vocab_size, ours.bos_id, ours.eos_id) == (USED + COUNT, 1, 2)
    for text in [*strings(200 if named else 20), *MORE]:
        ids = ours.encode(text, bos=False)
        assert ids == [COUNT + at for word in regex.findall(NEMO, text) for at in plain(word.encode(), rank)], text
        assert text in MORE or ids == made.encode(text, add_special_tokens=False).ids
        assert ours.decode(ids) == "".join(token_texts(ours, ids)[0]) == text
        assert ours.encode(text, eos=True) == [1, *ids, 2]
        assert all(token >= COUNT for token in ids), "a typed name is text"


def test_random_words_merge_as_the_plain_algorithm_says():
    draw = random.Random(5)
    for _ in range(300):
        rank = {b"a": 0, b"b": 1, b"c": 2}
        for _ in range(draw.randint(0, 12)):
            rank.setdefault(bytes(draw.choices(b"abc", k=draw.randint(2, 5))), len(rank))
        word = bytes(draw.choices(b"aabc", k=draw.randint(1, 25)))
        assert merged(word, rank) == plain(word, rank), (word, rank)


def test_special_tokens_have_names(tmp_path):
    ours = tokenizer_from_tekken(tekken(tmp_path))
    assert [ours.label(token) for token in (0, 3, 4, COUNT - 1)] == ["<unk>", "[INST]", "[/INST]", "<SPECIAL_39>"]
    ids = ChatTemplate(INST, tmp_path).encode(messages(["Hi [/INST]", "Yes"]), ours)
    assert [token for token in ids if token < COUNT] == [1, 3, 4, 2] and "Hi [/INST]" in ours.decode(ids)


def test_a_special_token_that_is_no_control_is_text_that_nobody_types(tmp_path):
    def change(content):
        content["special_tokens"][5]["is_control"] = False

    ours = tokenizer_from_tekken(tekken(tmp_path, change))
    assert (ours.text(5), ours.named["[AVAILABLE_TOOLS]"]) == ("[AVAILABLE_TOOLS]", 5)
    assert 5 not in ours.encode("[AVAILABLE_TOOLS]")


def test_a_folder_with_it_is_a_model(tmp_path):
    network = random_model(MistralConfig(**{**TINY._raw(), "vocab_size": USED + COUNT}), seed=3, std=0.4)
    save_mistral(network, tekken(tmp_path))
    loaded = load_model(tmp_path)
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("A king 日本")) == "A king 日本" and loaded.notices == ()
    with pytest.raises(ValueError, match=r"its tokenizer in tekken\.json"):
        _ = loaded.tokenizer_file


def test_a_long_word_takes_no_longer_than_its_length_says():
    """Looking at all neighbours for each merge would take minutes."""
    rank = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"abab": 257, b"aba": 258}
    begin = time.perf_counter()
    assert merged(b"ab" * 100_000, rank) == [257] * 50_000
    assert time.perf_counter() - begin < 20


REFUSED = {
    "no config": (put("config", value=[]), "has no config with a pattern"),
    "a pattern": (put("config", "pattern", value="("), "has a pattern that is none"),
    "no size": (put("config", "default_vocab_size", value=True), "default_vocab_size True; it must be a number"),
    "too many": (put("config", "default_vocab_size", value=5000), "tokens, and the model 4960 beside special ones"),
    "too few": (put("config", "default_vocab_size", value=100), "and the model 60 beside"),
    "specials": (put("config", "default_num_special_tokens", value=5), "in place 5 of 5"),
    "a special rank": (put("special_tokens", 3, "rank", value=9), "in place 3 of 40"),
    "no end": (put("special_tokens", 2, "token_str", value="<end>"), "or lacks <s> or </s>"),
    "a special twice": (put("special_tokens", 3, "token_str", value="<SPECIAL_30>"), "has a special token twice"),
    "no base64": (put("vocab", 300, "token_bytes", value="!"), "in place 300; a token must have"),
    "no bytes": (put("vocab", 300, "token_bytes", value=""), "in place 300; a token must have"),
    "a rank": (put("vocab", 300, "rank", value=301), "in place 300; a token must have its place as rank"),
    "a token twice": (put("vocab", 300, "token_bytes", value="YQ=="), "has a token twice"),
    "no byte": (put("vocab", 7, "token_bytes", value="YWJjZGVm"), "its first 256 are not the bytes"),
    "no list": (put("vocab", value={}), "has none tokens"),
    "no entry": (put("vocab", 300, value=[1]), "in place 300"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_file_is_refused_by_name(tmp_path, case):
    change, said = REFUSED[case]
    with pytest.raises(CheckpointError, match=said) as refusal:
        tokenizer_from_tekken(tekken(tmp_path, change))
    assert "tekken.json" in str(refusal.value) and len(str(refusal.value)) < 500


def test_a_later_version_must_name_its_special_tokens(tmp_path):
    with pytest.raises(CheckpointError, match=r"of version 'v13' names no special_tokens"):
        tokenizer_from_tekken(tekken(tmp_path, version="v13", named=False))
