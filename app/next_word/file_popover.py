"""Below the picture of next_word: the shown run as a file, or another one from a file."""

from __future__ import annotations

import streamlit as st

from app.session import state
from app.session.desk import Desk
from app.session.files import open_file, trace_bytes
from app.session.progress import trace_of


def file_popover(desk: Desk) -> None:
    """Save the shown run as a trace, or open one."""
    with st.popover("Save or open a run", icon=":material/folder_open:"):
        record = desk.record
        if record is not None and trace_of(record) is not None:
            st.download_button(
                "Save this run as a trace",
                data=lambda: trace_bytes(record),
                file_name=f"{record.name}.safetensors".replace(" ", "-"),
                on_click="ignore",
            )
        upload = st.file_uploader("Open a saved trace (.safetensors)", type=["safetensors"], key=state.UPLOAD)
        if upload is not None and st.button("Show it"):
            open_file(desk, upload.name, upload.getvalue())
            st.rerun()
        st.caption("A trace holds tokens, probabilities, attention, keys and values of a run.")
