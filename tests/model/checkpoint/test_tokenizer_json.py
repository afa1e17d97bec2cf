"""tokenizer.json: ids are those of transformers from the same file, bytes are exact, and the rest is refused by name."""

from __future__ import annotations

import json
import random
import unicodedata

import pytest
import sentencepiece
from transformers import PreTrainedTokenizerFast

from mistral_core.checkpoint.folder import MOST_JSON, CheckpointError
from mistral_core.checkpoint.gguf_folder import header_of
from mistral_core.checkpoint.gguf_tokenizer import tokenizer_from_gguf
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face
from mistral_core.checkpoint.tokenizer_json import tokenizer_from_json
from mistral_core.checkpoint.tokenizers import load_tokenizer
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.tokenizer import Tokenizer, as_read, single_token, token_texts
from tests.model.checkpoint.folders import TINY, TOKENIZER
from tests.model.checkpoint.gguf_files import pretrained
from tests.model.checkpoint.json_files import BYTE_LEVEL, SPACES, SPECIAL, put, smollm2_json, write_json
from tests.model.many_texts import strings

MORE = ["a", "trailing ", "a\x00b", "\n\n x", "👩‍🚀 🇫🇷", "\U0010ffff", "e\u0301", "[INST] no token [/INST]"]
NAMES = ["<s> </s> <unk> <0xE2><0x41>", *SPECIAL, "<|im_start|>user\nx<|im_end|>"]


def both(folder):
    return tokenizer_from_json(folder), PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))


@pytest.mark.parametrize("kind", [*BYTE_LEVEL, *SPACES])
def test_ids_are_those_of_transformers_and_pieces_join_to_the_text(tmp_path, kind):
    ours, theirs = both(write_json(tmp_path, kind))
    assert isinstance(ours, Tokenizer) and ours.vocab_size == len(theirs)
    texts = [*strings(200), *MORE]
    assert len(set(texts)) == 208
    for text in texts:
        ids = ours.encode(text)
        assert ids == theirs(text).input_ids, text
        assert "".join(token_texts(ours, ids)[0]) == ours.decode(ids) == text
        assert (
            b"".join(ours.token_bytes(token, first=not at) for at, token in enumerate(ids[ids[0] == ours.bos_id :]))
            == text.encode()
        )
    with pytest.raises(ValueError, match=r"U\+DC00"):
        ours.encode("a \udc00")


@pytest.mark.parametrize("kind", [*BYTE_LEVEL, *SPACES])
def test_a_typed_name_of_a_control_token_is_text(tmp_path, kind):
    ours, theirs = both(write_json(tmp_path, kind))
    for text in NAMES:
        ids = ours.encode(text, bos=False)
        assert not {*ours.named.values()} & {*ids} and ours.decode(ids) == text
        assert ids == theirs(text, split_special_tokens=True, add_special_tokens=False).input_ids
    for name, token in ours.named.items():
        assert (ours.label(token), ours.token_bytes(token), ours.text(token)) == (name, b"", "")


def test_spaces_are_those_of_sentencepiece(tmp_path):
    ours = tokenizer_from_json(write_json(tmp_path, "prepend"))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(TOKENIZER))
    for text in [*(text for text in strings(200) if "\n" not in text), " leading", "  ", "\u2581"]:
        ids = ours.encode(text, bos=False)
        assert ids == processor.encode(text) and ours.decode(ids) == processor.decode(ids)
    assert ours.prefixes_space and single_token(ours, "king") == processor.encode("king")[0]
    assert not ours.rewriting


@pytest.mark.parametrize("kind", ["first", "always"])
def test_a_space_that_begins_a_text_is_said_to_be_lost(tmp_path, kind):
    ours, theirs = both(write_json(tmp_path, kind))
    assert "a space that begins a text" in ours.rewriting
    for text, read in ((" king", "king"), ("  king", " king"), (" ", ""), ("\u2581king", "king"), ("", "")):
        assert as_read(ours, text) == read
        assert ours.encode(text) == theirs(text).input_ids
    behind = theirs("<s>king", add_special_tokens=False).input_ids[1:]
    assert ours.encode_after_control("king") == behind
    assert (behind == ours.encode("king", bos=False)) is (kind == "always")


