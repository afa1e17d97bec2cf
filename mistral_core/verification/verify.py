"""Is this Mistral and nothing else? The checks, in one table, on the model that is actually loaded.

    results = verify(load_model("assets/models/storyteller"))
    all(result.ok for result in results)

Each line compares two ways to the same numbers and states the largest difference and its bound;
the bounds are fixed in code (`verification/subject.py`). What cannot be decided is a line that is
not proven: not ok, and no failure either. What is tested can be replaced by a faulty version
(`Substitutes`), and the tests do so for every check: each is known to be able to fail.

Source: the list is this project's own; "independent forward" is written from the papers, and the bundled
"golden logits" come from transformers' Mistral.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from mistral_core.analysis.progress import Report, silent
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.verification import checks, independent, reach, runs
from mistral_core.verification.operations import Substitutes
from mistral_core.verification.subject import CheckResult, Subject, make_subject

__all__ = ["CHECKS", "CheckResult", "Substitutes", "table", "to_json", "verify"]

Check = Callable[[Subject, Substitutes], list[CheckResult]]

CHECKS: dict[str, Check] = {
    "independent forward": independent.independent_forward,
    "rounded weights": independent.rounded_weights,
    "rotary order": independent.order_of_rows,
    "golden logits": checks.golden_logits,
    "cached decode": checks.cached_decode,
    "chunked prefill": checks.chunked_prefill,
    "ring contents": checks.ring_contents,
    "grouped queries": checks.grouped_queries,
    "explicit attention": checks.explicit_attention,
    "reach": reach.reach,
    "ragged batch": runs.ragged_batch,
    "save and load": runs.save_and_load,
    "seeded sampling": runs.seeded_sampling,
}
"""Name -> check, in the order of the table; one check can have several lines."""


def verify(
    loaded: LoadedModel,
    *,
    substitutes: Substitutes = Substitutes(),
    only: Collection[str] | None = None,
    progress: Report = silent,
) -> list[CheckResult]:
    """Runs all checks on a model, or only the named ones.

    A check that breaks off is a failed line with the reason, and the others still run.

    Args:
        loaded: what `load_model` returned.
        substitutes: operations under test; tests plant faults here.
        only: names of checks; default: all.
        progress: told the name of each check before it, and "" at the end.
    """
    subject = make_subject(loaded)
    results = []
    chosen = {name: check for name, check in CHECKS.items() if only is None or name in only}
    for done, (name, check) in enumerate(chosen.items()):
        progress(done, len(chosen), name)
        try:
            results += check(subject, substitutes)
        except (ValueError, RuntimeError, LookupError, OSError, TypeError) as error:
            results.append(
                CheckResult(
                    check=name,
                    compared="the check could not be finished",
                    max_abs_error=None,
                    bound=None,
                    ok=False,
                    note=f"{type(error).__name__}: {error}",
                )
            )
    progress(len(chosen), len(chosen), "")
    return results


def to_json(results: Sequence[CheckResult]) -> list[dict[str, Any]]:
    """One object per line, with the fields of `CheckResult`; an error that is no number is null."""
    return [{**vars(line), "max_abs_error": _finite(line.max_abs_error)} for line in results]


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def table(results: Sequence[CheckResult]) -> str:
    """The results as aligned text: ok, check, max abs error, bound, what is compared, note.

    In the place of "ok" stands FAIL, ? where nothing is proven, or - where the check does not apply.
    """
    header = ("ok", "check", "max abs error", "bound", "compared", "")
    rows = [header, *(_cells(line) for line in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) - 1)]
    lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip() for row in rows]
    applied = sum(line.applies for line in results)
    verdict = f"{sum(line.ok and line.applies for line in results)} of {applied} lines ok"
    if failed := sum(not line.ok and line.proven for line in results):
        verdict += f", {failed} FAILED"
    if unproven := sum(not line.proven for line in results):
        verdict += f", {unproven} not proven"
    left_out = len(results) - applied
    return "\n".join([*lines, "", verdict + (f", {left_out} do not apply" if left_out else "")])


def _cells(line: CheckResult) -> tuple[str, str, str, str, str, str]:
    mark = "-" if not line.applies else "ok" if line.ok else "FAIL" if line.proven else "?"
    error, bound = ("-" if x is None else f"{x:.1e}" if x else "0" for x in (line.max_abs_error, line.bound))
    return mark, line.check, error, bound, line.compared, line.note
