"""What the model answers about its residual stream, in its own precision, on the text of the run held fixed.

Of a long text, or with a large vocabulary, a block of positions around the playhead is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app import compute
from app.residual.messages import Cell, Lender
from app.residual.payload import Followed, Labels, Lensed, Patched, Worded
from app.session.rereading import writer_of
from mistral_core.analysis.other_word import with_word
from mistral_core.analysis.progress import Report
from mistral_core.config import MistralConfig
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.influence import Pass

FIRST_WORK, LENS_WORK, WORDS_WORK = 0.4e9, 4e9, 2e9
"""Multiplications that a block may take: what is seen at once, the rest of the lens, promoted words."""
FIRST_LEAST, LENS_LEAST = 12, 48
"""Positions of a block at least, however large the vocabulary is."""
BLOCK_BYTES = 48e6
"""What a block may hold: the stream is kept, so that more can be asked of it."""
FOLLOWED, EACH, CHOICES = 12, 5, 8
"""Tokens followed at a position; promoted, and suppressed, of each part; likeliest of a prediction before and after."""
LONGEST = 2000
"""Characters of another prompt."""
Span = tuple[int, int]


def lens_spans(config: MistralConfig, length: int, t: int) -> tuple[Span, Span]:
    """Positions that are read for a playhead at `t`: what is soon there, and what is seen in the end.

    Each from the first up to but without the second; the same for a short text.
    """
    c = config
    per_position = (c.n_layers + 1) * c.vocab_size * c.dim
    held = 4 * ((3 * c.n_layers + 1) * c.dim + c.n_layers * c.n_heads * c.head_dim + c.vocab_size)
    least = max(LENS_LEAST, min(LENS_WORK / per_position, BLOCK_BYTES / held))
    whole = _around(t, 0, length, least)
    return _around(t, *whole, max(FIRST_LEAST, FIRST_WORK / per_position)), whole


def words_span(config: MistralConfig, lens: Span, t: int) -> Span:
    """The same for promoted words, within those of the lens."""
    return _around(t, *lens, WORDS_WORK / (5 * config.n_layers * config.vocab_size * config.dim))


def _around(t: int, first: int, stop: int, most: float) -> Span:
    """A stretch of at most so many positions with `t` in it; it stays the same while `t` moves a little."""
    size = max(1, int(most))
    if stop - first <= size:
        return first, stop
    step = max(1, size // 2)
    start = min(max(first, t // step * step - (size - step) // 2), stop - size)
    return start, start + size


def other_text(trace: Trace, lender: Lender) -> tuple[int, ...]:
    """The tokens of the text that lends; asks for no weights.

    Raises:
        ValueError: a word of another number of tokens, an empty or endless prompt, or no tokenizer.
    """
    tokenizer = compute.tokenizer(trace.model_name)
    if lender["way"] == "word":
        return with_word(tokenizer, _ids(trace), trace.token_texts, lender["at"], lender["text"])
    if not lender["text"].strip():
        raise ValueError("the other prompt is empty; type a few words")
    if len(lender["text"]) > LONGEST:
        raise ValueError(f"the other prompt has {len(lender['text']):,} characters; give at most {LONGEST:,}")
    return tuple(tokenizer.encode(lender["text"]))


def lensed(trace: Trace, span: Span, key: str, report: Report) -> Lensed:
    """The lens of some positions, and what parts add to the logits of the tokens that it follows.

    Raises:
        ValueError: the model here has other weights, or a text that is too long.
    """
    from mistral_core.analysis.attribution import attribute
    from mistral_core.analysis.logit_lens import logit_lens
    from mistral_core.analysis.stream import read_stream

    report(0, 1, "loading the model")
    loaded = writer_of(trace)
    stream = read_stream(loaded.model, _ids(trace), first=span[0], stop=span[1], report=report)
    lens = logit_lens(loaded.model, stream, n_tokens=min(FOLLOWED, loaded.config.vocab_size), report=report)
    shares = attribute(loaded.model, stream, lens.tokens)
    arrays = {
        "top": lens.top,
        "probability": lens.probability,
        "entropy": lens.entropy,
        "kl": lens.kl,
        "tokens": lens.tokens,
        "log_prob": lens.log_prob,
        "rank": lens.rank,
        "logits": shares.logits,
        "parts": shares.parts,
        "heads": shares.heads,
    }
    facts = {"key": key, "first": span[0], "count": span[1] - span[0]}
    return Lensed(
        facts={**facts, "error": shares.error, "heads_error": shares.heads_error},  # type: ignore[typeddict-item]
        arrays=arrays,
        labels=_labels(loaded.tokenizer, lens.top, lens.tokens),
        stream=stream,
    )


def worded(trace: Trace, lens: Lensed, span: Span, key: str, report: Report) -> Worded:
    """What every part promotes and suppresses at some positions.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.attribution import promoted

    loaded = writer_of(trace)
    words = promoted(loaded.model, lens.stream, *span, each=EACH, report=report)
    names = ("tokens", "added", "before", "after")
    return Worded(
        facts={"key": key, "first": span[0], "count": span[1] - span[0]},
        arrays={f"word_{name}": getattr(words, name) for name in names},
        labels=_labels(loaded.tokenizer, words.tokens),
    )


