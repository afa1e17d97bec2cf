"""Colours can be read and told apart; numbers are written without false precision."""

from __future__ import annotations

import doctest
import itertools
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from app import theme

BACKGROUNDS = ("ground", "card")
ROOT = Path(__file__).resolve().parents[2]

# Machado, Oliveira and Fernandes (2009), severity 1.0: linear RGB as protan-, deuteran- and tritanopes see it.
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def wcag_luminance(colour: str) -> float:
    """Written again from the WCAG text, not from the code under test."""
    linear = []
    for at in (1, 3, 5):
        value = int(colour[at : at + 2], 16) / 255
        linear.append(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
    return linear[0] * 0.2126 + linear[1] * 0.7152 + linear[2] * 0.0722


def wcag_contrast(a: str, b: str) -> float:
    high, low = sorted((wcag_luminance(a), wcag_luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def simulated(colour: str, deficiency: str) -> np.ndarray:
    """Linear RGB of a colour as seen with a deficiency."""
    values = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)


@pytest.mark.parametrize("name", theme.THEMES)
def test_text_has_four_and_a_half_to_one(name: str) -> None:
    table = theme.THEMES[name]
    for role, ground in itertools.product(theme.TEXT_ROLES, BACKGROUNDS):
        assert wcag_contrast(table[role], table[ground]) >= 4.5, (role, ground)
    for ground in ("cell", "hatch"):  # struck words and row labels may stand on these
        assert wcag_contrast(table["soft"], table[ground]) >= 4.5
    assert wcag_contrast(table["on-query"], table["query"]) >= 4.5


@pytest.mark.parametrize("name", theme.THEMES)
def test_ink_is_readable_on_every_tint(name: str) -> None:
    table = theme.THEMES[name]
    for share in theme.SURPRISE_STEPS:
        assert wcag_contrast(table["ink"], theme.mix(table["card"], table["surprise"], share)) >= 4.5


@pytest.mark.parametrize("name", theme.THEMES)
def test_graphics_have_three_to_one(name: str) -> None:
    table = theme.THEMES[name]
    for role, ground in itertools.product(theme.GRAPHIC_ROLES, BACKGROUNDS):
        assert wcag_contrast(table[role], table[ground]) >= 3, (role, ground)


@pytest.mark.parametrize("name", theme.THEMES)
@pytest.mark.parametrize("role", ["attention", "influence", "surprise"])
@pytest.mark.parametrize("seen_by", ["everyone", *DEFICIENCIES])
def test_shades_from_the_card_to_a_colour_are_monotone_in_lightness(name: str, role: str, seen_by: str) -> None:
    """As the pictures lay a weight, a change or a surprise over the card."""
    table = theme.THEMES[name]
    scale = [theme.mix(table["card"], table[role], step / 8) for step in range(9)]
    if seen_by == "everyone":
        lightness = [wcag_luminance(colour) for colour in scale]
    else:
        lightness = [float(simulated(colour, seen_by) @ [0.2126, 0.7152, 0.0722]) for colour in scale]
    steps = np.diff(lightness)
    assert (steps > 0).all() or (steps < 0).all(), lightness


@pytest.mark.parametrize("name", theme.THEMES)
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_query_and_attention_stay_different_colours(name: str, deficiency: str) -> None:
    table = theme.THEMES[name]
    assert np.abs(simulated(table["query"], deficiency) - simulated(table["attention"], deficiency)).max() > 0.1


def test_both_themes_know_the_same_roles_and_reach_the_css() -> None:
    assert set(theme.LIGHT) == set(theme.DARK)
    css = theme.css_variables()
    for name, table in theme.THEMES.items():
        found = re.search(rf'\[data-theme="{name}"\] \{{([^}}]*)\}}', css)
        assert found, f"no block for {name}"
        for role, colour in table.items():
            assert f"--mx-{role}: {colour};" in found.group(1)


def test_the_style_sheet_of_the_colours_is_the_table() -> None:
    written = (ROOT / "app" / "kit" / "theme.css").read_text(encoding="utf-8")
    assert written == theme.css_variables(), "write it anew: python -m app.theme"


def test_the_pictures_use_only_colours_of_the_table() -> None:
    css = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.css") if path.name != "theme.css"
    )
    defined = set(re.findall(r"--(mx-[\w-]+)\s*:", css + theme.css_variables()))
    set_by_script = {"mx-fill"}
    assert set(re.findall(r"var\(--(mx-[\w-]+)", css)) <= defined | set_by_script
    assert not re.findall(r"#[0-9A-Fa-f]{3,8}\b", css)


def test_streamlit_is_told_the_same_colours() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    roles = {"backgroundColor": "ground", "secondaryBackgroundColor": "card", "textColor": "ink", "borderColor": "line"}
    for name, table in theme.THEMES.items():
        for option, role in roles.items():
            assert config[name][option].upper() == table[role]
        button = config[name]["primaryColor"]
        assert wcag_contrast("#FFFFFF", button) >= 4.5 and wcag_contrast(button, table["ground"]) >= 3
    assert config["light"]["primaryColor"].upper() == theme.LIGHT["query"]


def test_known_contrasts_and_mixes() -> None:
    assert wcag_contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert wcag_contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)
    assert theme.mix("#000000", "#FFFFFF", 1.0) == "#FFFFFF"
    with pytest.raises(ValueError, match="#RRGGBB"):
        theme.channels("red")


def test_number_formats() -> None:
    assert doctest.testmod(theme).failed == 0
    assert theme.percent(1.0) == "100 %" and theme.percent(0.0) == "0 %"
    assert theme.percent(0.9995) == ">99.9 %" and theme.percent(0.0994) == "9.9 %"
    assert {theme.percent(n / 100_000) for n in range(1, 100_000)}.isdisjoint({"0 %", "100 %", "0.0 %", "100.0 %"})
    assert theme.size(1536) == "1.5 KiB" and theme.count(12_345) == "12.3 k"
