"""The ledger of claim 1: parameters of the published networks, the scores' arithmetic, and a verdict that can flip."""

import pytest

from mistral_core.analysis.accounting import parameter_count
from mistral_core.experiments.claims import concluded, run
from mistral_core.experiments.efficiency import CLAIM, weighed
from mistral_core.experiments.published_figures import BENCHMARKS, CODE, SCORES, SHAPES, config_of

MISTRAL, SECOND = "Mistral 7B", "Llama 2 13B"
CONFIGS = {name: config_of(name) for name in SHAPES}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Mistral 7B", 7_241_732_096),
        ("Llama 2 7B", 6_738_415_616),
        ("Llama 2 13B", 13_015_864_320),
        ("Llama 2 70B", 68_976_648_192),
        ("Llama 1 33B", 32_528_943_616),
    ],
)
def test_the_networks_have_the_parameters_of_the_published_checkpoints(name, parameters):
    assert parameter_count(CONFIGS[name])["total"] == parameters


def test_every_row_of_the_table_has_every_column():
    assert all(len(row) == len(BENCHMARKS) == 12 for row in SCORES.values())
    assert set(SCORES) == {MISTRAL, SECOND, "Llama 2 7B", CODE}
    assert all(0 < value < 100 for row in SCORES.values() for value in row)


def verdict(configs=CONFIGS, scores=SCORES):
    return concluded(CLAIM, weighed(configs, scores), quick=True, seconds=0)


def test_capability_is_not_shown_here_and_the_column_that_is_lost_is_named():
    finding = verdict()
    assert finding.verdict == "not shown here" == run("efficiency", quick=True).verdict
    met = {one.threshold.name: one.met for one in finding.criteria}
    assert met["most benchmarks"] and not met["every benchmark"] and not met["code"] and not met["larger models"]
    behind = [row[0] for table in finding.tables if table.name == "scores" for row in table.rows if row[-2] < 0]
    assert behind == ["NQ"]


def test_other_numbers_refute_it():
    losing = {**SCORES, MISTRAL: tuple(value - 30 for value in SCORES[MISTRAL])}
    assert verdict(scores=losing).verdict == "does not hold"
    large = {**CONFIGS, MISTRAL: config_of("Llama 2 70B")}
    assert verdict(configs=large).verdict == "does not hold"


def test_the_bytes_by_length_begin_before_the_window_so_that_its_bend_is_inside():
    (table,) = [table for table in verdict().tables if table.name == "cache"]
    own = {row[0]: row[table.columns.index(MISTRAL)] for row in table.rows}
    assert min(own) < 1024 and own[2048] == own[4096] / 2 and own[4096] == own[8192] == own[131_072]
    other = [row[table.columns.index(SECOND)] for row in table.rows]
    assert other == sorted(set(other)), "without a window it grows to the end"


def test_what_is_best_depends_on_what_is_asked():
    best = {row[0]: row[1] for table in verdict().tables if table.name == "best" for row in table.rows}
    assert best["fewest parameters"] == "Llama 2 7B" and best["fewest bytes kept for a text of 128k"] == MISTRAL
    assert best["highest score in HumanEval"] == CODE and len(set(best.values())) > 2