def followed(trace: Trace, lens: Lensed, pins: tuple[int, ...], key: str, report: Report) -> Followed:
    """Pinned tokens in every cell of a lens, and what parts add to their logits.

    Raises:
        ValueError: the model here has other weights, or a token that does not exist.
    """
    from mistral_core.analysis.attribution import attribute
    from mistral_core.analysis.logit_lens import follow

    loaded = writer_of(trace)
    where = follow(loaded.model, lens.stream, pins, report)
    shares = attribute(loaded.model, lens.stream, np.tile(np.array(pins), (lens.facts["count"], 1)))
    arrays = {"log_prob": where.log_prob, "rank": where.rank}
    arrays |= {"logits": shares.logits, "parts": shares.parts, "heads": shares.heads}
    return Followed(
        facts={"key": key, "first": lens.facts["first"], "count": lens.facts["count"]},
        arrays={f"pin_{name}": array for name, array in arrays.items()},
        labels=_labels(loaded.tokenizer, np.array(pins)),
    )


def patched(trace: Trace, span: Span, lender: Lender, cell: Cell | None, key: str, report: Report) -> Patched:
    """The other text's lens at the positions that both have; with a cell, this text with that cell in it.

    Raises:
        ValueError: a text that cannot lend, a cell that is not in both grids, or other weights.
    """
    from mistral_core.analysis.influence import read
    from mistral_core.analysis.patched_cell import likeliest, patch_cell

    report(0, 1, "loading the model")
    loaded, ids, other = writer_of(trace), _ids(trace), other_text(trace, lender)
    lent, at = slice(span[0], min(span[1], len(other))), slice(*span)
    if lent.start >= lent.stop:
        raise ValueError(
            f"the other text has {len(other)} tokens and none of those that are shown; choose a longer one"
        )
    top, probability = likeliest(loaded.model, read(loaded.model, other, report=report).states[:, lent])
    arrays = {"lender_top": top, "lender_probability": probability}
    outside = inside = moved = 0
    tokens = [top]
    if cell is not None:
        measured = patch_cell(loaded.model, ids, other, cell["row"], cell["position"], report=report)
        outside, inside = measured.outside, int(measured.cone.sum())
        moved = int((measured.change[measured.cone] > 0).sum())
        arrays |= {
            "cone": measured.cone[:, at],
            "change": measured.change[:, at],
            "patched_top": measured.top[:, at],
            "patched_probability": measured.probability[:, at],
            "patched_kl": measured.kl[at],
        }
        arrays |= _choices(measured.original, measured.changed, at)
        tokens += [arrays["patched_top"], arrays["choice_tokens"]]
    return Patched(
        facts={
            "key": key,
            "first": span[0],
            "count": span[1] - span[0],
            "lender": lender,
            "cell": cell,
            "outside": outside,
            "inside": inside,
            "moved": moved,
            "words": [loaded.tokenizer.label(token) for token in other[lent]],
        },
        arrays=arrays,
        labels=_labels(loaded.tokenizer, *tokens),
    )


def _choices(original: Pass, changed: Pass, at: slice) -> dict[str, np.ndarray]:
    """The likeliest next tokens of both readings at every position, with both probabilities; likeliest before first."""
    before, after = (one.logits[at].double().softmax(-1).cpu().numpy() for one in (original, changed))
    both = np.maximum(before, after)
    tokens = np.argpartition(-both, min(CHOICES, both.shape[1]) - 1)[:, :CHOICES]
    order = np.argsort(-np.take_along_axis(before, tokens, 1), 1, kind="stable")
    tokens = np.take_along_axis(tokens, order, 1)
    return {
        "choice_tokens": tokens,
        "choice_before": np.take_along_axis(before, tokens, 1),
        "choice_after": np.take_along_axis(after, tokens, 1),
    }


def _ids(trace: Trace) -> tuple[int, ...]:
    return tuple(int(token) for token in trace.token_ids)


def _labels(tokenizer: Tokenizer, *ids: np.ndarray) -> Labels:
    return {str(token): tokenizer.label(int(token)) for token in np.unique(np.concatenate([a.ravel() for a in ids]))}
