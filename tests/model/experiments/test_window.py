"""Claim 4: each verdict follows from its measurements, and the whole runs on the bundled models."""

import math
from dataclasses import replace

import pytest

from mistral_core.analysis.window_cost import Cost, scores_needed
from mistral_core.experiments import held_out as text
from mistral_core.experiments import window_run
from mistral_core.experiments.claims import Measured, concluded, run
from mistral_core.experiments.finding import Finding
from mistral_core.experiments.models import load
from mistral_core.experiments.window import CLAIM
from mistral_core.experiments.window_criteria import ALWAYS, THRESHOLDS, WindowMeasured, window_values
from mistral_core.experiments.window_run import crossing, miscounted, run_window

TRADE_OFF = WindowMeasured(
    miscounted=0.0,
    memory=16.0,
    times=(3.0, 2.0, 4.0),
    crossing=2.0,
    relay=1.0,
    relay_narrowed=0.06,
    asked=16,
    loss=2.8,
    loss_imposed=5.1,
    loss_rescued=3.2,
    imposed_on="a model",
    price=(0.3, 0.1, 90),
    recall_near=(1.0, 0.9, 1.0),
    recall_far=(0.95, 0.9, 1.0),
    recall_windowed=(0.5, 0.4, 0.6),
    recall_by="a model",
    names=20,
)


def verdict(**changes):
    measured = Measured(values=window_values(replace(TRADE_OFF, **changes)), tables=())
    finding = concluded(CLAIM, measured, quick=False, seconds=1)
    return finding.verdict, finding.limits


def test_a_trade_off_with_all_its_sides_holds():
    assert verdict() == ("holds", ALWAYS)
    by_name = window_values(TRADE_OFF)
    assert list(by_name) == [one.name for one in THRESHOLDS]
    assert by_name["time"].measured == 3.0 and (by_name["time"].low, by_name["time"].high) == (2.0, 4.0)
    assert by_name["rescue by sinks"].measured == pytest.approx(1.9 / 2.3)
    assert by_name["price out of sight"].measured == pytest.approx(0.1)
    assert by_name["recall lost"].measured == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("changes", "expected", "said"),
    [
        ({"miscounted": 1.0}, "not shown here", "not those of the formula"),
        ({"relay": 0.3, "relay_narrowed": 0.06}, "not shown here", "positive control fails"),
        ({"memory": 1.0}, "does not hold", "does not save the memory"),
        ({"times": (1.0, 1.2, 0.9)}, "does not hold", "does not save time"),
        ({"relay_narrowed": 0.98}, "does not hold", "loses nothing"),
        ({"crossing": math.nan}, "holds within limits", "below the crossing"),
        ({"loss_imposed": 2.81, "loss_rescued": 2.8}, "holds within limits", "does not need what lies outside"),
        ({"loss_rescued": 5.0}, "holds within limits", "four sinks do not rescue"),
        ({"price": (0.1, 0.05, 90)}, "holds within limits", "stories may be local"),
        ({"price": (math.nan, math.nan, 0)}, "holds within limits", "nothing could be measured"),
        ({"recall_near": (0.5, 0.4, 0.6)}, "holds within limits", "too small to test"),
        ({"recall_windowed": (0.93, 0.9, 1.0)}, "holds within limits", "no loss of recall"),
    ],
)
def test_each_verdict_flips_with_its_measurement(changes, expected, said):
    found, limits = verdict(**changes)
    assert found == expected and any(said in limit for limit in limits)


def test_a_model_too_small_to_test_says_nothing_of_recall():
    measured = window_values(replace(TRADE_OFF, recall_near=(0.6, 0.5, 0.7)))
    assert math.isnan(measured["recall lost"].measured)


