"""A window imposed: loss as it shrinks, with and without first tokens kept, and where the attention goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.theme import OKABE_ITO, THEMES, figure_axis, figure_style

DASHES = {0: "solid", 1: "dash", 4: "dot"}
PLACE_WORDS = ("first 4 tokens of the text", "the token itself", "oldest other in sight", "all others")


def rise_figure(
    losses: Mapping[int, Sequence[tuple[int, float]]], trained: float, theme: str = "light", source: str = "model"
) -> go.Figure:
    """Loss against the window, a line for each number of kept first tokens.

    Args:
        losses: by tokens kept, (window with the kept ones, nats). trained: without a window.
        source: "model" = measured now, "recorded" = of a record.
    """
    colours = THEMES[theme]
    inks = {0: colours["query"], 1: OKABE_ITO[0], 4: OKABE_ITO[2]}
    figure = go.Figure()
    for sinks, points in losses.items():
        figure.add_scatter(
            x=[window for window, _ in points],
            y=[loss for _, loss in points],
            name="no token kept" if not sinks else "the first token kept" if sinks == 1 else f"the first {sinks} kept",
            mode="lines+markers",
            line={"color": inks.get(sinks, colours["soft"]), "dash": DASHES.get(sinks, "dashdot"), "width": 2.5},
            marker={"size": 8, "symbol": {0: "circle", 1: "square", 4: "diamond"}.get(sinks, "x")},
            hovertemplate="W = %{x}: %{y:.3f} nats<extra>%{fullData.name}</extra>",
        )
    ticks = sorted({window for points in losses.values() for window, _ in points})
    figure.add_hline(
        y=trained,
        line={"color": colours["soft"], "dash": "dot"},
        annotation_text="as trained, no window",
        annotation_position="bottom right",
    )
    figure.update_layout(
        meta={"provenance": source},
        xaxis={
            "title": "keys in sight, the kept ones included",
            "type": "log",
            "tickvals": ticks,
            "ticktext": [str(tick) for tick in ticks],
            **figure_axis(theme),
        },
        yaxis={"title": {"text": "loss, nats a token", "standoff": 8}, **figure_axis(theme)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=320,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure


def places_figure(shares: Mapping[str, Sequence[float]], theme: str = "light") -> go.Figure:
    """Where the attention lies in each reading, as bars that sum to 1.

    Args:
        shares: by the name of a reading, of each place in `PLACE_WORDS`.
    """
    colours = THEMES[theme]
    inks = (colours["query"], colours["soft"], OKABE_ITO[1], OKABE_ITO[4])
    figure = go.Figure()
    for index, (place, ink, pattern) in enumerate(zip(PLACE_WORDS, inks, ("", "/", "x", "."), strict=True)):
        figure.add_bar(
            y=list(shares),
            x=[values[index] for values in shares.values()],
            name=place,
            orientation="h",
            marker={"color": ink, "pattern": {"shape": pattern, "fgcolor": colours["card"]}},
            hovertemplate="%{x:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        meta={"provenance": "model"},
        barmode="stack",
        xaxis={"title": "share of attention, mean of layers and heads", "tickformat": ".0%", **figure_axis(theme)},
        yaxis={"autorange": "reversed", **figure_axis(theme)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=120 + 34 * len(shares),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure
