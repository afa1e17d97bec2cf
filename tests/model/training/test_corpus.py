"""Texts to shards and shards to batches: nothing lost, nothing twice, and what cannot be read is refused."""

import lzma
import os
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from mistral_core.analysis.evaluation import read_documents
from mistral_core.tokenizer import SentencePieceTokenizer
from mistral_core.training.batches import Batches
from mistral_core.training.corpus import Source, open_corpus, prepare_corpus
from mistral_core.training.texts import find_texts, hold_out
from mistral_core.training.vocabulary import learn_vocabulary
from mistral_core.unsaid import STEMS

from .conftest import SMALL, stories


def stream(source):
    return np.concatenate(source.shards).tolist()


def test_documents_are_packed_as_begin_pieces_end(corpus, texts):
    for name, file in (("tales", "tales.txt"), ("rhymes", "rhymes.train.txt")):
        train, _ = hold_out(list(read_documents(texts / file)))
        wanted = [token for text in train for token in corpus.tokenizer.encode(text, bos=True, eos=True)]
        assert stream(corpus.sources[name]) == wanted
        assert corpus.sources[name].bytes == sum(len(text.encode()) for text in train)
        assert corpus.sources[name].documents == len(train)


def test_shards_hold_the_same_stream_however_long_they_are(corpus, texts, tmp_path):
    cut = prepare_corpus(
        find_texts(texts), tmp_path / "cut", vocab_size=1, tokenizer=corpus.tokenizer.path, shard_tokens=500
    )
    assert [len(shard) for shard in cut.sources["tales"].shards[:-1]] == [500] * (len(cut.sources["tales"].shards) - 1)
    assert len(cut.sources["tales"].shards) > 3
    for name in corpus.sources:
        assert stream(cut.sources[name]) == stream(corpus.sources[name])
    assert all(isinstance(shard, np.memmap) for shard in cut.sources["tales"].shards)


def test_held_out_documents_are_trained_on_by_nobody(corpus):
    trained = "".join(corpus.tokenizer.decode(stream(source)) for source in corpus.sources.values())
    every = stories(300) + stories(100, seed=1)
    held = [text for text in every if text not in trained]
    assert sorted(held) == sorted(corpus.valid)
    assert len(held) == 20


def test_a_valid_file_is_held_out_and_no_other(tmp_path):
    (tmp_path / "a.train.txt.xz").write_bytes(lzma.compress("\n\n".join(stories(50)).encode()))
    (tmp_path / "a.valid.txt").write_text("one\n\ntwo\nlines\n", encoding="utf-8")
    (tmp_path / "attribution.csv").write_text("a,b\n", encoding="utf-8")
    made = prepare_corpus(find_texts(tmp_path), tmp_path / "corpus", vocab_size=300)
    assert made.valid == ("one", "two\nlines")
    assert (list(made.sources), made.sources["a"].documents) == (["a"], 50)
    assert (made.folder / "attribution.csv").read_text() == "a,b\n"


def test_few_long_documents_lose_their_ends():
    documents = [" ".join(f"word{n}" for n in range(500)), "short"]
    kept, held = hold_out(documents)
    assert f"{kept[0]} {held[0]}" == documents[0]
    assert 0.04 < len(held[0]) / len(documents[0]) < 0.06
    assert kept[1] == "short" and len(held) == 1