@pytest.mark.parametrize(
    ("price", "kind"),
    [
        ((0.071, 0.042, 90), "no difference was detected (−0.013 to 0.155 nats; at least 0.02 was needed)"),
        ((0.03, 0.01, 90), "a small loss, under the threshold (0.01 to 0.05 nats"),
        ((-0.3, 0.1, 90), "less was lost than without a window (−0.5 to −0.1 nats"),
        ((math.nan, math.nan, 0), "nothing could be measured"),
    ],
)
def test_what_a_trained_window_costs_is_said_from_the_numbers(price, kind):
    said, limits = verdict(price=price)
    assert said == "holds within limits" and kind in limits[0] and "nothing that can be seen" not in limits[0]


def cost(length, size, seconds, needed=None):
    right = scores_needed(length, size)
    return Cost(length=length, window=size, seconds=(seconds,), kv_bytes=1, needed=needed or right, computed=right)


def test_the_crossing_is_where_it_stays_faster():
    times = {4: 2.0, 8: 1.0, 16: 1.2, 32: 5.0}  # faster by chance at 4, slower again at 8
    costs = [(cost(length, None, ratio), cost(length, 4, 1.0)) for length, ratio in times.items()]
    assert crossing(costs) == 4.0  # windows: 16 tokens
    assert math.isnan(crossing(costs[:2]))
    assert miscounted(costs) == 0.0
    assert miscounted([*costs, (cost(4, None, 1.0, needed=13), cost(4, 4, 1.0))]) == 3.0


@pytest.fixture(scope="module")
def finding():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_run, "WINDOW", {True: 16})
        patch.setattr(window_run, "REPEATS", {True: 1})
        reports = []
        made = run("window", quick=True, report=lambda *args: reports.append(args))
    return made, reports


def test_the_quick_form_reads_the_bundled_models(finding):
    made, reports = finding
    assert {one.threshold.name for one in made.criteria} == {one.name for one in THRESHOLDS}
    assert set(made.models) == {"full-attention", "baseline", "narrow-window", "relay"}
    values = {one.threshold.name: one.measured for one in made.criteria}
    assert values["scores counted"] == 0 and values["memory"] == 16 and values["relay arrives"] >= 0.9
    done = [step for step, _, _ in reports]
    assert done == sorted(done) and reports[-1][0] == reports[-1][1]
    assert made.tables[-1].rows[0][0] == "stories.txt"
    again = Finding.from_json(made.to_json())
    assert again.verdict == made.verdict and set(again.limits) == set(made.limits)


def test_the_tables_name_the_paper_beside_the_formula(finding):
    tables = {table.name: table for table in finding[0].tables}
    assert tables["paper"].rows[0][1] == pytest.approx(2.2857, abs=1e-3) and tables["paper"].rows[1][1] == 2.0
    mentions = tables["by last mention"]
    words = sum(row[2] for row in mentions.rows if row[0] == "words")
    names = sum(row[2] for row in mentions.rows if row[0] == "names")
    assert words > 20 and 0 < names < words
    assert [row[0] for row in tables["imposed"].rows] == ["none", 16, 12]


def test_a_run_can_be_ended(monkeypatch):
    def stop(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_window(load, quick=True, report=stop)


def test_a_missing_twin_is_named():
    with pytest.raises(ValueError, match="full-attention is not there"):
        run_window(lambda name: None, quick=True, report=lambda *args: None)


def test_a_named_text_is_read_in_the_long_form_alone(monkeypatch, tmp_path):
    (tmp_path / "mine.txt").write_text("One.\n\nTwo ä.\n", encoding="utf-8")
    monkeypatch.setenv(text.VARIABLE, str(tmp_path / "mine.txt"))
    assert text.held_out(quick=False) == text.HeldOut(("One.", "Two ä."), "mine.txt", 11)
    assert len(text.held_out(quick=True).documents) == 8
    monkeypatch.setenv(text.VARIABLE, str(tmp_path / "none.txt"))
    with pytest.raises(ValueError, match="cannot be read"):
        text.held_out(quick=False)
