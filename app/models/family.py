"""The models that were trained alike but for one thing, and what each reached."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.theme import size
from mistral_core.checkpoint import registry
from mistral_core.training.family_results import Reached, reached, recorded_results

GROUPS = {"twins": "The twins (window, key/value heads)", "ladder": "The widths", "optimiser": "Those with AdamW alone"}


def family() -> None:
    """The models that were trained alike but for one thing, and what each reached."""
    with st.expander("Trained alike, one thing changed: what each model reached"):
        rows = reached(recorded_results())
        st.dataframe([_family_row(row) for row in rows], hide_index=True)
        st.caption(
            "Bits per byte: how many bits the model needs on average to tell the next byte of a text that it was not "
            "trained on; 8 = it knows nothing, lower is better. "
            f"{_tokens(rows)} The mean of the seeds, and how far they lie apart. Two models differ only where the "
            "difference is larger than that. Whole chapters are longer than any text that these models were trained "
            "on, which full attention does not forgive; pieces are not. Measured when they were trained, by "
            "`python -m mistral_core family`."
        )
        if away := [row.first.name for row in rows if row.first.name not in registry.browser_models()]:
            st.caption(f"Of {', '.join(away)} only these results are here; they cannot be chosen above.")
        st.caption(
            "relay is no storyteller: it learned to carry one symbol through every hop, up to the exact reach. "
            "`python -m mistral_core relay` measures how often it arrives."
        )


def _tokens(rows: list[Reached]) -> str:
    """How much each group read; only within a group are models compared.

    The twins, which differ in window or heads, read more than the others.
    """
    seen: dict[str, float] = {}
    for row in rows:
        seen.setdefault(GROUPS[row.first.group], row.first.tokens / 1e6)
    return " ".join(f"{name} read {tokens:.1f} million tokens each." for name, tokens in seen.items())


def _family_row(row: Reached) -> dict[str, str]:
    changed = ", ".join(_changed(name, value) for name, value in row.first.changes.items())
    return {
        "model": row.first.name,
        "whole chapters": _bits(row.mean, row.spread),
        "in pieces": _bits(row.short, row.short_spread),
        "seeds": f"{row.seeds}",
        "what was changed": changed or "(compared with)",
        "parameters": f"{row.first.parameters:,}",
        "keys and values": size(row.first.cache_bytes),
    }


def _changed(name: str, value: Any) -> str:
    """One change against the baseline, in words that a cell of the table has room for."""
    match name:
        case "window" if value is None:
            return "no window"
        case "n_kv_heads":
            return f"{value} key/value {'head' if value == 1 else 'heads'}"
        case "optimiser" if value == "adamw":
            return "AdamW alone"
        case "adamw_rate":
            return f"rate {value}"
    return f"{name} {value}".replace("_", " ")


def _bits(mean: float, spread: float | None) -> str:
    return f"{mean:.3f}" if spread is None else f"{mean:.3f} (within {spread:.3f})"
