"""All claims at a glance: what each says, the verdict, and why it is that. One of them is open."""

from __future__ import annotations

import streamlit as st

from app.session import state
from app.test_the_paper.state import PaperState
from app.test_the_paper.words import badge
from mistral_core.experiments.claims import MODULES, Claim, experiment
from mistral_core.experiments.finding import because
from mistral_core.experiments.record import Record, read_record


def claims() -> dict[str, Claim]:
    """By name, in the order of the paper."""
    return {name: experiment(name).CLAIM for name in MODULES}


def records() -> tuple[dict[str, Record | None], list[str]]:
    """The recorded findings by claim, and sentences on those that cannot be read."""
    stored: dict[str, Record | None] = {}
    notices = []
    for name in MODULES:
        try:
            stored[name] = read_record(name)
        except ValueError as error:
            stored[name] = None
            notices.append(str(error))
    return stored, notices


def board(page: PaperState, stored: dict[str, Record | None]) -> None:
    """A line for each claim; a press opens it."""
    for index, (name, claim) in enumerate(claims().items(), start=1):
        record = stored[name]
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=state.row_of(name)):
            st.button(
                f"{index}  {claim.title}",
                key=state.open_claim(name),
                type="secondary" if name == page.claim else "tertiary",
                on_click=_open,
                args=(page, name),
                width="content",
            )
            if record is None:
                st.caption("not measured yet", width="content")
            else:
                st.html(badge(record.finding.verdict), width="content")
                st.caption(because(record.finding.criteria), width="content")


def _open(page: PaperState, name: str) -> None:
    page.claim = name
