"""Tokenizer: every view of a token against what SentencePiece itself decodes."""

import random
import unicodedata
from pathlib import Path

import pytest
import sentencepiece

from mistral_core.tokenizer import SPACE_PIECE, SentencePieceTokenizer, StreamingDecoder, token_texts

MODEL = Path(__file__).parents[2] / "assets/models/storyteller/tokenizer.model"
NEWLINE, BYTE_0 = 3, 4
TEXTS = [
    "Once upon a time there was a king.",
    "",
    " ",
    "  two  spaces  ",
    "\n",
    "\n\nlines\n",
    "tab\tand\r\nreturn",
    "😀 👩‍👩‍👧 flags 🇫🇷",
    "naïve café — “quotes” …",
    "שלום עולם",
    "مرحبا بالعالم",
    "日本語",
    "a\x00b\x1b[31m\x7f",
    "<s> </s> <unk> <0xE2>",
    "<script>alert(1)</script>",
    "zero\u200bwidth",
    "e\u0301",
    "\U0010ffff",
    "\ufffd",
]


@pytest.fixture(scope="module")
def tokenizer():
    return SentencePieceTokenizer(MODEL)


def stream(tokenizer, ids, continuing=False):
    decoder = StreamingDecoder(tokenizer, continuing)
    return [decoder.push(token_id) for token_id in ids], decoder.flush()


@pytest.mark.parametrize("text", TEXTS)
def test_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text
    pieces, rest = stream(tokenizer, tokenizer.encode(text, eos=True))
    assert "".join(pieces) + rest == text


def test_random_tokens_stream_as_sentencepiece_decodes(tokenizer):
    """Invalid bytes, characters cut by control tokens, leading spaces: 1,500 random sequences."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(MODEL))
    rng = random.Random(1)
    leads = [BYTE_0 + byte for byte in b"\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\xed\xa0\xef\xbf\xf4\x90 a"]
    for _ in range(1500):
        ids = [
            rng.choice([rng.randrange(4096), rng.randrange(4, 260), rng.choice([0, 1, 2, 3, 4007]), rng.choice(leads)])
            for _ in range(rng.randrange(1, 9))
        ]
        pieces, rest = stream(tokenizer, ids)
        assert "".join(pieces) + rest == processor.decode(ids), ids
        assert "".join(token_texts(tokenizer, ids)[0]) == processor.decode(ids), ids


def test_a_character_of_four_bytes_appears_once_and_whole(tokenizer):
    ids = [BYTE_0 + byte for byte in "😀".encode()]
    assert stream(tokenizer, ids) == (["", "", "", "😀"], "")
    assert stream(tokenizer, ids[:3]) == (["", "", ""], "\ufffd" * 3)
    texts, labels = token_texts(tokenizer, ids)
    assert texts == ["", "", "", "😀"]
    assert labels == ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]


def test_the_first_space_is_dropped_only_at_the_start_of_a_text(tokenizer):
    king = tokenizer.encode("king", bos=False)
    assert stream(tokenizer, king)[0][0] == tokenizer.decode(king[:1])
    assert "".join(stream(tokenizer, king)[0]) == "king"
    assert "".join(stream(tokenizer, [tokenizer.bos_id, *king])[0]) == "king"
    assert "".join(stream(tokenizer, king, continuing=True)[0]) == " king"
    assert "".join(stream(tokenizer, [*king, *king])[0]) == "king king"


def test_labels_show_what_would_be_invisible(tokenizer):
    (upon,) = [i for i in range(4096) if tokenizer.token_bytes(i) == b" upon"]
    (space,) = [i for i in range(260, 4096) if tokenizer.token_bytes(i) == b" "]
    assert (tokenizer.label(upon), tokenizer.text(upon)) == ("upon", " upon")
    assert (tokenizer.label(space), tokenizer.text(space)) == ("␣", " ")
    assert (tokenizer.label(NEWLINE), tokenizer.text(NEWLINE)) == ("↵", "\n")
    assert (tokenizer.label(BYTE_0 + 0xE2), tokenizer.text(BYTE_0 + 0xE2)) == ("<0xE2>", "\ufffd")
    assert (tokenizer.label(tokenizer.bos_id), tokenizer.text(tokenizer.bos_id)) == ("<s>", "")
    labels = [tokenizer.label(i) for i in range(tokenizer.vocab_size)]
    assert all(label and label.isprintable() and label == label.strip() for label in labels)


def label_of(word):
    """The label of a piece, whatever vocabulary has it."""
    tokenizer = object.__new__(SentencePieceTokenizer)
    tokenizer._pieces, tokenizer._is_byte, tokenizer._is_control, tokenizer._unknown = [word], [False], [False], -1
    return tokenizer.label(0)


@pytest.mark.parametrize("character", "\ufe0f\u0301\u034f\u115f\u2800\u3164\u200d\u00ad\ufffc\u20dd\U000e0100")
def test_a_character_that_shows_nothing_alone_has_a_sign(character):
    sign = f"<U+{ord(character):04X}>"
    assert label_of(character) == sign
    assert label_of("\n" + character) == "↵" + sign  # nothing to stand on there either
    assert label_of(SPACE_PIECE + character) == sign


def test_an_accent_on_a_letter_stays_on_it():
    assert label_of("e\u0301") == "e\u0301"
    assert label_of("क\u093f") == "क\u093f"
    assert label_of("q\u0323\u0307") == "q\u0323\u0307"
    assert label_of("\u0301e") == "<U+0301>e"


def test_no_character_of_the_first_plane_is_an_invisible_label():
    """By another rule than the program's: an engine's property tables, Python's `isprintable`, and names."""
    regex = pytest.importorskip("regex")
    unseen = regex.compile(r"\p{Default_Ignorable_Code_Point}|\p{White_Space}|\p{M}|\p{C}")
    named = (
        "SEONG FILLER",
        "HANGUL FILLER",
        "BRAILLE PATTERN BLANK",
        "VARIATION SELECTOR",
        "JOINER",
        "OBJECT REPLACEMENT",
        "COMBINING",
    )
    bare = []
    for code in range(0x10000):
        character = chr(code)
        name = unicodedata.name(character, "")
        invisible = unseen.match(character) or not character.isprintable() or any(part in name for part in named)
        label = label_of(character)
        if character != SPACE_PIECE and invisible and (not label or character in label):
            bare.append((f"U+{code:04X}", name))
        if not invisible and character != SPACE_PIECE:
            assert label == character, name
    assert bare == []


