"""The verdict on shared keys and values, made to flip; the quick form on the model's own code."""

import math
from dataclasses import replace

import pytest

from mistral_core.analysis.sharing_cost import Batch, Step
from mistral_core.experiments import sharing_run
from mistral_core.experiments.claims import Measured, concluded
from mistral_core.experiments.finding import Table, Value
from mistral_core.experiments.record import read_record
from mistral_core.experiments.sharing import CLAIM, pays_from, small_gain
from tests.model.experiments.test_coding import reached


def step(heads, share, seconds, repeats=9):
    return Step(
        n_kv_heads=heads,
        batch=2,
        context=64,
        weight_bytes=1000,
        kv_bytes=int(1000 * share),
        seconds=(seconds,) * repeats,
    )


def values(*, near=1.0, far=0.4, allocated=20, lost=0.001, share=8.0, repeats=9):
    measured = [
        (step(8, 0.1, 1.0, repeats), step(2, 0.025, near, repeats)),
        (step(8, share, 1.0, repeats), step(2, share / 4, far, repeats)),
    ]
    fits = [
        Batch(n_kv_heads=8, by_formula=10, allocated=10, nbytes=1),
        Batch(n_kv_heads=4, by_formula=20, allocated=allocated, nbytes=1),
    ]
    rows = [replace(reached("mha", 1.5, 10, 0.002)), reached("baseline", 1.5 + lost, 10, 0.002)]
    return sharing_run.judged_values(measured, fits, rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"near": 0.8}, "holds"),
        ({}, "holds within limits"),  # little to gain where the weights are most
        ({"near": 0.8, "lost": 0.01}, "holds within limits"),
        ({"near": 0.8, "far": 0.9}, "does not hold"),
        ({"near": 0.8, "allocated": 12}, "does not hold"),
        ({"near": 0.8, "share": 3.0}, "not shown here"),
        ({"near": 0.8, "repeats": 3}, "not shown here"),
    ],
)
def test_the_verdict_flips_with_the_numbers(change, verdict):
    measured = Measured(values=values(**change), tables=())
    assert concluded(CLAIM, measured, quick=True, seconds=0).verdict == verdict


@pytest.mark.parametrize(
    ("measured", "low", "high", "kind"),
    [
        (1.089, 1.04, 1.136, "a small gain, under the threshold: 1.089 times as fast (1.04 to 1.136), at least 1.1"),
        (1.01, 0.97, 1.04, "no gain was detected: 1.01 times as fast (0.97 to 1.04)"),
        (0.9, 0.88, 0.93, "a loss: 0.9 times as fast (0.88 to 0.93)"),
    ],
)
def test_what_is_gained_below_the_crossing_is_said_from_the_numbers(measured, low, high, kind):
    assert kind in small_gain(Value(measured=measured, low=low, high=high, source="model"))


def test_the_recorded_gain_is_called_small_and_not_nothing():
    finding = read_record("sharing").finding
    one = next(one for one in finding.criteria if one.threshold.name == "below the crossing")
    assert not one.met and one.limit in finding.limits and "a small gain, under the threshold" in one.limit


def test_where_sharing_pays_follows_from_the_table():
    columns = ("key/value heads", "keys and values over weights, bytes", "times as fast")
    rows = ((8, 0.1, 1.0), (2, 8.0, 1.5), (2, 0.1, 1.0), (2, 1.0, 1.2), (1, 0.1, 3.0))
    table = Table(name="steps", title="", source="model", columns=columns, rows=rows)
    assert pays_from(table) == 1.0
    assert pays_from(replace(table, rows=((2, 0.1, 1.3), (2, 1.0, 1.2)))) == 0.1
    assert math.isnan(pays_from(replace(table, rows=((2, 0.1, 1.3), (2, 1.0, 1.0)))))


def test_one_seed_says_nothing_of_chance():
    rows = [reached("mha", 1.5, 10), reached("baseline", 1.6, 10)]
    quality = sharing_run._cost(rows)
    assert quality.measured != quality.measured and "one seed" in quality.repeats


def test_the_quick_form_measures_every_threshold(monkeypatch):
    monkeypatch.setattr(sharing_run, "QUICK", ((1, 2), (32, 64), 7, 0.05))
    measured = sharing_run.run_sharing(quick=True, report=lambda done, total, what: None)
    assert set(measured.values) == {one.name for one in CLAIM.needed}
    assert measured.values["memory"].measured == pytest.approx(4, abs=0.1)
    assert [len(table.rows) for table in measured.tables] == [16, 4, 3]