@pytest.mark.parametrize(("count", "length"), [(5000, 2000), (30, 400_000)])
def test_of_a_large_source_the_same_amount_is_held_out_from_everywhere(count, length):
    """10 MB of short texts, 12 MB of long ones: about 400,000 bytes, spread over all of it."""
    documents = [f"{n} " + "and so on " * (length // 10) for n in range(count)]
    kept, held = hold_out(documents)
    size = sum(map(len, held))
    assert 370_000 < size < 410_000
    assert sum(map(len, kept)) + size == pytest.approx(sum(map(len, documents)), abs=count)
    if count == 30:
        assert len(held) == 30
    else:
        numbers = [int(text.split()[0]) for text in held]
        assert len({b - a for a, b in pairwise(numbers)}) == 1 and numbers[-1] > 4900


def test_a_file_named_valid_is_held_out_too_and_the_share_is_stated(corpus, tmp_path):
    (tmp_path / "train.txt").write_text("\n\n".join(stories(50)), encoding="utf-8")
    (tmp_path / "valid.txt").write_text("one\n\ntwo", encoding="utf-8")
    found = find_texts(tmp_path)
    assert (list(found.sources), [path.name for path in found.valid]) == (["train"], ["valid.txt"])
    held = sum(len(text.encode()) for text in corpus.valid)
    share = held / (held + sum(source.bytes for source in corpus.sources.values()))
    assert corpus.facts["valid"]["chosen"].startswith(f"{100 * share:.2f}% of the texts")


def test_a_corpus_is_made_once_and_anew_when_its_texts_change(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(stories(60)), encoding="utf-8")

    def prepare(rebuild=False):
        told = []
        made = prepare_corpus(
            find_texts(tmp_path), tmp_path / "corpus", vocab_size=300, progress=told.append, rebuild=rebuild
        )
        return made, told

    first, told = prepare()
    assert told
    os.utime(tmp_path / "a.txt", (0, 0))
    again, told = prepare()
    assert not told and stream(again.sources["a"]) == stream(first.sources["a"])
    (tmp_path / "a.txt").write_text("\n\n".join(stories(70, seed=4)), encoding="utf-8")
    with pytest.raises(ValueError, match=r"made from other texts.*--corpus"):
        prepare()
    assert open_corpus(tmp_path / "corpus").facts == first.facts
    changed, told = prepare(rebuild=True)
    assert told and changed.sources["a"].documents == 67


RUDE = next(iter(STEMS)).title() + "s"
"""A word of the list, in another case and with an ending."""


def rude_stories(count: int) -> list[str]:
    """In every sixth the second line holds the word, every eighth is nothing else."""
    made = stories(count)
    for n in range(count):
        if n % 6 == 0:
            made[n] = f"{made[n]}, {RUDE}!\nThe end of {n}."
        if n % 8 == 1:
            made[n] = f"{n} {RUDE.upper()}."
    return made


def test_what_is_trained_on_is_a_copy_without_the_lines_that_hold_a_listed_word(tmp_path):
    """Line by line of the same documents; what is held out is the same as without it, to the letter."""
    documents = rude_stories(120)
    (tmp_path / "a.txt").write_text("\n\n".join(documents), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n\n".join(stories(60, seed=2)), encoding="utf-8")
    told = []
    whole = prepare_corpus(find_texts(tmp_path), tmp_path / "whole", vocab_size=320)
    clean = prepare_corpus(find_texts(tmp_path), tmp_path / "clean", vocab_size=320, clean=True, progress=told.append)
    train, held = hold_out(documents)
    lines = [line for document in train for line in document.split("\n")]
    rude = [line for line in lines if RUDE.lower() in line.lower()]
    assert len(rude) > 25 and any(RUDE in document for document in held)
    assert clean.facts["left_out"] == {"a": len(rude), "b": 0}
    assert f"a: {len(rude)} lines left out that hold a word of mistral_core/unsaid.py" in told
    text = clean.tokenizer.decode(stream(clean.sources["a"]))
    assert RUDE.lower() not in text.lower() and all(line in text for line in lines if line not in rude)
    alone = [document for document in train if "\n" not in document]
    assert clean.sources["a"].documents == len(train) - len(alone) and alone
    assert clean.valid == whole.valid and "left_out" not in whole.facts
    assert clean.sources["b"].bytes == whole.sources["b"].bytes
    assert prepare_corpus(find_texts(tmp_path), tmp_path / "clean", vocab_size=320, clean=True).facts == clean.facts
    with pytest.raises(ValueError, match="another --clean"):
        prepare_corpus(find_texts(tmp_path), tmp_path / "clean", vocab_size=320)


def test_a_source_of_which_nothing_is_left_is_refused_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join([f"{n} {RUDE}" for n in range(60)]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"a has no line without a word of .*--no-clean"):
        prepare_corpus(find_texts(tmp_path), tmp_path / "corpus", vocab_size=300, clean=True)
    assert not (tmp_path / "corpus").exists() and not (tmp_path / "corpus.part").exists()


@pytest.mark.parametrize("inside", ["photo.jpg", "album/photo.jpg"])
def test_a_folder_that_is_no_corpus_is_not_touched(texts, tmp_path, inside):
    (tmp_path / "mine" / inside).parent.mkdir(parents=True)
    (tmp_path / "mine" / inside).write_bytes(b"dear")
    for rebuild in (False, True):
        with pytest.raises(ValueError, match=r"mine is there already and is no corpus.*--corpus"):
            prepare_corpus(find_texts(texts), tmp_path / "mine", vocab_size=300, rebuild=rebuild)
    assert (tmp_path / "mine" / inside).read_bytes() == b"dear"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    assert prepare_corpus(find_texts(texts), tmp_path / "empty", vocab_size=300).valid


def test_the_vocabulary_keeps_every_text_and_is_the_same_twice(tmp_path):
    documents = stories(80)
    content = learn_vocabulary(documents, 300, 1000)
    assert content == learn_vocabulary(documents, 300, 1000)
    (tmp_path / "t.model").write_bytes(content)
    tokenizer = SentencePieceTokenizer(tmp_path / "t.model")
    for text in (*documents[:3], "  two  spaces\n\ttab, é, 猫, 007 "):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    labels = [tokenizer.label(token) for token in tokenizer.encode("the fox\nthe fox 42")]
    assert labels.count("↵") == 1 and "4" in labels and "2" in labels
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "holds no .txt or .txt.xz file"),
        ({"a.txt": b"\xff\xfe\x00\x01\x02"}, "not text in UTF-8"),
        ({"a.txt": b"PK\x00\x00\x00data"}, "NUL bytes"),
        ({"a.txt.xz": b"no archive"}, "not a complete .xz file"),
        ({"a.txt": b"\n \n\n"}, "holds no text"),
        ({"a.txt": b"word"}, "too short to hold a part out"),
        ({"a.txt": b"one two\n\n" * 60, "b.txt": b"\xff"}, "b.txt is not text"),
    ],
)
def test_what_is_no_text_is_refused_and_leaves_nothing(tmp_path, files, reason):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        prepare_corpus(find_texts(folder), tmp_path / "corpus", vocab_size=300)
    assert [path.name for path in tmp_path.iterdir()] == ["texts"]