@pytest.mark.parametrize(
    ("normalizer", "made"),
    [
        ({"type": "NFC"}, lambda text: unicodedata.normalize("NFC", text)),
        ({"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "Lowercase"}]},
         lambda text: "".join(c.lower() for c in unicodedata.normalize("NFKD", text))),
    ],
)  # fmt: skip
def test_a_rewritten_text_shows_what_it_became(tmp_path, normalizer, made):
    ours, theirs = both(write_json(tmp_path, "nemo", lambda content: content.update(normalizer=normalizer)))
    assert "a text is rewritten before it is cut (NF" in ours.rewriting
    for text in ["E\u0301 é ﬁ Å", *strings(60)]:
        ids = ours.encode(text)
        assert ids == theirs(text).input_ids
        assert as_read(ours, text) == "".join(token_texts(ours, ids)[0]) == made(text)
    assert as_read(ours, "E\u0301") != "E\u0301"


def add(*names, **more):
    def change(content):
        count = len({*content["model"]["vocab"].values(), *(entry["id"] for entry in content["added_tokens"])})
        usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
        content["added_tokens"] += [{"id": count + at, "content": n, **usual, **more} for at, n in enumerate(names)]

    return change


def test_added_words_are_found_and_marks_are_not(tmp_path):
    ours, theirs = both(write_json(tmp_path, "nemo", add("covid", "    ", "<tool>")))
    word, spaces, mark = range(ours.vocab_size - 3, ours.vocab_size)
    text = "a covid\n    return <tool>x"
    ids = ours.encode(text)
    assert {word, spaces} <= {*ids} and mark not in ids and ours.decode(ids) == text
    assert ids[: ids.index(spaces) + 1] == theirs(text).input_ids[: ids.index(spaces) + 1]
    assert (ours.text(mark), ours.decode([word, mark])) == ("<tool>", "covid<tool>")


def test_a_text_that_begins_with_an_added_word_has_no_space_before_it(tmp_path):
    ours, theirs = both(write_json(tmp_path, "first", add("covid", "\t")))
    for text in ("covid", "covid a", "\t\ta", "a covid\tb", " covid"):
        ids = ours.encode(text)
        assert ids == theirs(text).input_ids and ours.decode(ids) == text.removeprefix(" ")


def test_an_added_word_with_spaces_is_spelled_as_sentencepiece_writes_them(tmp_path):
    """As Gemma's files have them: runs of spaces that are pieces too."""

    def change(content):
        content["pre_tokenizer"]["prepend_scheme"] = "never"
        at = content["model"]["vocab"]["\u2581of"]
        content["added_tokens"].append({"id": at, "content": "\u2581of", "special": False, "normalized": False,
                                        "lstrip": False, "rstrip": False, "single_word": False})  # fmt: skip

    ours, theirs = both(write_json(tmp_path, "first", change))
    for text in ("king of men", " of", "of"):
        assert ours.encode(text) == theirs(text).input_ids and ours.decode(ours.encode(text)) == text


def test_a_text_whose_tokens_would_say_something_else_is_refused(tmp_path):
    """A word that is in the vocabulary is not cut further here, and "<0x41>" is: as the byte of "A"."""

    def change(content):
        content["model"]["ignore_merges"] = True
        content["pre_tokenizer"]["prepend_scheme"] = "never"

    ours = tokenizer_from_json(write_json(tmp_path, "first", change))
    assert not ours.rewriting and ours.decode(ours.encode(" king")) == " king"
    with pytest.raises(ValueError, match=r"tokens that say b'A' from byte 0 on, where the text has b'<0x41>'"):
        ours.encode("<0x41>")


def test_tokens_that_the_settings_alone_have_are_added(tmp_path):
    late = {"904": {"content": "<|late|>", "special": True}, "900": {"content": "<|begin|>"}}
    ours = tokenizer_from_json(
        write_json(tmp_path, "nemo", settings={"added_tokens_decoder": late, "eos_token": "<|late|>"})
    )
    assert (ours.vocab_size, ours.eos_id, ours.named["<|late|>"]) == (905, 904, 904)
    late["3"] = {"content": "another", "special": True}
    with pytest.raises(ValueError, match="gives 'another' the id 3, which is no id or another's"):
        tokenizer_from_json(write_json(tmp_path, "nemo", settings={"added_tokens_decoder": late}))


def test_older_files_write_merges_as_texts_and_name_no_type(tmp_path):
    def change(content):
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
        del content["model"]["type"]

    new, old = (tokenizer_from_json(write_json(tmp_path, "first", how)) for how in (lambda content: None, change))
    assert all(old.encode(text) == new.encode(text) for text in strings(30))


def test_begin_and_end_come_by_one_rule(tmp_path):
    folder = write_json(tmp_path, "llama 3", settings={"bos_token": {"content": "<|im_start|>"}, "eos_token": None})
    (folder / "config.json").write_text(json.dumps({"bos_token_id": 900, "eos_token_id": [903, 901]}))
    ours = tokenizer_from_json(folder)
    assert (ours.bos_id, ours.eos_id) == (902, 903), "the settings, then the first of the configuration"
    assert ours.encode("a") == ours.encode("a", bos=False), "the post-processor begins with another token"
    (folder / "config.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<|begin|>"}')
    assert tokenizer_from_json(folder).eos_id == 903, "a usual name"
    with pytest.raises(ValueError, match=r"names no begin token; name one as bos_token in tokenizer_config\.json"):
        tokenizer_from_json(write_json(tmp_path, "llama 3", lambda c: c.update(added_tokens=[
            {"id": 900 + at, "content": f"<{at}>", "special": True} for at in range(4)]), {"bos_token": None}))  # fmt: skip


@pytest.mark.parametrize("kind", ["llama 3", "smollm", "prepend"])
def test_a_text_begins_as_the_post_processor_says(tmp_path, kind):
    ours = tokenizer_from_json(write_json(tmp_path, kind))
    assert (ours.encode("a")[0] == ours.bos_id) is (kind != "smollm")
    without = {"add_bos_token": True, "bos_token": "<|im_start|>" if kind != "prepend" else "</s>"}
    ours = tokenizer_from_json(write_json(tmp_path, kind, lambda content: content.update(post_processor=None), without))
    assert ours.label(ours.encode("a")[0]) == without["bos_token"]
    ours = tokenizer_from_json(write_json(tmp_path, kind, lambda content: content.update(post_processor=None)))
    assert ours.encode("a") == ours.encode("a", bos=False)


def test_an_end_token_that_is_no_added_one_is_out_of_reach(tmp_path):
    """The vocabulary has "th" as a word; here it ends a text."""
    ours = tokenizer_from_json(write_json(tmp_path, "nemo", settings={"eos_token": "th"}))
    assert ours.label(ours.eos_id) == "th" and ours.text(ours.eos_id) == ""
    assert ours.eos_id not in ours.encode("then th") and ours.decode(ours.encode("then th")) == "then th"


REFUSED = {
    "unigram": ("first", put("model", "type", value="Unigram"), "of the type 'Unigram', whose tokens have no exact"),
    "word pieces": ("nemo", put("model", "type", value="WordPiece"), "only BPE is read: take an edition"),
    "no model": ("nemo", put("model", value=None), "has no model"),
    "no merges": ("nemo", put("model", "merges", value=None), "no vocab with a list of merges"),
    "dropout": ("nemo", put("model", "dropout", value=0.1), "has the dropout 0.1"),
    "suffixes": ("nemo", put("model", "end_of_word_suffix", value="</w>"), "end_of_word_suffix '</w>'"),
    "no bytes": ("first", put("model", "byte_fallback", value=False), "256 byte tokens of 256 and byte_fallback False"),
    "rewriting": ("first", put("normalizer", value={"type": "NFKC"}), "normalizer 'NFKC' with {}: it rewrites a text"),
    "unknown": ("nemo", put("normalizer", value={"type": "Precompiled"}), "normalizer 'Precompiled'"),
    "loses spaces": ("first", put("pre_tokenizer", value={"type": "Whitespace"}), "'Whitespace' with {}: it removes"),
    "no spaces": ("first", put("pre_tokenizer", value=None), "writes no space as '▁'"),
    "removes": (
        "nemo", put("pre_tokenizer", "pretokenizers", 0, "behavior", value="Removed"), "'Split' .* it removes characters"
    ),
    "space before": (
        "nemo", put("pre_tokenizer", "pretokenizers", 1, "add_prefix_space", value=True), "it puts a space before a text"
    ),
    "processor": ("nemo", put("post_processor", value={"type": "BertProcessing"}), "post-processor 'BertProcessing'"),
    "strips": ("nemo", add("covid", lstrip=True), "'covid', which is text: it takes the spaces beside it away"),
    "found as a space": ("first", add("  "), "whether a space comes before a text that begins with it"),
    "found in prefixed": ("prepend", add("covid"), "'covid', which is text: the word behind it would get a space"),
    "a gap": ("nemo", put("added_tokens", 3, "id", value=950), "no token 903"),
    "an id twice": ("nemo", put("added_tokens", 3, "id", value=5), "gives '<|im_end|>' the id 5"),
    "a name twice": ("nemo", put("added_tokens", 3, "content", value="th"), "a token under two ids"),
    "an odd id": ("nemo", put("model", "vocab", "th", value="7"), "gives 'th' the id '7'"),
    "an odd merge": ("nemo", put("model", "merges", 3, value="a"), "has the merge 'a'; it must be a pair"),
    "a merge of nothing": ("nemo", put("model", "merges", 3, value=["a", "日"]), "not read by the tokenizers library"),
    "letters": ("nemo", put("added_tokens", value=[]), "has the bos_token '<|begin|>', which is no token"),
    "a bad pattern": (
        "nemo", put("pre_tokenizer", "pretokenizers", 0, "pattern", value={"Regex": "("}), "not read by the tokenizers"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exact_is_refused_by_name(tmp_path, case):
    kind, change, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as refusal:
        tokenizer_from_json(write_json(tmp_path, kind, change))
    assert "tokenizer" in str(refusal.value) and len(str(refusal.value)) < 700


@pytest.mark.parametrize("depth", [5, 50, 300])
def test_components_that_lie_deep_are_read_or_refused(tmp_path, depth):
    def change(content):
        for _ in range(depth):
            content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [content["pre_tokenizer"]]}

    if depth == 5:
        ours, theirs = both(write_json(tmp_path, "nemo", change))
        assert ours.encode("the king") == theirs("the king").input_ids
    else:
        with pytest.raises(ValueError, match="0 byte tokens of 256"):
            tokenizer_from_json(write_json(tmp_path, "nemo", change))


def test_a_vocabulary_that_is_no_byte_level_is_refused(tmp_path):
    def change(content):
        vocabulary = content["model"]["vocab"]
        vocabulary["日"] = vocabulary.pop("th")
        content["model"]["merges"] = [pair for pair in content["model"]["merges"] if "th" not in (*pair, "".join(pair))]

    with pytest.raises(ValueError, match="stands for no byte"):
        tokenizer_from_json(write_json(tmp_path, "nemo", change))


def places(value, path=()):
    """Where the values of a JSON object are, long lists and tables by their first entries."""
    items = list(value.items())[:12] if isinstance(value, dict) else list(enumerate(value))[:4]
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


@pytest.mark.parametrize(("kind", "values"), [("nemo", 3), ("first", 1)])
def test_values_of_another_kind_are_refused_or_harmless(tmp_path, kind, values):
    """A sentence or a tokenizer that gives texts back, never another error."""
    folder = write_json(tmp_path, kind)
    whole = (folder / "tokenizer.json").read_text(encoding="utf-8")
    draw, refused = random.Random(1), 0
    for path in [*places(json.loads(whole))]:
        for value in draw.sample([None, 7, -1, 1.5, True, "x", [], [1], {}, {"type": "Sequence"}, 10**30], values):
            content = json.loads(whole)
            put(*path, value=value)(content)
            (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
            try:
                tokenizer = tokenizer_from_json(folder)
                assert as_read(tokenizer, "the king") == "the king"
            except ValueError as error:
                refused += 1
                assert 20 < len(str(error)) < 2000
    assert refused > 20


def test_a_folder_with_it_is_a_model_and_tokenizer_model_wins(tmp_path):
    network = random_model(MistralConfig(**{**TINY._raw(), "vocab_size": 4096}), seed=3, std=0.4)
    save_hugging_face(network, write_json(tmp_path, "first"))
    loaded = load_model(tmp_path)
    assert loaded.notices[-1].startswith("the tokenizer does not read a text as it was typed: a space that begins")
    prompt = loaded.tokenizer.encode("Once upon a time 日本")
    run = Run(loaded.model, loaded.tokenizer, GenerationRequest(prompt_ids=tuple(prompt), max_new_tokens=3)).complete()
    assert "".join(run.trace().token_texts).startswith("Once upon a time 日本")
    with pytest.raises(ValueError, match=r"its tokenizer in tokenizer\.json; only a tokenizer\.model can be passed on"):
        _ = loaded.tokenizer_file
    (tmp_path / "tokenizer.model").write_bytes(TOKENIZER.read_bytes())
    assert load_model(tmp_path).tokenizer_file == tmp_path / "tokenizer.model"
    processor = sentencepiece.SentencePieceProcessor(model_file=str(TOKENIZER))
    assert load_tokenizer(tmp_path).encode(" a", bos=False) == processor.encode(" a")


def test_tokens_that_only_this_file_has_are_pointed_at(tmp_path):
    """A fine-tuning of Mistral adds tokens here and leaves tokenizer.model, which wins, as it was."""
    network = random_model(MistralConfig(**{**TINY._raw(), "vocab_size": 4098}), seed=3, std=0.4)
    save_hugging_face(network, write_json(tmp_path, "first", add("<|im_start|>", "<|im_end|>")), TOKENIZER)
    with pytest.raises(ValueError, match=r"would have no text; take its tokenizer\.model out of the folder"):
        load_model(tmp_path)
    (tmp_path / "tokenizer.model").unlink()
    assert load_model(tmp_path).tokenizer.vocab_size == 4098


def test_the_pretrained_vocabulary_in_this_form_gives_the_ids_of_its_own_file(tmp_path):
    file = next(pretrained().glob("*.gguf"))
    ours, theirs = tokenizer_from_json(smollm2_json(tmp_path)), tokenizer_from_gguf(header_of(file))
    for text in [*strings(200), "<|im_start|>"]:
        assert ours.encode(text) == theirs.encode(text)
    assert ours.named == theirs.named and ours.vocab_size == theirs.vocab_size
    assert all(ours.token_bytes(token) == theirs.token_bytes(token) for token in range(ours.vocab_size))


def test_a_file_as_long_as_published_ones_is_read_and_a_longer_one_refused(tmp_path, monkeypatch):
    """Published ones have up to 35 MB: more than any configuration or index, whose bound is another."""
    folder = write_json(tmp_path, "nemo")
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes() + b" " * (36 * 10**6))
    assert path.stat().st_size > MOST_JSON
    ours = tokenizer_from_json(folder)
    assert ours.decode(ours.encode("a text")) == "a text"
    monkeypatch.setattr("mistral_core.checkpoint.tokenizer_json.MOST_BYTES", 10**6)
    with pytest.raises(CheckpointError, match="no tokenizer has more than 1,000,000"):
        tokenizer_from_json(folder)
