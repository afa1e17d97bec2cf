"""The verdict on shared keys and values, made to flip; the quick form on the model's own code."""

from dataclasses import replace

import pytest

from mistral_core.analysis.sharing_cost import Batch, Step
from mistral_core.experiments import sharing_run
from mistral_core.experiments.claims import Measured, concluded
from mistral_core.experiments.sharing import CLAIM
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
        ({}, "holds within limits"),  # nothing to gain where the weights are most
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
