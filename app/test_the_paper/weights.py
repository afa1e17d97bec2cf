"""Whether a record is of the weights that are here now, said before anything is run."""

from __future__ import annotations

import streamlit as st

from app import compute
from mistral_core.experiments.record import Record
from mistral_core.experiments.weights_here import Compared

LOOK = 0.5
"""Seconds between two looks at whether the weights have been read."""


def weights_notice(record: Record) -> None:
    """A line on the weights of a record; nothing where it ran no model."""
    measured = record.finding.models
    if not measured:
        return
    compared = compute.weights_here().compared(measured)
    if compared.pending:
        _waiting(record)
    elif warning := other_weights(compared, record):
        st.warning(warning)
    else:
        st.caption(same_weights(compared))


@st.fragment(run_every=LOOK)
def _waiting(record: Record) -> None:
    """Looks again and again; the line that follows takes the place of this one."""
    if compute.weights_here().compared(record.finding.models).pending:
        st.caption("Comparing the weights that are here with those that were measured …")
    else:
        st.rerun()


def other_weights(compared: Compared, record: Record) -> str:
    """That a record is of other weights, and what to do; "" where it is not."""
    if not compared.other:
        return ""
    return (
        f"The weights of {_listed(compared.other)} that are here now are not those that this record measured: its "
        "numbers and its verdict are of the weights of that day. Measure it again below, or renew the record with "
        f"`{record.command} --record assets/experiments`."
    )


def same_weights(compared: Compared) -> str:
    """That a record is of the weights that are here."""
    said = (
        f"The weights of {_listed(compared.same)} that are here are those that were measured." if compared.same else ""
    )
    absent = f"{_listed(compared.absent)} was measured too and is not here." if compared.absent else ""
    return " ".join(filter(None, (said, absent)))


def _listed(names: tuple[str, ...]) -> str:
    """Names in a sentence.

    >>> _listed(("a",)), _listed(("a", "b", "c"))
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
