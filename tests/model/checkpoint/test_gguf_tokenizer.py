"""The SentencePiece vocabulary of a GGUF file against the tokenizer.model that it was written from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sentencepiece
from gguf import GGUFWriter
from sentencepiece import sentencepiece_model_pb2
from transformers import PreTrainedTokenizerFast

from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.gguf_header import read_header
from mistral_core.checkpoint.gguf_tokenizer import tokenizer_from_gguf
from mistral_core.checkpoint.load import load_model
from mistral_core.generation import Run
from mistral_core.request import GenerationRequest
from mistral_core.tokenizer import SentencePieceTokenizer, Tokenizer, token_texts
from tests.model.checkpoint import gguf_files
from tests.model.checkpoint.folders import TOKENIZER
from tests.model.checkpoint.json_files import write_json
from tests.model.many_texts import strings

MORE = ["", " ", "  two", "a\x00b", "<s> </s> <unk> <0xE2> <0x41>", "\n\n x", "\u2581", "👩‍🚀", "\U0010ffff"]
MARKS = ["<|im_start|>", "<|im_end|>", "covid"]


def pieces():
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(TOKENIZER.read_bytes())
    return {
        "tokens": [piece.piece for piece in model.pieces],
        "scores": [piece.score for piece in model.pieces],
        "token_type": [piece.type for piece in model.pieces],
    }


def written(folder, **instead):
    """A file that holds the vocabulary alone."""
    writer = GGUFWriter(folder / "model.gguf", "llama")
    values = {"model": "llama", **pieces(), "bos_token_id": 1, "eos_token_id": 2} | instead
    for name, value in values.items():
        if value is None:
            continue
        add = {list: writer.add_array, str: writer.add_string, bool: writer.add_bool, int: writer.add_uint32}
        add[type(value)](f"tokenizer.ggml.{name}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    return read_header(folder / "model.gguf")


def test_texts_and_tokens_are_those_of_the_original(tmp_path):
    ours, theirs = tokenizer_from_gguf(written(tmp_path)), SentencePieceTokenizer(TOKENIZER)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(TOKENIZER))
    assert isinstance(ours, Tokenizer) and ours.vocab_size == theirs.vocab_size == 4096
    assert (ours.bos_id, ours.eos_id, ours.prefixes_space) == (1, 2, True)
    for text in [*strings(200), *MORE]:
        ids = ours.encode(text, bos=False)
        assert ids == processor.encode(text), text
        assert ours.encode(text, eos=True) == [1, *ids, 2]
        assert ours.decode(ids) == "".join(token_texts(ours, ids)[0]) == processor.decode(ids)
    for token in range(4096):
        assert (ours.token_bytes(token), ours.label(token)) == (theirs.token_bytes(token), theirs.label(token))


def test_flags_are_those_of_the_file(tmp_path):
    ours = tokenizer_from_gguf(written(tmp_path, add_space_prefix=False, add_bos_token=False))
    assert not ours.prefixes_space
    assert ours.encode("king") == ours.encode("king", bos=False) != SentencePieceTokenizer(TOKENIZER).encode("king")
    assert ours.decode(ours.encode(" king")) == " king" and ours.encode("") == [1]


def test_marks_of_a_fine_tuning_are_control_and_words_are_found(tmp_path):
    held = pieces()
    header = written(
        tmp_path, tokens=held["tokens"] + MARKS, scores=held["scores"] + [-1000.0] * 3,
        token_type=held["token_type"] + [4, 4, 4], eos_token_id=4097,
    )  # fmt: skip
    ours = tokenizer_from_gguf(header)
    assert ours.eos_id == 4097 and ours.named == {"<s>": 1, "</s>": 2, "<|im_start|>": 4096, "<|im_end|>": 4097}
    ids = ours.encode("a covid <|im_start|> b")
    assert 4098 in ids and not {4096, 4097} & {*ids} and ours.decode(ids) == "a covid <|im_start|> b"


def test_a_file_with_it_is_a_model(tmp_path):
    held = pieces()
    instead = {f"tokenizer.ggml.{name}": held[name] for name in ("scores", "token_type")}
    config = replace(gguf_files.CONFIG, vocab_size=4096)
    gguf_files.write(tmp_path, config, model="llama", tokens=held["tokens"], merges=["a b"], instead=instead)
    loaded = load_model(tmp_path)
    prompt = loaded.tokenizer.encode("Once upon a time")
    assert prompt == SentencePieceTokenizer(TOKENIZER).encode("Once upon a time", bos=False)
    trace = Run(
        loaded.model, loaded.tokenizer, GenerationRequest(prompt_ids=tuple(prompt), max_new_tokens=3)
    ).complete()
    assert "".join(trace.trace().token_texts).startswith("Once upon a time")
    with pytest.raises(ValueError, match=r"its tokenizer in model\.gguf; only a tokenizer\.model"):
        _ = loaded.tokenizer_file
    (tmp_path / "tokenizer.model").write_bytes(TOKENIZER.read_bytes())
    assert load_model(tmp_path).tokenizer_file == tmp_path / "tokenizer.model", "it wins"


@pytest.mark.parametrize(("kind", "pre"), [("llama 3", "llama-bpe"), ("nemo", "tekken")])
def test_byte_level_cuts_are_those_of_the_published_tokenizers(tmp_path, kind, pre):
    """Of Llama 3 and of Mistral since Nemo, by transformers from a tokenizer.json with the same vocabulary."""
    folder = write_json(tmp_path, kind)
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    content = json.loads((folder / "tokenizer.json").read_text())
    names = sorted(theirs.get_vocab(), key=theirs.get_vocab().get)
    types = [3 if at in theirs.added_tokens_decoder else 1 for at in range(len(names))]
    header = written(
        tmp_path, model="gpt2", pre=pre, tokens=[*names, "covid", "<tool>"], token_type=[*types, 4, 4], scores=None,
        merges=[" ".join(pair) for pair in content["model"]["merges"]],
        bos_token_id=names.index("<|begin|>"), eos_token_id=names.index("<|end|>"),
    )  # fmt: skip
    ours = tokenizer_from_gguf(header)
    for text in [*strings(200), *MORE, "I'LL we're 1234567 aB/\n\n  x"]:
        assert ours.encode(text) == theirs(text).input_ids, text
        assert ours.decode(ours.encode(text)) == text
    word, mark = len(names), len(names) + 1
    ids = ours.encode("a covid <tool> <|im_start|>")
    assert word in ids and not {mark, names.index("<|im_start|>")} & {*ids}
    assert ours.decode([*ids, mark]) == "a covid <tool> <|im_start|><tool>"


def changed(name, at, value):
    held = pieces()[name]
    return {name: [*held[:at], value, *held[at + 1 :]]}


REFUSED = {
    "no number": (lambda: changed("scores", 7, float("nan")), "no finite score for each token"),
    "scores too few": (lambda: {"scores": pieces()["scores"][:-1]}, "no finite score for each token"),
    "equal scores": (lambda: {"scores": [-1000.0] * 4096}, "all its pieces the score -1000, so which are merged first"),
    "a kind": (lambda: changed("token_type", 300, 9), "the type 9; types are 1 to 6"),
    "a piece twice": (lambda: changed("tokens", 300, "the"), "0 empty ones and 1 twice"),
    "an empty piece": (lambda: changed("tokens", 300, ""), "1 empty ones"),
    "two unknown": (lambda: changed("token_type", 300, 2), "has 2 unknown tokens"),
    "begin unknown": (lambda: {"bos_token_id": 0}, "begin token 0; it must be one of 0 to 4095, and not the unknown"),
    "end outside": (lambda: {"eos_token_id": 4096}, "end token 4096"),
    "rewriting": (lambda: {"precompiled_charsmap": [1, 2, 3]}, "rewrites characters"),
    "spaces lost": (lambda: {"remove_extra_whitespaces": True}, "does not keep repeated spaces"),
    "a flag": (lambda: {"add_space_prefix": 7}, "add_space_prefix 7; it must be true or false"),
    "half the bytes": (lambda: changed("token_type", 100, 1), "cannot be read as a SentencePiece model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_vocabulary_is_refused_by_name(tmp_path, case):
    options, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as refusal:
        tokenizer_from_gguf(written(tmp_path, **options()))
    assert "model.gguf" in str(refusal.value)


def test_a_vocabulary_without_a_list_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"lacks tokenizer\.ggml\.scores"):
        tokenizer_from_gguf(written(tmp_path, scores=None))
