"""At the foot of start: how the recorded run and its example were made, as commands that anybody can run."""

from __future__ import annotations

import streamlit as st

from app import compute
from app.start.example import COMMAND


def origin() -> None:
    """The commands, with the weights that they were run on.

    Raises:
        TraceError: the recording is missing or damaged.
    """
    trace = compute.recording()
    st.text(f"model {trace.model_name}, weights {trace.model_hash[:12]}…, {len(trace)} tokens, recorded by")
    st.code(trace.settings.get("command", ""), language=None, wrap_lines=True)
    st.text("the exchanged word, what is typical beside it, and the way the change takes:")
    st.code(COMMAND, language=None, wrap_lines=True)
