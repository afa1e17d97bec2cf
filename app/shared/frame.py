"""The frame around every page: the sentence that an action left, and what stands at the foot."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.navigation import ENTRIES, page
from app.session import state
from app.session.desk import Desk
from app.session.progress import trace_of
from app.shared.imposed import imposed_sentence


def notice(desk: Desk) -> None:
    """The sentence that an action left, once; and what has to be known of the shown text."""
    for one in (desk, desk.beside):
        if one is not None and one.notice:
            st.warning(one.notice)
            one.notice = ""
    trace = trace_of(desk.record)
    if trace is not None and (said := imposed_sentence(trace.model_name)):
        st.caption(said)


def part(name: str) -> DeltaGenerator:
    """A part of a page below its picture, to be filled in a `with` block; it looks like the cards of the pictures."""
    return st.container(key=state.part(name))


def closing(name: str, source: str, more: Callable[[], None] | None = None) -> None:
    """Where the page comes from, and which one is next.

    Args:
        name: of the page. source: papers and files, in a paragraph.
        more: draws what else belongs there, once that is opened: what Streamlit's page loads to show code is
            larger than all the rest of it.
    """
    with st.expander("Where this comes from", key=state.ORIGIN, on_change="rerun" if more else "ignore") as origin:
        st.write(source)
        if more is not None and origin.open:
            more()
    names = [entry.name for entry in ENTRIES]
    following = ENTRIES[(names.index(name) + 1) % len(ENTRIES)]
    label = f"Next: {following.title}, {following.question}"
    st.page_link(page(following.name), label=label, icon=":material/arrow_forward:")
