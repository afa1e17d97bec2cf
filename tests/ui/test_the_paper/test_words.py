"""Verdicts and numbers in words and files, and the picture that a table becomes."""

import csv
import io
import json
import math

from app.test_the_paper import figure
from app.test_the_paper.figure import Shape, figure_of
from app.test_the_paper.words import MARKS, as_csv, as_json, badge, cells, criteria_rows
from mistral_core.experiments.finding import VERDICTS, Finding, Table
from tests.model.experiments.test_frame import found


def test_every_verdict_has_a_mark_of_its_own_and_is_said():
    assert set(MARKS) == set(VERDICTS) and len(set(MARKS.values())) == len(VERDICTS)
    for verdict in VERDICTS:
        assert verdict in badge(verdict) and MARKS[verdict] in badge(verdict)


def test_a_line_says_what_was_needed_measured_and_whether_it_is_met():
    rows = criteria_rows(found(cost=2.5, control=math.nan).criteria)
    assert [row[""] for row in rows] == ["✓", "✗", "✗"]
    assert rows[0]["needed"] == "at least 10" and rows[1]["measured"] == "2.5"
    assert rows[2]["measured"] == "not measured" and rows[2]["if not"] == "without it nothing can be said"


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
    shape = Shape(table="t", x="d", y=("loss", "other"), by="of", y_title="nats", says="It falls.", log_y=True)
    monkeypatch.setitem(figure.SHAPES, "made_up", shape)
    picture = figure_of(finding, "recorded")
    for theme in ("light", "dark"):
        drawn = picture.draw(theme)
        assert drawn.layout.meta == {"provenance": "recorded"} and drawn.layout.yaxis.type == "log"
        assert list(drawn.layout.yaxis.ticktext)[:4] == ["0.1", "0.2", "0.5", "1"]
        lines = {line.name: (tuple(line.x), tuple(line.y)) for line in drawn.data}
        assert lines == {"x loss": ((1, 2), (0.5, 0.25)), "x other": ((2,), (4.0,)), "y other": ((1,), (3.0,))}
        assert len({(line.line.dash, line.marker.symbol) for line in drawn.data}) == 3, "not by colour alone"
    assert "recorded" in picture.says and figure_of(found(), "recorded") is None
    monkeypatch.delitem(figure.SHAPES, "made_up")
    assert figure_of(finding, "recorded") is None
