"""The frame of the experiments: a verdict follows from numbers, flips with them, and survives the disk."""

import json
import math
import types

import pytest

from mistral_core.cli.main import main
from mistral_core.experiments import claims, record
from mistral_core.experiments.claims import Claim, Measured, Value, concluded
from mistral_core.experiments.finding import VERDICTS, Criterion, Finding, Table, Threshold, because, judged


def threshold(name, role, **bound):
    return Threshold(name=name, says=f"{name} in tokens", role=role, limit=f"{name} was not met", **bound)


CLAIM = Claim(
    name="made_up",
    title="a made-up claim",
    statement="It is far.",
    where="nowhere",
    remark="Is it?",
    needed=(
        threshold("distance", "claim", at_least=10),
        threshold("cost", "limit", at_most=2.0),
        threshold("control", "control", at_least=0.9),
    ),
    limits=("only made up",),
)
TABLE = Table(name="all", title="all of it", source="model", columns=("a", "b"), rows=((1, 2.5), ("x", None)))


def found(distance=12.0, cost=1.0, control=1.0):
    values = {"distance": distance, "cost": cost, "control": control}
    measured = Measured(
        values={name: Value(measured=value, source="model") for name, value in values.items()},
        tables=(TABLE,),
        models={"m": "ab"},
    )
    return concluded(CLAIM, measured, quick=True, seconds=1.0)


@pytest.mark.parametrize(
    ("numbers", "verdict", "limits"),
    [
        ({}, "holds", 0),
        ({"cost": 2.5}, "holds within limits", 1),
        ({"distance": 9.9}, "does not hold", 1),
        ({"distance": 9.9, "cost": 3}, "does not hold", 2),
        ({"control": 0.5}, "not shown here", 1),
        ({"distance": 1, "control": 0.5}, "not shown here", 2),
        ({"distance": math.nan}, "does not hold", 1),
        ({"control": math.nan}, "not shown here", 1),
    ],
)
def test_the_verdict_follows_from_the_numbers(numbers, verdict, limits):
    finding = found(**numbers)
    assert finding.verdict == verdict and verdict in VERDICTS
    assert len(finding.limits) == limits + 1 and finding.limits[-1] == "only made up"


def test_nothing_that_tests_the_claim_shows_nothing():
    assert judged([])[0] == "not shown here"
    only = Criterion(threshold=threshold("cost", "limit", at_most=1), measured=0.0, source="model")
    assert judged([only])[0] == "not shown here"


def test_why_a_verdict_is_what_it_is_follows_from_the_same_numbers():
    assert because(found().criteria) == "all that it needs was seen"
    assert because(found(cost=3).criteria) == "with 1 limit"
    assert because(found(distance=1).criteria) == "1 of what the claim needs was not seen"
    assert because(found(distance=1, control=0).criteria) == "a control failed, so nothing can be said"
    only = Criterion(threshold=threshold("cost", "limit", at_most=1), measured=2.0, source="model")
    assert because([only]) == "what it needs was seen; what would show it cannot be measured here"


def test_a_limit_can_be_said_from_what_was_measured_and_goes_to_disk_as_a_sentence():
    says = threshold("cost", "limit", at_most=1.0)
    numbers = Threshold(**{**vars(says), "limit_of": lambda value: f"it costs {value.measured}"})
    claim = Claim(**{**vars(CLAIM), "needed": (numbers,)})
    measured = Measured(values={"cost": Value(measured=3.5, source="model")}, tables=())
    finding = concluded(claim, measured, quick=True, seconds=0)
    assert finding.limits == ("it costs 3.5", "only made up")
    content = json.loads(json.dumps(finding.to_json()))
    assert content["criteria"][0]["threshold"]["limit"] == "it costs 3.5"
    assert Finding.from_json(content).limits == finding.limits and numbers == says