def test_no_folder_and_no_room_for_pieces_are_named(tmp_path, texts):
    with pytest.raises(ValueError, match="not a folder"):
        find_texts(tmp_path / "nothing")
    with pytest.raises(ValueError, match="vocab_size is 260"):
        prepare_corpus(find_texts(texts), tmp_path / "corpus", vocab_size=260)


def test_a_full_disk_leaves_the_older_corpus(corpus, texts, tmp_path, monkeypatch):
    old = prepare_corpus(find_texts(texts), tmp_path / "corpus", vocab_size=300)

    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(ValueError, match=r"No space left on device.*run the same command again"):
        prepare_corpus(find_texts(texts), tmp_path / "corpus", vocab_size=301, rebuild=True)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    assert stream(open_corpus(tmp_path / "corpus").sources["tales"]) == stream(old.sources["tales"])


def test_a_cut_shard_is_noticed(corpus, texts, tmp_path):
    made = prepare_corpus(find_texts(texts), tmp_path / "corpus", vocab_size=300)
    path = made.folder / "tales.000.tokens"
    os.truncate(path, path.stat().st_size - 2)
    with pytest.raises(ValueError, match=r"not a complete corpus.*tales\.000.tokens"):
        open_corpus(made.folder)


def rows(corpus, settings, steps, dealt=None):
    batches = Batches(corpus, settings)
    if dealt:
        batches.dealt.update(dealt)
    return [batches.next(step) for step in steps], batches


def test_a_pass_deals_every_piece_once_before_any_twice(corpus):
    """On two shards whose tokens say where they are."""
    shards = (np.arange(1000, 1700, dtype="<u2"), np.arange(5000, 5900, dtype="<u2"))
    counted = replace(corpus, sources={"numbers": Source("numbers", shards, 1600, 1600, 1)})
    dealt, batches = rows(counted, replace(SMALL, batch=1), range(2 * (20 + 27)))
    starts = [int(row[0, 0, 0]) for row in dealt]
    assert all((row[0, 0] == torch.arange(first, first + 33)).all() for row, first in zip(dealt, starts, strict=True))
    for one_pass in (starts[:47], starts[47:]):
        low, high = sorted(x for x in one_pass if x < 5000), sorted(x for x in one_pass if x >= 5000)
        assert (len(low), len(high)) == (20, 27)
        assert {b - a for part in (low, high) for a, b in pairwise(part)} == {32}
        assert one_pass != low + high
    assert starts[:47] != starts[47:]
    assert batches.passes()["numbers"] == pytest.approx(2, rel=0.07)


