"""Below the picture: one experiment at a time, chosen by its question."""

from __future__ import annotations

import streamlit as st

from app.session import state
from app.session.desk import Desk
from app.session.progress import trace_of, writing
from app.session.rereading import refusal
from app.shared.frame import part
from app.window.chunks_panel import chunks
from app.window.four_ways_panel import four_ways
from app.window.imposed_panel import impose_a_window
from app.window.layers_panel import by_layer
from app.window.memory_panel import padding, three_allocations

WAYS, IMPOSE, CHUNKS, MEMORY, LAYERS, BATCH = (
    "Four ways to read",
    "Impose a window",
    "In chunks",
    "Same mask, other memory",
    "By layer",
    "Padding and neighbours",
)
QUESTIONS = {
    WAYS: "A window, or a cut text: is it the same?",
    IMPOSE: "What if a model was trained without one?",
    CHUNKS: "In which order is a prompt read and stored?",
    MEMORY: "Does it matter what is stored?",
    LAYERS: "What if layers see differently far?",
    BATCH: "Does a prompt say the same in company?",
}


def experiments(desk: Desk) -> None:
    """The choice, and the experiment that is chosen."""
    with part("window experiments"):
        chosen = st.segmented_control(
            "Experiments", list(QUESTIONS), default=WAYS, key=state.WINDOW_EXPERIMENT, label_visibility="collapsed"
        )
        chosen = chosen or WAYS
        st.subheader(QUESTIONS[chosen])
        trace, run = trace_of(desk.record), desk.current
        if trace is None or run is None or len(trace) < 2:
            st.caption("Write a text first.")
            return
        if chosen == LAYERS:
            by_layer(trace)
            return
        if writing(desk):
            st.caption("The text is being written; it can be read again when it is there.")
            return
        if chosen == IMPOSE:
            impose_a_window(desk, trace, run)
            return
        if problem := refusal(trace, "nothing can be read again with it"):
            st.caption(problem)
            return
        panels = {WAYS: four_ways, CHUNKS: chunks, MEMORY: three_allocations, BATCH: padding}
        panels[chosen](desk, trace, run)
