"""The bytes of keys and values against the length of the text: a plotly figure from formulas alone."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.theme import OKABE_ITO, THEMES, figure_axis, figure_style, size
from mistral_core.analysis.accounting import ledger
from mistral_core.config import MistralConfig

DASHES = ("solid", "dash", "dot", "dashdot")


def kv_bytes_figure(
    config: MistralConfig, contexts: Sequence[int], bytes_per_number: int, theme: str = "light", of: str = "this model"
) -> go.Figure:
    """Bytes of keys and values of a model and of itself without each saving.

    `of` names the model. Both axes are logarithmic. Lines differ by dash as well as by colour.
    `layout.meta` holds the provenance.
    """
    colours = THEMES[theme]
    ledgers = [ledger(config, context, bytes_per_number) for context in contexts]
    figure = go.Figure()
    seen: dict[tuple[int, ...], str] = {}
    for index, row in enumerate(ledgers[0].rows):
        held = tuple(entry.rows[index].kv_cache_bytes for entry in ledgers)
        called = row.name.replace("this model", of)
        name = called if held not in seen else f"{called} (the same as {seen[held]})"
        seen.setdefault(held, called)
        figure.add_scatter(
            x=list(contexts),
            y=list(held),
            name=name,
            mode="lines",
            line={
                "color": colours["query"] if index == 0 else OKABE_ITO[(0, 2, 3)[index - 1]],
                "dash": DASHES[index],
                "width": 3.5 if index == 0 else 2,
            },
            customdata=[size(value) for value in held],
            hovertemplate="%{x:,} tokens: %{customdata}<extra>%{fullData.name}</extra>",
        )
    ticks = [1024**power * factor for power in range(5) for factor in (1, 32)]
    figure.update_layout(
        meta={"provenance": "theory", "formula": "sum over layers: 2 x n_kv_heads x head_dim x min(W, tokens) x bytes"},
        xaxis={"type": "log", "title": "tokens in the text", "dtick": 1, **figure_axis(theme)},
        yaxis={
            "type": "log",
            "title": {"text": "bytes of keys and values", "standoff": 12},
            **figure_axis(theme),
            "tickvals": ticks,
            "ticktext": [size(tick) for tick in ticks],
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=380,
        margin={"l": 10, "r": 28, "t": 10, "b": 10},
        **figure_style(theme),
    )
    return figure