def test_batches_go_on_where_they_stopped(corpus):
    settings = replace(SMALL, accumulation=2)
    all_at_once, _ = rows(corpus, settings, range(12))
    _, stopped = rows(corpus, settings, range(5))
    later, _ = rows(corpus, settings, range(5, 12), dealt=stopped.dealt)
    assert all_at_once[0].shape == (2, 4, 33)
    assert all((a == b).all() for a, b in zip(all_at_once[5:], later, strict=True))
    other, _ = rows(corpus, replace(settings, seed=4), range(1))
    assert not (all_at_once[0] == other[0]).all()


def test_mixes_follow_their_phases(corpus):
    phases = ((0, (("tales", 3.0), ("rhymes", 1.0))), (100 * SMALL.step_tokens, (("rhymes", 2.0),)))
    settings = replace(SMALL, tokens=200 * SMALL.step_tokens, phases=phases)
    _, first = rows(corpus, settings, range(100))
    assert first.dealt["tales"] / 400 == pytest.approx(0.75, abs=0.07)
    _, second = rows(corpus, settings, range(100, 200))
    assert second.dealt == {"tales": 0, "rhymes": 400}


def test_without_a_mix_sources_come_by_size(corpus):
    _, batches = rows(corpus, SMALL, range(100))
    assert batches.dealt["tales"] / 400 == pytest.approx(0.75, abs=0.07)


def numbered(corpus, **lengths):
    """Sources whose tokens count up over all of them."""
    sources, first = {}, 0
    for name, length in lengths.items():
        shard = np.arange(first, first + length, dtype="<u2")
        sources[name], first = Source(name, (shard,), length, length, 1), first + length
    return replace(corpus, sources=sources)


@pytest.mark.parametrize(
    "lengths", [{"a": 20, "b": 500, "c": 30}, {"a": 20, "b": 500}, dict.fromkeys(map(str, range(30)), 20)]
)
def test_files_shorter_than_a_sequence_are_read_with_the_others(corpus, lengths):
    made = numbered(corpus, **lengths)
    total = sum(lengths.values())
    dealt, batches = rows(made, replace(SMALL, batch=1), range(200))
    seen = {int(token) for row in dealt for token in row.flatten()}
    assert seen <= set(range(total)) and len(seen) >= total - 4  # each pass cuts at other places
    passes = batches.passes()
    assert passes == pytest.approx(dict.fromkeys(lengths, 200 * 32 / total))
    _, later = rows(made, replace(SMALL, batch=1), range(120, 200), dealt={"": 120})
    assert later.dealt == batches.dealt


def test_a_short_source_that_a_mix_names_is_refused(corpus):
    made = numbered(corpus, a=20, b=500)
    for mix, reason in ((("a", 1.0), "the text of a has 20 tokens, fewer than the 33"), (("", 1.0), "names ''")):
        with pytest.raises(ValueError, match=reason):
            Batches(numbered(corpus, b=500) if not mix[0] else made, replace(SMALL, phases=((0, (mix,)),)))
    assert Batches(made, replace(SMALL, phases=((0, (("b", 1.0),)),))).next(0).shape == (1, 4, 33)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"context": 100_000}, r"all the text has .* fewer than the 100,001 of one training sequence.*--context"),
        ({"phases": ((0, (("novels", 1.0),)),)}, "names 'novels'; this corpus has rhymes, tales"),
    ],
)
def test_a_run_that_a_corpus_cannot_feed_is_refused(corpus, tmp_path, change, reason, start):
    with pytest.raises(ValueError, match=reason):
        start(tmp_path / "run", settings=replace(SMALL, **change))
    assert not (tmp_path / "run").exists()
