"""One claim: what it says, what would have to be seen, what was measured, and the experiment to run here."""

from __future__ import annotations

import time
from typing import Literal

import streamlit as st

from app import compute
from app.session import state
from app.session.desk import Desk
from app.shared.chart import chart
from app.shared.work_panel import work_panel
from app.test_the_paper.figure import Picture, figures_of
from app.test_the_paper.state import PaperState
from app.test_the_paper.terms import explained
from app.test_the_paper.weights import weights_notice
from app.test_the_paper.words import as_csv, as_json, as_table, badge, cells, criteria_rows, needed_rows
from mistral_core.experiments.claims import Claim
from mistral_core.experiments.finding import RULE, Finding, because
from mistral_core.experiments.record import Record

FORMS = {"quick (under 10 s)": True, "long (minutes)": False}


def stated(number: int, claim: Claim, record: Record | None) -> None:
    """The claim, the remark, and the words that need a line before they are used."""
    st.subheader(f"{number}. {claim.title}")
    st.markdown(f"> {claim.statement}\n>\n> *{claim.where}*")
    st.markdown(f"**The remark.** {claim.remark}")
    if terms := explained(claim, record.finding if record else None):
        with st.expander(f"Words used below: {', '.join(terms)}"):
            st.markdown("\n".join(f"- *{name}*: {says}" for name, says in terms.items()))


def recorded(claim: Claim, record: Record | None) -> None:
    """The stored finding, or what would have to be seen."""
    if record is None:
        st.caption("This claim has not been measured yet. What would have to be seen:")
        st.html(as_table(needed_rows(claim.needed)))
        return
    weights_notice(record)
    _finding(record.finding, "recorded")
    st.caption(
        f"recorded: {record.day}, {record.machine}; {record.finding.seconds:,.0f} s. Measured again by "
        f"`{record.command}`. The thresholds stand in mistral_core/experiments/{claim.name}.py, in the history before "
        "the result."
    )


def live(desk: Desk, claim: Claim, record: Record | None) -> None:
    """The same experiment on this machine."""
    st.subheader("Try it here")
    queue, page = compute.experiments(), desk.page_state(PaperState)
    form = st.segmented_control(
        "Form", list(FORMS), default=next(iter(FORMS)), key=state.EXPERIMENT_FORM, label_visibility="collapsed"
    )
    quick = FORMS.get(form or "", True)
    name = f"{claim.name} {quick}"
    outcome = queue.outcome(claim.name, quick)
    mine = page.live.get(name)
    if outcome is not None and (mine is None or not mine.running):
        _measured_here(outcome.finding, outcome.at, record)
        label = "Measure again"
        if mine is not None:
            page.live.forget(name)  # what it gave is kept for all
    else:
        label = "Measure it now"
    finding = work_panel(
        page.live,
        name,
        lambda report: queue.run(claim.name, quick, report),
        key=state.EXPERIMENT,
        label=label,
        type="primary" if outcome is None else "secondary",
        icon=":material/science:",
    )
    if finding is not None and outcome is None:
        st.rerun()


def _measured_here(finding: Finding, at: float, record: Record | None) -> None:
    minutes = int(time.time() - at) // 60
    when = "just now" if minutes < 1 else f"{minutes} minute{'s' if minutes > 1 else ''} ago"
    if record is not None:
        same = finding.verdict == record.finding.verdict
        st.markdown(
            f"Here: {badge(finding.verdict)} {'as recorded' if same else f'recorded was: {record.finding.verdict}'}",
            unsafe_allow_html=True,
        )
        others = [
            name for name, content in finding.models.items() if record.finding.models.get(name, content) != content
        ]
        if others:
            st.warning(f"The recorded result is of other weights of {', '.join(others)} than those here.")
    _finding(finding, "live", headed=record is None)
    st.caption(f"model: measured on this machine {when}, in {finding.seconds:.1f} s.")


def _finding(finding: Finding, kind: Literal["recorded", "live"], headed: bool = True) -> None:
    """Verdict, criteria, picture, limits, tables and files."""
    if headed:
        st.html(badge(finding.verdict))
        reason = because(finding.criteria)
        st.caption(f"{reason[0].upper()}{reason[1:]}. {RULE}")
    _pictures(figures_of(finding, "recorded" if kind == "recorded" else "model"), finding.claim, kind)
    st.html(as_table(criteria_rows(finding.criteria)))
    if finding.limits:
        st.markdown("**Limits**\n" + "\n".join(f"- {limit}" for limit in finding.limits))
    for table in finding.tables:
        with st.expander(f"{table.title} ({table.source})"):
            st.dataframe(cells(table), hide_index=True)
    _files(finding, kind)


def _pictures(pictures: list[Picture], claim: str, kind: str) -> None:
    """Side by side, each with its words: what is in one is not to be held against what is in another."""
    if not pictures:
        return
    for index, (place, picture) in enumerate(zip(st.columns(len(pictures), gap="large"), pictures, strict=True)):
        with place:
            if picture.heading:
                st.markdown(f"**{picture.heading}**")
            chart(picture.draw, key=state.experiment_part(claim, kind, f"figure {index}"), alt=picture.alt)
            st.caption(picture.says)


def _files(finding: Finding, kind: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for kind_of_file, content in (("csv", as_csv), ("json", as_json)):
            st.download_button(
                f"{kind_of_file.upper()} file",
                content(finding),
                f"{finding.claim}.{kind_of_file}",
                key=state.experiment_part(finding.claim, kind, kind_of_file),
                type="tertiary",
                icon=":material/download:",
            )
