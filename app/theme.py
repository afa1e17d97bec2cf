"""Colours by role, in light and dark, and how numbers are written.

One table for the whole application: the components get it as CSS variables (`--mx-query`), figures
read it as values. A role keeps its colour on every page, and no role is told by colour alone.
`tests/ui/test_theme.py` computes the contrasts (text 4.5:1, graphics 3:1), that the shades from the card
to a colour are monotone in lightness, and that `.streamlit/config.toml` says the same.

Source: contrast and relative luminance as WCAG 2.2 defines them; categories from Okabe and Ito,
"Color Universal Design" (2008).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

Hex = str
"""A colour as `#RRGGBB`."""

LIGHT: Mapping[str, Hex] = MappingProxyType(
    {
        "ground": "#FBFAF7",
        "card": "#FFFFFF",
        "ink": "#1D2430",
        "soft": "#5B6472",
        "line": "#D9D6CC",
        "hatch": "#E9E6DC",
        "cell": "#EFEDE6",
        "graphic": "#858C98",
        "query": "#C2410C",
        "on-query": "#FFFFFF",
        "attention": "#1C528C",
        "influence": "#0F6B4F",
        "surprise": "#8E4585",
        "positive": "#C2410C",
        "negative": "#1C528C",
        "error": "#A4262C",
    }
)
"""Role -> colour on a light ground."""

DARK: Mapping[str, Hex] = MappingProxyType(
    {
        "ground": "#12161C",
        "card": "#181D25",
        "ink": "#E8EAED",
        "soft": "#A3ACB8",
        "line": "#2C333D",
        "hatch": "#232A33",
        "cell": "#242B35",
        "graphic": "#6F7986",
        "query": "#FF8A5B",
        "on-query": "#12161C",
        "attention": "#9CC8F5",
        "influence": "#7FE0B8",
        "surprise": "#D9A3D2",
        "positive": "#FF8A5B",
        "negative": "#9CC8F5",
        "error": "#FF9C9C",
    }
)
"""Role -> colour on a dark ground."""

THEMES: Mapping[str, Mapping[str, Hex]] = MappingProxyType({"light": LIGHT, "dark": DARK})
TEXT_ROLES = ("ink", "soft", "query", "attention", "influence", "surprise", "error")
"""Roles that may colour text: 4.5:1 or more on ground and on card."""
GRAPHIC_ROLES = ("graphic", "query", "attention", "influence", "surprise", "positive", "negative")
"""Roles that colour marks carrying meaning: 3:1 or more on ground and on card."""

OKABE_ITO: tuple[Hex, ...] = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Categories (heads, groups, models), distinguishable under the common colour-vision deficiencies."""

GROUPS: tuple[Hex, ...] = (*(OKABE_ITO[i] for i in (3, 1, 4, 2, 0, 6, 5)), "#858585")
"""Of the key/value heads; those least like the colours of query and attention come first, and grey last."""

SURPRISE_STEPS = (0.0, 0.10, 0.20, 0.32, 0.44)
"""How strongly a token's background is tinted: likely (50 % and up) ... unlikely (below 1 %)."""


def channels(colour: Hex) -> tuple[int, int, int]:
    """Red, green and blue of a colour, 0 to 255.

    Raises:
        ValueError: not of the form `#RRGGBB`.
    """
    digits = colour.removeprefix("#")
    if len(digits) != 6 or not colour.startswith("#"):
        raise ValueError(f"colour is {colour!r}; write it as #RRGGBB")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def mix(ground: Hex, colour: Hex, share: float) -> Hex:
    """The colour laid over the ground with opacity `share` (0 = ground, 1 = colour), as the browser mixes.

    >>> mix("#000000", "#FFFFFF", 0.5)
    '#808080'
    """
    pairs = zip(channels(ground), channels(colour), strict=True)
    return "#" + "".join(f"{round(below + (above - below) * share):02X}" for below, above in pairs)


def css_variables() -> str:
    """The style sheet that gives the pictures their colours: `[data-theme=light] { --mx-ink: ... }` and dark.

    It lies in `app/kit/theme.css`, where the browser fetches it; `python -m app.theme` writes it anew.
    """
    blocks = ["/* Written by `python -m app.theme`. */"]
    for theme, table in THEMES.items():
        lines = [f"--mx-{role}:{colour};" for role, colour in table.items()]
        lines += [
            f"--mx-surprise-{step}:{mix(table['card'], table['surprise'], share)};"
            for step, share in enumerate(SURPRISE_STEPS)
        ]
        lines += [f"--mx-group-{group}:{colour};" for group, colour in enumerate(GROUPS)]
        body = "\n  ".join([f"color-scheme: {theme};", *(line.replace(":", ": ", 1) for line in lines)])
        blocks.append(f'[data-theme="{theme}"] {{\n  {body}\n}}')
    return "\n".join(blocks) + "\n"


def page_colours() -> str:
    """The same colours for what Streamlit draws itself: one block, which follows the page's own `color-scheme`."""
    lines = [f"--mx-{role}: light-dark({LIGHT[role]}, {DARK[role]});" for role in LIGHT]
    return f".stApp {{ {' '.join(lines)} }}"


def figure_style(theme: str) -> dict[str, Any]:
    """What every plotly figure has in its layout: the page's typeface and ink, on the card that it lies on."""
    table = THEMES[theme]
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": '"Source Sans", sans-serif', "color": table["ink"], "size": 14},
        "hoverlabel": {
            "bgcolor": table["card"],
            "bordercolor": table["soft"],
            "font": {"family": '"Source Sans", sans-serif', "color": table["ink"], "size": 14},
        },
    }


def figure_axis(theme: str) -> dict[str, Any]:
    """What every axis of a figure has."""
    return {"gridcolor": THEMES[theme]["line"], "zeroline": False, "automargin": True}


def percent(share: float) -> str:
    """A probability for people: two significant digits, never a rounded 0 % or 100 %.

    >>> percent(0.2434), percent(0.0123), percent(0.00001), percent(0.996), percent(0.9999), percent(float("nan"))
    ('24 %', '1.2 %', '<0.01 %', '99.6 %', '>99.9 %', '–')
    """
    if not math.isfinite(share):
        return "–"
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    if share < 1e-4:
        return "<0.01 %"
    if share > 0.999:
        return ">99.9 %"
    digits = 1 if share >= 0.995 else 0 if share >= 0.0995 else 1 if share >= 0.00995 else 2
    # As JavaScript rounds: from the middle upwards, where Python's own formatting goes to the even digit.
    return f"{Decimal(share * 100).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)} %"


def size(n_bytes: float) -> str:
    """Bytes with a binary unit.

    >>> size(512), size(131072), size(536870912)
    ('512 B', '128 KiB', '512 MiB')
    """
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = 0 if n_bytes < 1 else min(int(math.log2(n_bytes) // 10), len(units) - 1)
    value = n_bytes / 1024**power
    return f"{value:.0f} {units[power]}" if value >= 10 or power == 0 else f"{value:.1f} {units[power]}"


def count(number: float) -> str:
    """A large count, three significant digits.

    >>> count(950), count(8915200), count(7241732096)
    ('950', '8.92 M', '7.24 B')
    """
    for bound, unit in ((1e9, " B"), (1e6, " M"), (1e4, " k")):
        if abs(number) >= bound:
            factor = 1e3 if unit == " k" else bound
            return f"{number / factor:.3g}{unit}"
    return f"{number:,.0f}"


if __name__ == "__main__":
    (Path(__file__).parent / "kit" / "theme.css").write_text(css_variables(), encoding="utf-8")