def test_a_record_is_said_in_the_words_of_today_where_its_bounds_are_those_of_today():
    claim = claims.experiment("sharing").CLAIM
    measured = Measured(values={"time": Value(measured=1.6, source="model")}, tables=())
    now = concluded(claim, measured, quick=False, seconds=1)
    content = now.to_json()
    for number, one in enumerate(content["criteria"]):
        one["threshold"] |= {"says": "as it was said", "limit": f"a limit as it was said {number}"}
    content["criteria"][0]["threshold"]["at_least"] = 9
    content["limits"] = []
    back = claims.restated(Finding.from_json(content))
    assert back.criteria[0].threshold.says == "as it was said", "it was held against another bound"
    assert [one.threshold for one in back.criteria[1:]] == list(claim.needed[1:])
    assert back.verdict == now.verdict and back.limits[1:] == now.limits[1:]


def test_a_value_that_is_missing_counts_as_not_measured_and_one_too_many_is_refused():
    missing = concluded(CLAIM, Measured(values={}, tables=()), quick=False, seconds=0)
    assert missing.verdict == "not shown here" and all(math.isnan(one.measured) for one in missing.criteria)
    extra = Measured(values={"luck": Value(measured=1, source="model")}, tables=())
    with pytest.raises(ValueError, match="made_up measured luck, for which no threshold was stated before"):
        concluded(CLAIM, extra, quick=False, seconds=0)
    with pytest.raises(KeyError, match="has no threshold luck; it has distance"):
        CLAIM.threshold("luck")


def test_bounds_and_rows_are_checked():
    for bounds in ({}, {"at_least": 1.0, "at_most": 2.0}):
        with pytest.raises(ValueError, match="give exactly one"):
            threshold("odd", "claim", **bounds)
    assert threshold("zero", "claim", at_most=0.0).met(0.0) and not threshold("zero", "claim", at_most=0.0).met(0.1)
    with pytest.raises(ValueError, match="two columns of one name"):
        Table(name="t", title="", source="model", columns=("a", "a"), rows=())
    with pytest.raises(ValueError, match="has 1 cells for 2 columns"):
        Table(name="t", title="", source="model", columns=("a", "b"), rows=((1,),))


def test_a_record_is_read_back_and_a_verdict_that_its_numbers_do_not_give_is_refused(tmp_path):
    for finding in (found(), found(distance=math.nan), found(control=0.1)):
        path = record.write_record(finding, "a machine", tmp_path)
        back = record.read_record("made_up", tmp_path)
        assert back.finding.to_json()["limits"] == list(finding.limits)
        assert back.finding.verdict == finding.verdict and back.finding.tables == finding.tables
        assert back.command == "python -m mistral_core experiment made_up --quick" and back.machine == "a machine"
    content = json.loads(path.read_text())
    content["finding"]["verdict"] = "holds"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="its verdict is 'holds', and its numbers say 'not shown here'"):
        record.read_record("made_up", tmp_path)
    for damaged in ("{", "[]", "{}", '{"format": "x"}'):
        path.write_text(damaged)
        with pytest.raises(ValueError, match=r"made_up.json is no record of an experiment"):
            record.read_record("made_up", tmp_path)
    assert record.read_record("never_run", tmp_path) is None
    assert isinstance(found(), Finding)


def test_the_command_runs_all_that_can_be_run_and_names_the_others(monkeypatch, capsys, tmp_path):
    def measure(*, quick, report):
        report(1, 2, "measuring")
        return Measured(values={"distance": Value(measured=11, source="model")}, tables=(TABLE,))

    def cannot(*, quick, report):
        raise ValueError("a model is missing")

    modules = {
        "good": types.SimpleNamespace(CLAIM=CLAIM, measure=measure),
        "bad": types.SimpleNamespace(CLAIM=CLAIM, measure=cannot),
    }
    monkeypatch.setattr(claims, "MODULES", {"bad": "bad", "good": "good"})
    unknown = claims.experiment
    monkeypatch.setattr(claims, "experiment", lambda name: modules[name] if name in modules else unknown(name))
    assert main(["experiment", "all", "--quick", "--json", "--record", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    [row] = json.loads(out)
    assert {"claim", "measured", "threshold", "verdict", "limits"} <= set(row)
    assert row["measured"] == {"distance": 11, "cost": None, "control": None} and "bad: a model is missing" in err
    assert (tmp_path / "made_up.json").is_file()
    assert main(["experiment", "good"]) == 0
    assert "not shown here" in capsys.readouterr().out
    assert main(["experiment", "luck"]) == 2
    assert "there is no experiment 'luck'; known are bad, good" in capsys.readouterr().err
