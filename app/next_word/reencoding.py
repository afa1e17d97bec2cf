"""Are the tokens of the shown text those that encoding it gives: what is asked of the tokenizer, and of the model."""

from __future__ import annotations

from app import compute
from app.next_word.state import CutLosses, NextWordState
from app.session.desk import Desk
from app.session.rereading import writer_of
from app.session.runs import Record
from app.session.sentence import sentence
from mistral_core.analysis.progress import Report
from mistral_core.analysis.reencoding import Reencoded, reencoded
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.trace import Trace

MOST = 20
"""Places that are listed."""
AROUND = 2
"""Tokens before a place that are shown with it."""


def cuts_of(desk: Desk, record: Record, trace: Trace) -> Reencoded | str:
    """Both cuts of a text, or the sentence why there is one alone; kept while the text stays as long as it is."""
    page, wanted = desk.page_state(NextWordState), (record.name, len(trace))
    if page.cuts is None or page.cuts[0] != wanted:
        try:
            page.cuts = wanted, reencoded(compute.tokenizer(trace.model_name), trace.token_ids.tolist())
        except ValueError as error:
            page.cuts = wanted, sentence(error)
    return page.cuts[1]


def losses_of(trace: Trace, cuts: Reencoded, report: Report) -> CutLosses:
    """Reads the text in both cuts.

    Raises:
        ValueError: the model here has other weights, or the text is too long to be read as a whole.
    """
    from mistral_core.analysis.reencoding_loss import cut_loss

    report(0, 1, "loading the model")
    loss = cut_loss(writer_of(trace).model, cuts, report)
    return loss.bits_per_byte(), tuple(loss.at(place) for place in cuts.places)


def said(cuts: Reencoded, n_prompt: int) -> str:
    """What came of it, in sentences."""
    count = len(cuts.written)
    left = f" The last {_tokens(cuts.left_out)} are left out: {cuts.why}." if cuts.left_out else ""
    if not cuts.places:
        return f"Yes: encoding the letters of this text gives all of its {count:,} tokens again.{left}"
    where = "one place" if len(cuts.places) == 1 else f"{len(cuts.places):,} places"
    seam = any(place.start < n_prompt < place.stop for place in cuts.places)
    touch = " One is where the prompt ends: what was typed and what was written are one word there." if seam else ""
    return (
        f"Not everywhere: in {where}, {cuts.differing:,} of {count:,} tokens are not those that encoding the same "
        f"letters gives; encoded, the text has {len(cuts.again):,}.{touch}{left}"
    )


def place_rows(cuts: Reencoded, tokenizer: Tokenizer, losses: CutLosses | None = None) -> list[dict[str, str]]:
    """The places that differ, as a table; with what each costs, once it is known."""
    rows = []
    for index, place in enumerate(cuts.places[:MOST]):
        before = cuts.written[max(0, place.start - AROUND) : place.start]
        row = {
            "position": str(place.start),
            "after": "".join(map(tokenizer.text, before)).strip(),
            "as written": _pieces(tokenizer, cuts.written[place.start : place.stop]),
            "as encoded": _pieces(tokenizer, cuts.again[place.again_start : place.again_stop]),
        }
        if losses is not None:
            written, again = losses[1][index]
            row |= {"written, nats": f"{written:.2f}", "encoded, nats": f"{again:.2f}"}
        rows.append(row)
    return rows


def verdict(losses: CutLosses) -> str:
    """What the cut does to the loss, in a sentence."""
    written, again = losses[0]
    difference = again - written
    word = "more" if difference > 0 else "less"
    return (
        f"As it was written the text costs {written:.4f} bits per byte, as it is encoded {again:.4f}: "
        f"{abs(difference):.4f} {word}. The letters are the same; ids, positions and states are not."
    )


def _pieces(tokenizer: Tokenizer, ids: tuple[int, ...]) -> str:
    return " | ".join(tokenizer.label(one) for one in ids)


def _tokens(count: int) -> str:
    return "token" if count == 1 else f"{count:,} tokens"
