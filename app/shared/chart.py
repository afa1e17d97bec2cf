"""A plotly figure on a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def chart(draw: Callable[[str], Figure], *, key: str, alt: str) -> None:
    """A figure that does not need to be fast.

    Args:
        draw: gives it in a theme, "light" or "dark".
    """
    figure = draw("dark" if st.context.theme.type == "dark" else "light")
    st.plotly_chart(figure, key=key, theme=None, config={"displayModeBar": False}, alt=alt)
