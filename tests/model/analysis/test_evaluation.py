"""Bits per byte: against a dense pass written out by hand, and against transformers."""

import lzma
import math
from pathlib import Path

import pytest
import torch

from mistral_core.analysis import evaluation
from mistral_core.analysis.evaluation import evaluate, read_documents, split_documents
from mistral_core.checkpoint.load import load_model
from mistral_core.model import Transformer

BUNDLED = Path(__file__).parents[3] / "assets/models/storyteller"
TEXT = "A fox came to a well.\nIt was deep.\n\n \nThe goat — old and wise — said: nö!\n\n\nEnd\n"
DOCUMENTS = ["A fox came to a well.\nIt was deep.", "The goat — old and wise — said: nö!", "End"]


def by_hand(model, tokenizer, documents):
    """Each document in one dense pass; `(nats, tokens, bytes)`."""
    nats, tokens, n_bytes = 0.0, 0, 0
    for document in documents:
        ids = [tokenizer.bos_id, *tokenizer.encode(document, bos=False), tokenizer.eos_id]
        logits = model(torch.tensor([ids]))[0]
        for position, target in enumerate(ids[1:]):
            nats += float(torch.logsumexp(logits[position], 0) - logits[position, target])
        tokens += len(ids) - 1
        n_bytes += len(document.encode())
    return nats, tokens, n_bytes


@pytest.mark.parametrize("chunk_size", [1, 4, 7, 1000])
def test_equals_a_dense_pass_for_any_chunk_size(tiny_model64, tokenizer, chunk_size):
    nats, tokens, n_bytes = by_hand(tiny_model64, tokenizer, DOCUMENTS)
    result = evaluate(tiny_model64, tokenizer, TEXT, chunk_size=chunk_size)
    assert (result.tokens, result.bytes, result.documents) == (tokens, n_bytes, 3)
    assert result.loss == pytest.approx(nats / tokens, rel=1e-12)
    assert result.bits_per_byte == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-12)


@pytest.mark.parametrize("windows", [1, 9, None, (3, None)])
def test_another_window_is_that_of_a_model_with_these_weights_and_it(tiny_model64, tokenizer, windows):
    other = Transformer(tiny_model64.config.with_window(windows)).double().requires_grad_(False)
    other.load_state_dict(tiny_model64.state_dict())
    nats, tokens, _ = by_hand(other, tokenizer, DOCUMENTS)
    result = evaluate(tiny_model64, tokenizer, DOCUMENTS, windows=windows)
    assert result.loss == pytest.approx(nats / tokens, rel=1e-12)
    assert result.loss != pytest.approx(evaluate(tiny_model64, tokenizer, DOCUMENTS).loss, rel=1e-6)
    assert tiny_model64.config.sliding_window == 5


@pytest.mark.parametrize("after", [0, 1, 7, 20])
def test_the_loss_after_a_token_is_the_mean_of_what_follows_it_in_each_document(tiny_model64, tokenizer, after):
    nats, tokens, longest = 0.0, 0, 0
    for document in DOCUMENTS:
        ids = [tokenizer.bos_id, *tokenizer.encode(document, bos=False), tokenizer.eos_id]
        said = tiny_model64(torch.tensor([ids]))[0].log_softmax(-1)
        each = [-float(said[position, target]) for position, target in enumerate(ids[1:])]
        nats, tokens, longest = nats + sum(each[after:]), tokens + len(each[after:]), max(longest, len(each))
    result = evaluate(tiny_model64, tokenizer, DOCUMENTS, after=after, chunk_size=6)
    assert result.loss_after == pytest.approx(nats / tokens, rel=1e-12)
    assert (result.after, result.tokens_after, result.longest) == (after, tokens, longest)
    assert (result.loss_after == result.loss) == (after == 0)
    assert result.loss == evaluate(tiny_model64, tokenizer, DOCUMENTS, chunk_size=6).loss


def test_a_loss_after_the_end_of_every_document_is_refused(tiny_model64, tokenizer):
    longest = evaluate(tiny_model64, tokenizer, DOCUMENTS).longest
    assert evaluate(tiny_model64, tokenizer, DOCUMENTS, after=longest - 1).tokens_after == 1
    with pytest.raises(
        ValueError, match=rf"after is {longest}, and the longest document has {longest} tokens .* fewer"
    ):
        evaluate(tiny_model64, tokenizer, DOCUMENTS, after=longest)
    with pytest.raises(ValueError, match="after is -1; it must be 0 or more"):
        evaluate(tiny_model64, tokenizer, DOCUMENTS, after=-1)


