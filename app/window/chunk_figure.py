"""The mask of one chunk as the paper draws it: what lies before its ring, the ring, and the chunk itself."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.theme import THEMES, figure_axis, figure_style, mix

NAMES = ("later: not read yet", "older than W", "seen, of the chunk itself", "seen, in the ring", "overwritten: lost")
SIGNS = ("", "", "○", "●", "✕")
"""By kind, as in `mistral_core.analysis.chunked`; a colour alone would not tell them apart."""
MOST_SIGNS = 64
"""Columns up to which a cell has room for its sign."""


def chunk_figure(
    keys: Sequence[int], pairs: Sequence[Sequence[int]], start: int, labels: Sequence[str], window: int, theme: str
) -> go.Figure:
    """A row for each token of the chunk, a column for each key.

    Args:
        keys, pairs: of `chunk_pairs`. start: position of the chunk's first token. labels: of all tokens.
    """
    colours = THEMES[theme]
    fills = (
        *(colours["card"], colours["cell"]),
        *(mix(colours["card"], colours["attention"], 0.35), colours["attention"], colours["error"]),
    )
    scale = [[edge, fill] for i, fill in enumerate(fills) for edge in (i / len(fills), (i + 1) / len(fills))]
    columns = [f"{key} {labels[key].strip() or '·'}" for key in keys]
    rows = [f"{start + i} {labels[start + i].strip() or '·'}" for i in range(len(pairs))]
    figure = go.Figure(
        go.Heatmap(
            z=[[pair + 0.5 for pair in row] for row in pairs],
            x=columns,
            y=rows,
            zmin=0,
            zmax=len(fills),
            colorscale=scale,
            showscale=False,
            text=[[SIGNS[pair] for pair in row] for row in pairs] if len(keys) <= MOST_SIGNS else None,
            texttemplate="%{text}" if len(keys) <= MOST_SIGNS else None,
            textfont={"color": colours["card"]},
            customdata=[[NAMES[pair] for pair in row] for row in pairs],
            hovertemplate="query %{y}, key %{x}: %{customdata}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    for name, fill, sign in list(zip(NAMES, fills, SIGNS, strict=True))[1:]:
        figure.add_scatter(
            x=[None],
            y=[None],
            name=f"{sign} {name}".strip(),
            mode="markers",
            marker={"symbol": "square", "size": 12, "color": fill, "line": {"color": colours["graphic"], "width": 1}},
        )
    edges = {"ring": len([key for key in keys if key < start - window]), "chunk": keys.index(start)}
    for edge in edges.values():
        if edge:
            figure.add_vline(x=edge - 0.5, line={"color": colours["ink"], "width": 2})
    figure.update_layout(
        meta={"provenance": "theory", "formula": "seen if key <= query and query - key < W"},
        xaxis={"title": "key: before the ring | in the ring | of the chunk", "tickangle": -60, **figure_axis(theme)},
        yaxis={"title": "token of the chunk", "autorange": "reversed", **figure_axis(theme)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=190 + 20 * min(len(rows), 24),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure
