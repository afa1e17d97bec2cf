"""A piece of work on a page: the button that starts it, how far it is, the button that ends it, and its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from app.session import state
from app.session.work import Work, Workshop
from mistral_core.analysis.progress import Report

Result = TypeVar("Result")


def work_panel(
    workshop: Workshop[Result], name: str, work: Callable[[Report], Result], *, key: str, label: str, **button: Any
) -> Result | None:
    """Shows the work of this name, and gives its result once there is one.

    Args:
        name: what is asked; another name is another piece of work. work: computes the result, if it is started.
        key: of the widgets. label, button: of the button that starts it.
    """
    started = workshop.get(name)
    if started is None or (not started.running and started.result is None):
        if started is not None:
            st.warning(started.error)
        st.button(label, key=key, on_click=_start, args=(workshop, name, work), **button)
        return None
    if started.running:
        watch(started, key)
        return None
    return started.result


def _start(workshop: Workshop[Result], name: str, work: Callable[[Report], Result]) -> None:
    workshop.start(name, work)


@st.fragment(run_every=0.3)
def watch(work: Work[Any], key: str) -> None:
    """How far work is, and the button that ends it; looked at again and again, so that its end is noticed."""
    running = work.running  # before it is drawn: what ends in between is noticed at the next look
    done, total, doing = work.progress
    st.progress(min(done / total, 1.0), text=f"{doing or 'loading the model'} …")
    st.button("Cancel", key=state.cancelling(key), on_click=work.cancel)
    if not running:
        st.rerun()
