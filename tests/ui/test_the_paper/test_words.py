"""Verdicts and numbers in words and files, and the picture that a table becomes."""

import csv
import io
import json
import math

from app.test_the_paper.figure import figures_of
from app.test_the_paper.shapes import SHAPES, Shape
from app.test_the_paper.terms import TERMS, explained
from app.test_the_paper.words import MARKS, as_csv, as_json, as_table, badge, cells, criteria_rows, needed_rows
from mistral_core.experiments.claims import MODULES, concluded, experiment
from mistral_core.experiments.finding import VERDICTS, Finding, Table
from mistral_core.experiments.record import read_record
from tests.model.experiments.test_frame import found


def test_every_verdict_has_a_mark_of_its_own_and_is_said():
    assert set(MARKS) == set(VERDICTS) and len(set(MARKS.values())) == len(VERDICTS)
    for verdict in VERDICTS:
        assert verdict in badge(verdict) and MARKS[verdict] in badge(verdict)


def test_a_line_says_what_was_needed_measured_and_whether_it_is_met():
    rows = criteria_rows(found(cost=2.5, control=math.nan).criteria)
    assert [row["seen"] for row in rows] == ["✓ yes", "✗ no", "✗ no"]
    assert rows[0]["needed"] == "at least 10" and rows[1]["measured"] == "2.5"
    assert rows[2]["measured"] == "not measured"
    assert [row["so"] for row in rows] == ["", "the claim is limited", "nothing can be said"]
    assert all("so" not in row for row in criteria_rows(found().criteria)), "nothing follows where all is seen"


def test_the_table_says_of_every_cell_what_it_is_and_shows_markup_as_text():
    rows = criteria_rows(found(cost=2.5).criteria)
    table = as_table([*rows, {**rows[0], "measured": "<b>1</b>"}])
    assert table.count('role="row"') == 5 and table.count('role="cell"') == 4 * 6
    assert table.count('<span class="of" aria-hidden="true">so</span>') == 1, "an empty cell has no label"
    assert "&lt;b&gt;1&lt;/b&gt;" in table and "<b>" not in table
    assert [*needed_rows([found().criteria[0].threshold])[0].values()] == [
        "Distance: distance in tokens",
        "at least 10",
        "distance was not met",
    ]


def test_no_recorded_criterion_is_said_with_digits_that_nobody_can_read():
    for name in MODULES:
        for row in criteria_rows(read_record(name).finding.criteria):
            for text in (row["needed"], row["measured"]):
                assert "e−" not in text and "e+" not in text and "⁻³²" not in text, (name, text)
                assert max(map(len, text.replace(",", "").split())) <= 9, (name, text)
    edge = criteria_rows(read_record("stacking").finding.criteria)[0]
    assert edge["needed"] == "not zero" and edge["measured"] == "3.4 × 10⁻²³"
    tiny = Table(name="t", title="", source="model", columns=("a", "b"), rows=((3.4e-23, 0.5), (0.25, 0.0)))
    assert cells(tiny) == [{"a": "3.4 × 10⁻²³", "b": 0.5}, {"a": "0.25", "b": 0.0}], "not shown as 0"


def test_every_word_of_the_house_is_explained_before_it_is_used():
    needed = {"compression": {"twins", "baseline", "ladder"}, "window": {"twins", "relay"}, "sharing": {"twins"}}
    needed["stacking"] = {"twins", "baseline", "relay"}
    for name in MODULES:
        lines = explained(experiment(name).CLAIM, read_record(name).finding)
        assert needed.get(name, set()) <= set(lines) <= set(TERMS), name


