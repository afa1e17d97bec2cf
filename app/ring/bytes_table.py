"""What the ring saves: bytes with it, without the window, without grouped queries."""

from __future__ import annotations

import streamlit as st

from app.ring.bytes_rows import bytes_rows
from app.theme import size
from mistral_core.config import MISTRAL_7B, MistralConfig

BYTES_PER_NUMBER = 2


def bytes_table(config: MistralConfig, name: str) -> None:
    """Bytes of the ring beside what it would be without its window, without grouped queries, without both."""
    for title, shape in ((name, config), ("Mistral 7B (configuration only)", MISTRAL_7B)):
        window = ", ".join(str(w or "none") for w in dict.fromkeys(shape.windows))
        st.markdown(f"**{title}**: window {window}, {shape.n_kv_heads} key/value heads for {shape.n_heads} query heads")
        st.dataframe(
            [
                {
                    "tokens in the text": f"{row['tokens']:,}",
                    "allocated": size(row["allocated"]),
                    "used": size(row["used"]),
                    "without the window": size(row["no_window"]),
                    "without grouped queries": size(row["no_gqa"]),
                    "without both": size(row["neither"]),
                    "the window saves": f"{row['window_factor']:,.4g}×",
                }
                for row in bytes_rows(shape)
            ],
            hide_index=True,
        )
    st.caption(
        f"theory: sum over the layers of 2 × key/value heads × head width × min(W, tokens) × {BYTES_PER_NUMBER} bytes "
        "(bfloat16). At 32k tokens the formula gives the 8× that the paper reports for Mistral 7B."
    )
