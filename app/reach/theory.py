"""Another window, another depth: what theory alone says about them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app import compute
from app.reach.theory_figure import staircase_figure
from app.session import state
from app.session.desk import Desk
from app.shared.chart import chart

WINDOWS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
MAX_LAYERS = 48


def another_shape(desk: Desk) -> None:
    """Two sliders and the staircase that follows from them."""
    config = compute.config(desk.model)
    if None in config.windows:
        return
    with st.expander("Another window, another depth: the staircase of theory"):
        widest = max(window for window in config.windows if window is not None)
        nearest = min(WINDOWS, key=lambda window: abs(window - widest))
        left, right = st.columns(2)
        window = int(left.select_slider("window W", WINDOWS, value=nearest, key=state.THEORY_WINDOW))
        layers = int(right.slider("layers", 1, MAX_LAYERS, config.n_layers, key=state.THEORY_LAYERS))
        shape = replace(config, n_layers=layers, sliding_window=window)
        st.markdown(
            f"{layers} layers with W = {window:,} reach **{shape.exact_reach():,} tokens**: "
            f"{layers} × ({window:,} − 1). The paper's k × W says {layers * window:,}."
        )
        chart(
            lambda theme: staircase_figure(shape, config, theme),
            key=state.STAIRCASE_FIGURE,
            alt=f"Staircase of {layers} steps, each {window - 1} tokens wide",
        )
        st.caption("theory: nothing was run. A model works well only with the window it was trained with.")
