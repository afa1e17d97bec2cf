"""Bytes that one token adds to the store of the published models, as bars, beside the same with nothing shared."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.theme import THEMES, figure_axis, figure_style
from mistral_core.analysis.sharing_bytes import Sharing

KIB = 1024


def saved_figure(rows: Sequence[Sharing], theme: str = "light") -> go.Figure:
    """A bar a model: full what is kept, outlined what would be with a key/value head for each query head.

    `layout.meta` holds the provenance.
    """
    colours = THEMES[theme]
    names = [f"{row.name}<br>{row.kind}, {row.n_heads} : {row.n_kv_heads}" for row in rows]
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=[row.per_token_mha / KIB for row in rows],
        name="with nothing shared (MHA)",
        orientation="h",
        marker={"color": "rgba(0,0,0,0)", "line": {"color": colours["graphic"], "width": 1.5}},
        text=[f"{row.per_token_mha // KIB:,} KiB" if row.saves > 1 else "" for row in rows],
        textposition="outside",
        hovertemplate="%{x:,} KiB a token with nothing shared<extra></extra>",
        cliponaxis=False,
    )
    figure.add_bar(
        y=names,
        x=[row.per_token / KIB for row in rows],
        name="kept",
        orientation="h",
        marker={"color": colours["attention"]},
        text=[f"<b>{row.per_token // KIB:,} KiB</b>" for row in rows],
        textposition=["outside" if row.saves == 1 or row.per_token < 256 * KIB else "inside" for row in rows],
        hovertemplate="%{x:,} KiB a token are kept<extra></extra>",
        cliponaxis=False,
    )
    figure.update_layout(
        meta={"provenance": "published", "formula": "2 x n_layers x n_kv_heads x head_dim x 2 bytes"},
        barmode="overlay",
        bargap=0.45,
        xaxis={"title": "KiB of keys and values that one token adds (float16)", **figure_axis(theme)},
        yaxis={"autorange": "reversed", **figure_axis(theme), "showgrid": False},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=300,
        margin={"l": 10, "r": 60, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure
