"""From a broken run to the pages that show what is in it: there it stands beside the whole one."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from app.break_it.question import Choice
from app.break_it.state import BreakState
from app.navigation import ENTRIES, go_to
from app.session import state
from app.session.address import address
from app.session.beside import read_beside
from app.session.desk import Desk
from app.session.progress import trace_of, writing
from app.shared.frame import part
from mistral_core.analysis.interventions import Part
from mistral_core.analysis.spelled_changes import change_in_words, interventions_of
from mistral_core.checkpoint import registry

PAGES = ("attention", "ring", "reach", "next_word")


def look_inside(desk: Desk) -> None:
    """Below the picture: the text is read by the broken network, token for token, and opened beside on another page."""
    record, trace = desk.record, trace_of(desk.record)
    choice = desk.page_state(BreakState).of(record.name).choice if record is not None else None
    if trace is None or choice is None or not choice.changes:
        return
    with part("inside"):
        st.subheader("Look inside: both runs beside each other")
        if problem := _problem(choice):
            st.caption(problem)
            return
        broken = "; ".join(change_in_words(one) for one in choice.changes)
        st.caption(f"The same text is read by the network in which {broken}; the whole one stands beside it.")
        with st.container(horizontal=True, gap="small"):
            titles = {entry.name: entry.title for entry in ENTRIES}
            pressed = [
                name for name in PAGES if st.button(titles[name], key=state.inside(name), disabled=writing(desk))
            ]
        if pressed:
            model, window, sinks, before = registry.parts_of(trace.model_name)
            desk.lay_beside(None)
            read_beside(desk, registry.imposed(model, window, sinks, (*before, *choice.changes)))
            if desk.beside is not None:
                go_to(pressed[0], **address(desk))
            st.rerun()


def _problem(choice: Choice) -> str:
    """Why a network cannot be broken so for good; "" if it can."""
    if choice.level == "mean" and any(change.split(":")[0] in get_args(Part) for change in choice.changes or ()):
        return "Knocked out to its mean, a part needs this one text to have a mean of; choose zero to look inside."
    try:
        interventions_of(choice.changes or ())
    except ValueError:
        return "What is taken from another text belongs to this one; take it back to look inside."
    return ""
