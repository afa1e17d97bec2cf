"""Claim 5: each verdict follows from its measurements; the edge, the key felt and the whole run on small models."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.dilution import evenly, kernel
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.experiments import stacking_run
from mistral_core.experiments.claims import Measured, concluded, run
from mistral_core.experiments.finding import Finding
from mistral_core.experiments.horizon import beats, edges, key_felt
from mistral_core.experiments.stacking import CLAIM
from mistral_core.experiments.stacking_criteria import ALWAYS, THRESHOLDS, StackingMeasured, stacking_values
from mistral_core.model import random_model
from tests.conftest import TINY, TINY_STD

REACHED = StackingMeasured(
    at_edge=1e-12,
    beyond=0.0,
    moved=0.1,
    checked="8 depths",
    relayed=(1.0, 0.99, 0.95),
    leaked=0.06,
    asked=16,
    horizon=80,
    horizon_spread=(70, 90),
    full_horizon=85,
    reach=120,
    predicted=50,
    beats=1e6,
    sources=24,
)


def verdict(**changes):
    measured = Measured(values=stacking_values(replace(REACHED, **changes)), tables=())
    finding = concluded(CLAIM, measured, quick=False, seconds=1)
    return finding.verdict, finding.limits


def test_a_reach_that_is_used_holds():
    assert verdict() == ("holds", ALWAYS)
    measured = stacking_values(REACHED)
    assert list(measured) == [one.name for one in THRESHOLDS]
    assert measured["used"].measured == pytest.approx(80 / 120)
    assert measured["dilution theory"].measured == pytest.approx(math.log2(1.6))


@pytest.mark.parametrize(
    ("changes", "expected", "said"),
    [
        ({"moved": 0.0}, "not shown here", "does not even change its own state"),
        ({"leaked": 0.9}, "not shown here", "cannot have seen"),
        ({"at_edge": 0.0}, "does not hold", "nothing arrives"),
        ({"beyond": 1e-300}, "does not hold", "from beyond"),
        ({"relayed": (1.0, 1.0, 0.06)}, "does not hold", "does not bring it over"),
        ({"horizon": 31, "full_horizon": 31}, "holds within limits", "a bound and no promise"),
        ({"full_horizon": 116}, "holds within limits", "not the language's"),
        ({"predicted": 20}, "holds within limits", "more than a factor of two"),
        ({"predicted": 0}, "holds within limits", "more than a factor of two"),
        ({"beats": 1.0}, "holds within limits", "no more than dilution allows"),
        ({"beats": math.nan}, "holds within limits", "no more than dilution allows"),
    ],
)
def test_each_verdict_flips_with_its_measurement(changes, expected, said):
    found, limits = verdict(**changes)
    assert found == expected and any(said in limit for limit in limits)


def test_the_edge_of_each_depth_is_the_sum_of_the_windows():
    model = random_model(replace(TINY, sliding_window=(5, 3, 4)), std=TINY_STD, dtype=torch.float64)
    found = edges(model)
    assert [(one.layers, one.edge) for one in found] == [(1, 4), (2, 6), (3, 9)]
    assert all(one.derivative > 0 and one.beyond == 0 and one.own > 0 for one in found)


@pytest.mark.parametrize("stated", [4, 6])
def test_an_edge_that_is_stated_too_narrow_or_too_wide_is_seen(monkeypatch, stated):
    """The reach said is not that of the masks: something arrives beyond it, or nothing at it."""
    model = random_model(replace(TINY, sliding_window=5), std=TINY_STD, dtype=torch.float64)
    monkeypatch.setattr(type(model.config), "exact_reach", lambda self, k=3: k * (stated - 1))
    found = edges(model)
    assert all(one.beyond > 0 for one in found) if stated < 5 else all(one.derivative == 0 for one in found)


def test_edges_need_float64_and_windows():
    with pytest.raises(ValueError, match=r"torch\.float32"):
        edges(random_model(TINY))
    with pytest.raises(ValueError, match="reaches None"):
        edges(random_model(TINY.with_window(None), dtype=torch.float64))


def test_what_dilution_predicts_is_not_beaten_and_what_never_fades_is():
    theory = kernel([0.2] * 4, [evenly(8)] * 4, 29)
    near, far = slice(1, 8), slice(22, 29)
    assert beats(7.0 * theory, theory, near, far) == pytest.approx(1.0)
    held = np.ones(29)
    expected = np.exp(np.mean(np.log(theory[near].mean() / theory[far])))
    assert beats(held, theory, near, far) == pytest.approx(expected) and expected > 1000
    assert math.isnan(beats(np.zeros(29) + (np.arange(29) < 8), theory, near, far))  # nothing arrives


@pytest.fixture(scope="module")
def relay():
    return load_model(bundled_root() / "relay")


def test_the_relay_feels_its_key_up_to_its_reach(relay):
    felt = key_felt(relay.model, relay.tokenizer, [1, 60, 120, 121], pairs=4)
    assert felt[:3].min() > 0.3 and felt[3] == 0.0


@pytest.fixture(scope="module")
def finding():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("TEXTS", 2), ("SOURCES", 2), ("PAIRS", 3)):
            patch.setattr(stacking_run, name, {True: value})
        reports = []
        made = run("stacking", quick=True, report=lambda *args: reports.append(args))
    return made, reports


def test_the_quick_form_reads_the_bundled_models(finding):
    made, reports = finding
    assert set(made.models) == {"full-attention", "baseline", "relay"}
    values = {one.threshold.name: one.measured for one in made.criteria}
    assert values["beyond it"] == 0 and values["at the edge"] > 0 and values["relay"] >= 0.9
    assert values["relay beats dilution"] > 10
    done = [step for step, _, _ in reports]
    assert done == sorted(done) and reports[-1][0] == reports[-1][1]
    assert Finding.from_json(made.to_json()).verdict == made.verdict


def test_the_tables_say_depth_and_spread(finding):
    tables = {table.name: table for table in finding[0].tables}
    assert (32_768, 4096, 9) in tables["depth"].rows
    layers, width, formula, reach = tables["spread"].rows[-1]
    assert (layers, reach) == (8, 120) and width == pytest.approx(formula, rel=0.01)
    assert len(tables["mixing"].rows) == 8
    assert {row[0] for row in tables["relay"].rows} == {1, 2, 3, 4, 5, 6, 7, 8, "beyond all"}
