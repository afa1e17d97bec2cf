"""Below the picture: the bytes that sharing saves here and in published models, and what it costs in quality."""

from __future__ import annotations

import streamlit as st

from app import compute
from app.navigation import page
from app.session import state
from app.shared.chart import chart
from app.shared.frame import part
from app.shared_heads.saved_figure import saved_figure
from app.shared_heads.saved_rows import (
    BYTES_PER_NUMBER,
    CONTEXT,
    as_row,
    published,
    quality_rows,
    those_here,
    twins_here,
)
from mistral_core.config import MistralConfig

CLAIM = "sharing"
"""Of Test the paper."""


def saved(name: str, config: MistralConfig) -> None:
    """Bytes and reads with shared keys and values, and without."""
    with part("saved"):
        st.subheader("What sharing saves: bytes kept and bytes read")
        rows = published()
        chart(
            lambda theme: saved_figure(rows, theme),
            key=state.SHARED_BYTES_FIGURE,
            alt="Bytes a token adds: "
            + ", ".join(
                f"{row.name} {row.per_token // 1024} KiB, {row.per_token_mha // 1024} unshared" for row in rows
            ),
        )
        twins = {twin: compute.config(twin) for twin in twins_here() if twin != name}
        own = [as_row(row, "of this program") for row in those_here(name, config, twins)]
        st.dataframe([*own, *(as_row(row, "published") for row in rows)], hide_index=True)
        st.caption(
            "derived: a token adds 2 (key and value) × layers × key/value heads × head width × "
            f"{BYTES_PER_NUMBER} bytes (float16). A step reads that once for each key in sight, here after {CONTEXT:,} "
            "tokens: min(W, tokens) keys in each layer. For every text of a batch it reads its own keys and values, "
            "but the weights only once for all: that is why a store a quarter as large is worth so much. The shapes of "
            "Mistral 7B and the Llamas are those of their published config.json."
        )


def cost() -> None:
    """What sharing costs in quality, as it was measured when the twins were trained."""
    with part("cost"):
        st.subheader("What sharing costs")
        try:
            rows = quality_rows()
        except OSError:
            st.caption("The recorded results of the twins are not here.")
            return
        st.dataframe(rows, hide_index=True)
        st.caption(
            "recorded: three models trained alike, but for their key/value heads; bits that each needs for a byte of "
            "text that it has not seen, in pieces (lower is better). A difference is one only where it is larger than "
            "the seeds of a model lie apart. Those with fewer key/value heads also have fewer parameters."
        )
        st.page_link(
            page("test_the_paper"),
            label="Is it worth it? Claim 2 of Test the paper measures both sides",
            icon=":material/science:",
            query_params={"claim": CLAIM},
        )