def test_the_bundled_model_agrees_with_transformers():
    transformers = pytest.importorskip("transformers")
    loaded = load_model(BUNDLED)
    document = " ".join(f"The {word} king had {number} sons." for number in range(9) for word in ("old", "sad", "fat"))
    ids = torch.tensor([loaded.tokenizer.encode(document, eos=True)])
    assert ids.shape[1] > loaded.config.exact_reach() + 16
    reference = transformers.MistralForCausalLM.from_pretrained(BUNDLED, dtype=torch.float32, local_files_only=True)
    with torch.inference_mode():
        logits = reference(ids, use_cache=False).logits[0, :-1]
    loss = float(torch.nn.functional.cross_entropy(logits, ids[0, 1:]))
    assert evaluate(loaded.model, loaded.tokenizer, document).loss == pytest.approx(loss, rel=1e-5)


def test_no_call_reads_more_than_a_chunk_and_the_rings_do_not_grow(tiny_model, tokenizer, monkeypatch):
    widths, sizes = [], set()
    forward = Transformer.forward

    def spy(self, tokens, positions=None, kv_cache=None, last_only=False):
        widths.append(tokens.shape[1])
        sizes.add(kv_cache.nbytes)
        return forward(self, tokens, positions, kv_cache, last_only)

    monkeypatch.setattr(Transformer, "forward", spy)
    evaluate(tiny_model, tokenizer, ["x" * 700, "y"], chunk_size=64)
    assert max(widths) == 64
    assert len(sizes) == 1
    widths.clear()
    monkeypatch.setattr(evaluation, "MAX_SCORES", 6 * 20 * 25)  # 6 heads, 5 slots: chunks of 20
    evaluate(tiny_model, tokenizer, ["x" * 100], chunk_size=64)
    assert max(widths) == 20


def test_progress_is_the_measure_so_far(tiny_model, tokenizer):
    seen = []
    result = evaluate(tiny_model, tokenizer, DOCUMENTS, progress=seen.append)
    assert [now.documents for now in seen] == [1, 2, 3]
    assert seen[0] == evaluate(tiny_model, tokenizer, DOCUMENTS[:1])
    assert seen[-1] == result


def test_documents_are_what_stands_between_blank_lines(tmp_path):
    assert list(split_documents(TEXT.splitlines(keepends=True))) == DOCUMENTS
    plain, packed, windows = tmp_path / "a.txt", tmp_path / "a.txt.xz", tmp_path / "b.txt"
    plain.write_text(TEXT, encoding="utf-8")
    packed.write_bytes(lzma.compress(TEXT.encode()))
    windows.write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert list(read_documents(plain)) == list(read_documents(packed)) == list(read_documents(windows)) == DOCUMENTS


def test_a_line_separator_of_unicode_ends_no_line(tiny_model, tokenizer):
    assert evaluate(tiny_model, tokenizer, "one\u2028\u2028two\x0c\x0cthree").documents == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("latin.txt", "schön".encode("latin-1"), "is not text in UTF-8"),
        ("binary.txt", b"abc\0def", "NUL bytes"),
        ("empty.txt", b"", "holds no text"),
        ("blank.txt", b"\n \n\t\n", "holds no text"),
        ("false.xz", b"no archive at all", r"is not a complete \.xz file"),
        ("cut.xz", lzma.compress(b"a story " * 1000)[:-40], r"is not a complete \.xz file"),
        ("missing.txt", None, "No such file"),
    ],
)
def test_bad_files_are_refused_in_a_sentence(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        list(read_documents(tmp_path / name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_arguments(tiny_model, tokenizer):
    with pytest.raises(ValueError, match="chunk_size is 0"):
        evaluate(tiny_model, tokenizer, "a", chunk_size=0)
    with pytest.raises(ValueError, match="no text"):
        evaluate(tiny_model, tokenizer, " \n\n")
    with pytest.raises(ValueError, match="sliding_window is 0"):
        evaluate(tiny_model, tokenizer, "a", windows=0)
