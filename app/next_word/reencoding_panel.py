"""Below the picture of next_word: are its tokens those that encoding the text gives, and what follows if not."""

from __future__ import annotations

import streamlit as st

from app import compute
from app.next_word.reencoding import MOST, cuts_of, losses_of, place_rows, said, verdict
from app.next_word.state import NextWordState
from app.session import state
from app.session.desk import Desk
from app.session.progress import trace_of, writing
from app.session.rereading import model_is_there
from app.shared.work_panel import work_panel


def reencoding(desk: Desk) -> None:
    """Encodes the shown text anew when it is opened; what that does to the loss is measured on demand."""
    with st.expander(
        "Are the written tokens what re-encoding gives?", key=state.REENCODING_FOLD, on_change="rerun"
    ) as fold:
        if not fold.open:
            return
        st.caption(
            "A tokenizer cuts a text in one way. A model draws one token after another, and may spell the same letters "
            "with others. Who reads the text from a file reads the tokenizer’s cut."
        )
        record, trace = desk.record, trace_of(desk.record)
        if record is None or trace is None or writing(desk):
            st.caption("It is looked at when the text has been written.")
            return
        cuts = cuts_of(desk, record, trace)
        if isinstance(cuts, str):
            st.caption(cuts)
            return
        st.write(said(cuts, trace.n_prompt))
        st.caption("derived: by the tokenizer alone, no model is asked.")
        if not cuts.places:
            return
        losses = None
        if model_is_there(trace):
            losses = work_panel(
                desk.page_state(NextWordState).losses,
                f"{record.name}/{trace.model_hash[:8]}/{len(trace)}",
                lambda report: losses_of(trace, cuts, report),
                key=state.REENCODING,
                label="Measure what it does to the loss",
                icon=":material/science:",
            )
        else:
            st.caption("The model that wrote this text is not here, so its loss cannot be measured.")
        st.dataframe(place_rows(cuts, compute.tokenizer(trace.model_name), losses), hide_index=True)
        if len(cuts.places) > MOST:
            st.caption(f"The first {MOST} of {len(cuts.places):,} places.")
        if losses is not None:
            st.write(verdict(losses))
            st.caption(
                "model: the text is read in both cuts. Per byte, since the cuts have different numbers of tokens; nats "
                "of a place: the sum of −ln p of its tokens."
            )