def test_the_files_hold_the_whole_finding():
    finding = found(control=math.nan)
    content = json.loads(as_json(finding))
    assert content["measured"] == {"distance": 12.0, "cost": 1.0, "control": None}
    back = Finding.from_json(content)
    assert back.verdict == finding.verdict and back.tables == finding.tables
    rows = list(csv.reader(io.StringIO(as_csv(finding))))
    assert rows[0] == ["claim", "made_up", "verdict", "not shown here"]
    assert rows[2][:4] == ["distance", "10", "", "12.0"] and rows[2][6] == "True"
    assert rows[-3:] == [["a", "b"], ["1", "2.5"], ["x", ""]]
    assert cells(finding.tables[0]) == [{"a": "1", "b": 2.5}, {"a": "x", "b": None}], "one kind in a column"


def test_a_picture_is_the_table_line_by_line(monkeypatch):
    rows = ((1, "x", 0.5, None), (2, "x", 0.25, 4.0), (1, "y", 0.0, 3.0))
    table = Table(name="t", title="losses", source="model", columns=("d", "of", "loss", "other"), rows=rows)
    finding = Finding.from_json(found().to_json() | {"tables": []})
    finding = Finding(**{**vars(finding), "tables": (table,)})
    shape = Shape(table="t", x="d", y=("loss", "other"), by="of", y_title="nats", says=str, log_y=True)
    monkeypatch.setitem(SHAPES, "made_up", (shape,))
    (picture,) = figures_of(finding, "recorded")
    for theme in ("light", "dark"):
        drawn = picture.draw(theme)
        assert drawn.layout.meta == {"provenance": "recorded"} and drawn.layout.yaxis.type == "log"
        assert list(drawn.layout.yaxis.ticktext)[:4] == ["0.1", "0.2", "0.5", "1"]
        lines = {line.name: (tuple(line.x), tuple(line.y)) for line in drawn.data}
        assert lines == {"x loss": ((1, 2), (0.5, 0.25)), "x other": ((2,), (4.0,)), "y other": ((1,), (3.0,))}
        assert len({(line.line.dash, line.marker.symbol) for line in drawn.data}) == 3, "not by colour alone"
    assert "recorded" in picture.says and figures_of(found(), "recorded") == []
    monkeypatch.delitem(SHAPES, "made_up")
    assert figures_of(finding, "recorded") == []


def test_twins_and_ladder_are_two_pictures_that_say_what_they_read_and_the_ladder_alone_is_joined():
    ladder, twins = figures_of(read_record("compression").finding, "recorded")
    drawn, beside = ladder.draw("light"), twins.draw("light")
    assert [*drawn.data[0].text] == ["dim-32", "dim-64", "dim-128", "dim-256"] and "lines" in drawn.data[0].mode
    assert beside.data[0].mode == "markers" and "baseline" in beside.data[0].x
    assert all(bar > 0 for bar in beside.data[0].error_y.array), "how far the seeds lie apart"
    assert "1.5 million tokens" in ladder.heading and "6.0 million tokens" in twins.heading
    assert "not across: the twins read 6.0 million tokens, the ladder 1.5 million tokens" in twins.says


def test_lines_of_the_same_numbers_are_one_with_both_names_and_the_bend_of_the_window_is_in_the_picture():
    measured = experiment("efficiency").measure(quick=True, report=lambda done, total, what: None)
    (picture,) = figures_of(concluded(experiment("efficiency").CLAIM, measured, quick=True, seconds=0), "model")
    lines = {line.name: line for line in picture.draw("light").data}
    assert "Llama 2 7B and Code Llama 7B" in lines and len(lines) == 5
    mistral = lines["Mistral 7B"]
    assert mistral.x[0] < 4096 and mistral.y[0] < mistral.y[mistral.x.index(4096)] == mistral.y[-1]
    assert "only Mistral 7B’s line goes flat at 4,096 tokens" in picture.says


def test_where_sharing_pays_is_said_with_its_unit_and_from_the_numbers():
    (picture,) = figures_of(read_record("sharing").finding, "recorded")
    assert "At the left a step reads 0.0476 bytes of keys and values for each byte of weights" in picture.says
    assert "1.089 times as fast; from 0.1903 bytes on at least 1.1 times" in picture.says
    assert "nothing to gain" not in picture.says
