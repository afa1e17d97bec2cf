"""Is it really this model? The checks of `python -m mistral_core verify`, run on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import compute
from app.models.state import ModelsState
from app.session import state
from app.session.desk import Desk
from app.shared.work_panel import work_panel
from mistral_core.analysis.progress import Report

if TYPE_CHECKING:
    from mistral_core.verification.subject import CheckResult


def trust(desk: Desk, name: str) -> None:
    """The checks of `python -m mistral_core verify`, run here on demand."""
    st.subheader("Is it really this model?")
    checks = desk.page_state(ModelsState).checks
    st.write(
        "The checks run the model and compare what it computes: with a second program written from the papers, with "
        "stored logits (the raw score of every possible next token), token by token with all at once and in chunks, "
        "the ring with the last W keys, and the exact reach. Each error is measured now."
    )
    results = work_panel(
        checks,
        name,
        lambda report: verification(name, report),
        key=state.CHECKS,
        label="Check it now",
        icon=":material/verified:",
    )
    if results is not None:
        _results(results)


def verification(name: str, report: Report) -> list[CheckResult]:
    """Runs the checks of a model.

    Raises:
        ValueError: no such model, or its files are damaged.
    """
    from mistral_core.verification.verify import verify

    return verify(compute.engine().model(name), progress=report)


def _results(results: list[CheckResult]) -> None:
    failed = [result for result in results if not result.ok and result.proven]
    unproven = [result for result in results if not result.proven]
    if failed:
        st.error(f"{len(failed)} of {len(results)} checks failed: this model is not what it says.")
    elif unproven:
        st.warning(f"No check failed, but {len(unproven)} of {len(results)} could not decide.")
    else:
        st.success(f"All {len(results)} checks hold.")
    if rounding := next((result for result in results if result.check == "rounded weights"), None):
        st.write(error_of_rounding(rounding))
    rows = [
        {
            "check": result.check,
            "holds": _verdict(result),
            "largest error": _number(result.max_abs_error),
            "bound": _number(result.bound),
            "compared": "; ".join(filter(None, (result.compared, result.note))),
        }
        for result in results
    ]
    st.table(rows, hide_index=True)  # what was compared is a sentence: here it has the lines that it needs
    st.caption("model: measured on the running model. The same table: `python -m mistral_core verify`.")


def error_of_rounding(line: CheckResult) -> str:
    """What keeping the weights in fewer bytes changes, as measured by the check of that name."""
    if line.max_abs_error is None:
        return f"The error against float32 could not be measured: {line.note}."
    return (
        f"Error against float32: the predictions of the weights as they are kept lie {line.max_abs_error:.2g} nats a "
        f"token from those of the weights in the files (KL divergence, in the mean), {line.note}."
    )


def _verdict(result: CheckResult) -> str:
    if not result.applies:
        return "does not apply"
    if not result.proven:
        return "not proven"
    return "yes" if result.ok else "NO"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
