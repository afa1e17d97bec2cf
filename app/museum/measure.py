"""The measurements of the museum: a text read both ways, and what verify says of the copy with the mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import compute
from app.museum.messages import Checked
from app.museum.payload import Measured
from app.session.rereading import writer_of
from mistral_core.analysis.progress import Report
from mistral_core.museum.exhibits import exhibit
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.museum.caught import Caught


def measure(trace: Trace, name: str, length: int, report: Report) -> Measured:
    """Reads the beginning of a run's text with the model and with a copy that has the mistake.

    Raises:
        ValueError: the model here has other weights, or the mistake cannot be shown with it and this text.
    """
    from mistral_core.museum.pictures import draw
    from mistral_core.museum.reading import compare

    report(0, 1, "loading the model")
    loaded, chosen = writer_of(trace), exhibit(name)
    ids, tokenizer = [int(token) for token in trace.token_ids[:length]], loaded.tokenizer
    compared = compare(loaded.model, chosen, ids, stop=tokenizer.eos_id, report=report)
    drawn = draw(loaded.config, chosen, len(ids))
    before = len(tokenizer.decode(ids))
    right, wrong = (tokenizer.decode([*ids, *written])[before:] for written in (compared.right, compared.wrong))
    return Measured(
        facts={
            "errs_from": compared.errs_from,
            "expected": compared.expected,
            "largest": compared.largest,
            "written": (right, wrong),
            "same": _same(right, wrong),
        },
        error=compared.error,
        kl=compared.kl,
        drawing=drawn.kind,
        right=drawn.right,
        wrong=drawn.wrong,
    )


def _same(a: str, b: str) -> int:
    """How many characters are the same from the beginning."""
    return next((i for i, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))


def ask_verify(trace: Trace, name: str, report: Report) -> Caught:
    """What verify says of the copy; asked once for all visitors.

    Raises:
        ValueError: the model here has other weights, or verify cannot be asked about it.
    """
    report(0, 1, "loading the model")
    writer_of(trace)
    return compute.caught(trace.model_name, trace.model_hash, name, _report=report)


def checked_facts(caught: Caught) -> Checked:
    """The same for the browser."""
    from mistral_core.verification.verify import to_json

    lines = zip(to_json(caught.lines), caught.verdicts, strict=True)
    return {
        "by": list(caught.by),
        "others_alone": caught.by_others_alone,
        "lines": [
            {
                "check": line["check"],
                "compared": line["compared"],
                "error": line["max_abs_error"],
                "bound": line["bound"],
                "verdict": verdict,
            }
            for line, verdict in lines
        ],
    }
