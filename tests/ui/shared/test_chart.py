"""A figure says where its numbers are from, or it is not shown; behind each is a table of what it draws."""

import re

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.navigation import ROOT
from app.shared.figure_table import PROVENANCES, SAYS, provenance_of, rows_of

PICTURES = sorted(path for path in (ROOT / "app").rglob("picture.html"))


def figure(**meta) -> go.Figure:
    made = go.Figure()
    made.add_scatter(x=[1, 2, 3], y=[0.5, None, 1e-9], name="a")
    made.add_bar(x=["one", "two"], y=[3, float("nan")], name="b")
    made.add_scatter(x=[4], y=[5], name="c", yaxis="y2")
    made.update_layout(xaxis={"title": "tokens"}, yaxis={"title": "nats"}, yaxis2={"title": "bytes"}, meta=meta or None)
    return made


def test_rows_are_what_is_drawn_under_the_titles_of_the_axes():
    assert rows_of(figure()) == [
        {"series": "a", "tokens": "1", "nats": "0.5"},
        {"series": "a", "tokens": "3", "nats": "10⁻⁹"},
        {"series": "b", "tokens": "one", "nats": "3"},
        {"series": "b", "tokens": "two", "nats": ""},
        {"series": "c", "tokens": "4", "bytes": "5"},
    ]


def test_a_map_has_a_row_for_each_cell_and_axes_without_titles_have_names():
    drawn = go.Figure(go.Heatmap(z=[[1, 2], [3, 4]], x=["p", "q"], y=["r", "s"]))
    assert [[*row.values()][1:] for row in rows_of(drawn)] == [
        ["p", "r", "1"],
        ["q", "r", "2"],
        ["p", "s", "3"],
        ["q", "s", "4"],
    ]
    assert list(rows_of(go.Figure(go.Scatter(y=[7])))[0].items()) == [("series", ""), ("x", "0"), ("y", "7")]


@pytest.mark.parametrize("meta", [{}, {"provenance": ""}, {"provenance": "guessed"}, {"formula": "1 + 1"}])
def test_a_figure_that_does_not_say_where_it_is_from_is_not_shown(meta):
    with pytest.raises(ValueError, match="must be one of model, derived, theory, recorded, published"):
        provenance_of(figure(**meta))


def test_every_provenance_is_explained_and_a_formula_is_said():
    assert set(SAYS) == set(PROVENANCES)
    assert provenance_of(figure(provenance="theory", formula="a + b")) == (
        "theory",
        f"{SAYS['theory']} Formula: a + b.",
    )


def page(key: str, provenance: str) -> None:
    from app.shared.chart import chart
    from tests.ui.shared.test_chart import figure

    chart(lambda theme: figure(**({"provenance": provenance} if provenance else {})), key=key, alt="a")


def test_a_chart_carries_its_badge_and_one_without_provenance_fails():
    at = AppTest.from_function(page, args=("k", "recorded")).run()
    assert not at.exception and any("recorded" in one.value for one in at.markdown)
    assert AppTest.from_function(page, args=("k", "")).run().exception


def test_nothing_else_on_a_page_mounts_a_figure():
    drawn = re.compile(r"\bst\.(?:plotly_chart|line_chart|bar_chart|area_chart|scatter_chart|altair_chart|pyplot)\b")
    places = {
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if drawn.search(path.read_text(encoding="utf-8"))
    }
    assert places == {"app/shared/chart.py"}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.parent.name)
def test_every_card_of_a_picture_that_draws_carries_a_badge(path):
    cards = re.findall(r"<section class=\"mx-card.*?</section>", path.read_text(encoding="utf-8"), re.S)
    bare = [
        re.search(r'aria-label="([^"]*)"', card)[1]
        for card in cards
        if re.search(r"<canvas|<svg", card) and "mx-badge" not in card
    ]
    assert bare == []