def test_control_tokens_and_bounds(tokenizer):
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_id) == (4096, 1, 2)
    assert tokenizer.encode("", eos=True) == [1, 2]
    assert 1 not in tokenizer.encode("<s>", bos=False)
    for bad in (-1, 4096):
        for call in (lambda: tokenizer.decode([bad]), lambda: tokenizer.label(bad), lambda: tokenizer.token_bytes(bad)):  # noqa: B023
            with pytest.raises(ValueError, match=f"token id {bad} .* 0 to 4095"):
                call()


def test_a_literal_word_boundary_sign_is_a_space(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\u2581b")) == "a b"


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"character 2 of the text is U\+D83D"):
        tokenizer.encode("ab\ud83d")


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no tokenizer at .*absent.model"):
        SentencePieceTokenizer(tmp_path / "absent.model")
    for content in (b"", b"not a model", MODEL.read_bytes()[:1000]):
        (tmp_path / "bad.model").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad.model"):
            SentencePieceTokenizer(tmp_path / "bad.model")


STORY = "the king and the queen went to the sea\nthe queen saw a ship  there\n"


def train(folder, text=STORY, vocab_size=300, **settings):
    file = folder / "text.txt"
    file.write_text(text * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(file),
        model_prefix=str(folder / "t"),
        vocab_size=vocab_size,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"normalization_rule_name": "identity", **settings},
    )
    return folder / "t.model"


@pytest.mark.parametrize("prefix", [True, False])
def test_with_and_without_dummy_prefix_streams_as_sentencepiece_decodes(tmp_path, prefix):
    path = train(tmp_path, add_dummy_prefix=prefix, remove_extra_whitespaces=False)
    tokenizer, processor = SentencePieceTokenizer(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    (space,) = [i for i in range(259, tokenizer.vocab_size) if tokenizer.label(i) == "␣"]
    rng = random.Random(2)
    for _ in range(500):
        ids = [rng.choice([1, space, rng.randrange(tokenizer.vocab_size)]) for _ in range(rng.randrange(1, 6))]
        pieces, rest = stream(tokenizer, ids)
        assert "".join(pieces) + rest == processor.decode(ids), ids


@pytest.mark.parametrize("name", ["relay", "storyteller"])
def test_no_bundled_text_begins_with_a_space_that_is_not_there(name):
    """A vocabulary of single letters writes the dummy prefix as a piece of its own, which decoding drops all the same."""
    path = MODEL.parents[1] / name / "tokenizer.model"
    tokenizer, processor = SentencePieceTokenizer(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    for text in ("Kdabacab?", " Kdabacab?", "  a", " ", "a b"):
        ids = tokenizer.encode(text)
        pieces, rest = stream(tokenizer, ids)
        assert "".join(pieces) + rest == processor.decode(ids) == text, ids


@pytest.mark.parametrize(
    ("text", "prefix", "size", "first"),
    [
        ("ab\n", True, 262, "▁"),
        ("a b\n", False, 262, "▁"),
        ("a        b\n", True, 264, "▁▁"),
        ("a        b\n", False, 264, "▁▁"),
    ],
)
def test_the_dummy_prefix_is_seen_whichever_piece_comes_first(tmp_path, text, prefix, size, first):
    """Letters alone, or a piece of several spaces first: both once hid that decoding drops one space."""
    path = train(
        tmp_path,
        text=text,
        vocab_size=size,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_by_whitespace=True,
    )
    tokenizer, processor = SentencePieceTokenizer(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    spaced = [piece for i in range(259, tokenizer.vocab_size) if (piece := processor.id_to_piece(i))[0] == SPACE_PIECE]
    assert spaced[0] == first
    for words in ("ab", " ab", "  ab", "   ab", "    ba"):
        ids = tokenizer.encode(words)
        pieces, rest = stream(tokenizer, ids)
        assert "".join(pieces) + rest == processor.decode(ids) == words, ids


def test_tokenizers_that_change_the_text_or_lack_control_tokens_are_refused(tmp_path):
    with pytest.raises(ValueError, match="does not keep repeated spaces"):
        SentencePieceTokenizer(train(tmp_path, remove_extra_whitespaces=True))
    for rule, changed in (
        ("nmt_nfkc", "U\\+0001"),
        ("nfkc", "U\\+00A0"),
        ("nmt_nfkc_cf", "U\\+0001"),
        ("nfkc_cf", "U\\+0041"),
    ):
        with pytest.raises(ValueError, match=rf"t.model rewrites {changed}.*as it was typed.*identity"):
            SentencePieceTokenizer(train(tmp_path, remove_extra_whitespaces=False, normalization_rule_name=rule))
    with pytest.raises(ValueError, match=r"no begin token \(its id is -1\)"):
        SentencePieceTokenizer(train(tmp_path, remove_extra_whitespaces=False, bos_id=-1))
