"""Bytes of weights and ring, beside the same model without its two savings."""

from __future__ import annotations

import streamlit as st

from app.models.figure import kv_bytes_figure
from app.session import state
from app.shared.chart import chart
from app.theme import count, size
from mistral_core.analysis.accounting import ledger
from mistral_core.config import MISTRAL_7B, MistralConfig

CONTEXTS = (16, 64, 256, 1024, 4096, 8192, 32_768, 131_072)
BYTES_PER_NUMBER = 2
PAPER = "Mistral 7B (configuration only)"


def ledger_table(name: str, config: MistralConfig) -> None:
    """Bytes of weights and ring, beside the same model without its two savings."""
    st.subheader("What grouped queries and the window save")
    choice = st.segmented_control(
        "Of which model", [name, PAPER], default=name, key=state.LEDGER_OF, label_visibility="collapsed"
    )
    chosen, of = (MISTRAL_7B, "Mistral 7B") if choice == PAPER else (config, name)
    usual = 32_768 if choice == PAPER else 4096
    context = st.select_slider(
        "tokens in the text", CONTEXTS, value=usual, key=state.ledger_context(of), format_func="{:,}".format
    )
    entries = ledger(chosen, int(context), BYTES_PER_NUMBER)
    rows = [
        {
            "": row.name.replace("this model", of),
            "key/value heads": row.n_kv_heads,
            "keys and values": size(row.kv_cache_bytes),
            f"times {of}": f"{row.factor:,.4g}×",
            "weights": size(row.weight_bytes),
            "parameters": count(row.parameters),
            "operations a token": count(row.flops_per_token),
        }
        for row in entries.rows
    ]
    st.dataframe(rows, hide_index=True)
    chart(
        lambda theme: kv_bytes_figure(chosen, CONTEXTS, BYTES_PER_NUMBER, theme, of),
        key=state.KV_BYTES_FIGURE,
        alt="Bytes of keys and values against tokens: this model levels off at its window; without it they grow on",
    )
    st.caption(
        "theory: sum over the layers of 2 × key/value heads × head width × min(W, tokens) × 2 bytes (bfloat16). "
        "Weights change with the number of key/value heads too, which the last columns show."
    )
