"""How many decades of a measured change a chart shows: what can be noticed, or all that float64 tells apart.

A log scale over all of them makes much of what nobody would notice, so it is a switch. The pictures draw by the
same bound (`app/reach/decades.js`).
"""

from __future__ import annotations

import math
from typing import Any

NOTICED = 1e-3
"""Nats, or a share of the state: what is less changes a probability by less than a thousandth of itself."""

GONE = 0.01
"""Nats: a KL below it is called gone in practice. Said beside the slider, and a line in the figure."""


def decade_axis(lowest: float, highest: float = 1.0) -> dict[str, Any]:
    """A plotly axis from `lowest` to more than 1 and `highest`; what is less leaves it through its lower end.

    >>> decade_axis(1e-3)["ticktext"], decade_axis(1e-12)["ticktext"]
    (['10⁻³', '10⁻²', '10⁻¹', '1'], ['10⁻¹²', '10⁻⁹', '10⁻⁶', '10⁻³', '1'])
    """
    decades = round(-math.log10(lowest))
    step = next(size for size in (1, 2, 3, 4, 6, 10) if decades <= 5 * size and decades % size == 0)
    ticks = [10.0**exponent for exponent in range(-decades, 1, step)]
    top = math.log10(max(1.0, highest))
    return {
        "type": "log",
        "range": [-decades - decades / 40, top + decades / 40 + 0.3],
        "tickvals": ticks,
        "ticktext": [power(tick) for tick in ticks],
    }


def power(value: float) -> str:
    """A power of ten as it is written."""
    exponent = round(math.log10(value))
    return f"10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if exponent else "1"
