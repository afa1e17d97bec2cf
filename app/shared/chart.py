"""A plotly figure on a page with where it is from and its numbers; the switch of one that goes over many decades."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from app.session import state
from app.shared.decades import NOTICED, power
from app.shared.figure_table import provenance_of, rows_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def chart(draw: Callable[[str], Figure], *, key: str, alt: str) -> None:
    """A figure that does not need to be fast.

    Args:
        draw: gives it in a theme, "light" or "dark".

    Raises:
        ValueError: the figure does not say where its numbers are from.
    """
    figure = draw("dark" if st.context.theme.type == "dark" else "light")
    provenance, says = provenance_of(figure)
    st.plotly_chart(figure, key=key, theme=None, config={"displayModeBar": False}, alt=alt)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(provenance, color="gray", help=says)
        with st.popover("its numbers", type="tertiary", key=state.numbers_of(key), on_change="rerun") as numbers:
            if numbers.open:  # a table of some hundred rows that nobody reads costs more than its picture
                st.table(rows_of(figure), hide_index=True)


def lowest_drawn(key: str, deepest: float) -> float:
    """The switch over a chart: the lower end of its axis, `NOTICED` at first.

    Args:
        deepest: lower end of the deep axis.
    """
    deep = f"down to {power(deepest)}"
    choice = st.segmented_control(
        "Drawn",
        [f"what can be noticed (from {power(NOTICED)} on)", deep],
        default=f"what can be noticed (from {power(NOTICED)} on)",
        key=key,
        label_visibility="collapsed",
    )
    return deepest if choice == deep else NOTICED
