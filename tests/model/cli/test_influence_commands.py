"""The commands on influence print what the core measures."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from mistral_core.analysis.cases import GIRL, NEUTRAL
from mistral_core.analysis.distance import distance_profile, held_within
from mistral_core.analysis.push_back import push_back
from mistral_core.checkpoint.load import load_model
from mistral_core.cli import example as cli_example
from mistral_core.cli import influence as cli_influence
from mistral_core.cli.main import main
from tests.model.swaps import BUNDLED, SNOW, SWAPS, asked_of, transformers_model


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


@pytest.fixture(scope="module")
def theirs():
    """The same weights in transformers."""
    return transformers_model()


@pytest.fixture
def printed(loaded, monkeypatch, capsys):
    """Runs a command on the model that is loaded already; its JSON value."""
    for module in (cli_influence, cli_example):
        monkeypatch.setattr(module, "load", lambda model, dtype, device: loaded)

    def run(*arguments):
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_the_commands_print_what_the_core_measures(loaded, printed, monkeypatch):
    monkeypatch.setattr("mistral_core.analysis.cases.GIRL", replace(GIRL, fillers=NEUTRAL[:2]))
    opening, question = "A {} sat by the sea.", "At night"
    content = printed("push-back", "--opening", opening, "--words", "queen", "king", "--question", question)
    case = replace(GIRL, opening=opening, words=("queen", "king"), question=question, fillers=NEUTRAL[:2])
    expected = push_back(loaded.model, loaded.tokenizer, case)
    assert content["swaps"] == json.loads(json.dumps([asdict(swap) for swap in expected.swaps]))
    text = "Once upon a time there was a girl who lived in a little house in the wood."
    content = printed("influence-profile", "--text", text, "--sources", "2", "--max-distance", "6")
    profile = distance_profile(loaded.model, [loaded.tokenizer.encode(text)], 6, 2)
    assert content["kl_mean"] == profile.kl_mean.tolist()
    assert content["held_within"]["kl"]["0.9"] == held_within(profile.kl_mean, 0.9)
    untrained = printed("influence-profile", "--text", text, "--sources", "2", "--max-distance", "6", "--untrained")
    assert untrained["kl_mean"] != content["kl_mean"]


HARD = (
    "Once upon a time there was a girl who lived in a little house in the wood. One day she went to the river to "
    "fetch water, and there she met a fox who could speak."
)


def test_the_corridor_of_the_command_takes_the_steps_that_it_needs_and_states_the_error_left(capsys):
    """16 steps whatever the pair: here its rows missed the change by 13 %, and nothing said so."""
    arguments = ["influence", "--text", HARD, "--source", "20", "--target", "34"]
    content = json.loads(printed_by(capsys, *arguments, "--json"))
    pair = content["corridor"]
    change = pair["log_prob_after"] - pair["log_prob_before"]
    sums = np.array(pair["through"]).sum(1)
    assert sums == pytest.approx(change, rel=0.01)
    assert pair["error"] == pytest.approx(np.abs(sums - change).max(), rel=1e-9)
    assert 16 < pair["steps"] <= 128
    assert content["dtype"] == "float64"
    text = printed_by(capsys, *arguments)
    assert f"A row misses the change by at most {pair['error']:.2g} nats" in text


def test_influence_computes_so_that_far_cells_are_no_rounding(capsys):
    """It was float32 alone of the commands on influence, and far cells were its rounding."""
    arguments = ["influence", "--text", 3 * HARD, "--source", "1", "--json"]
    wide, narrow = (json.loads(printed_by(capsys, *arguments, *more)) for more in ((), ("--dtype", "float32")))
    last, rough = (np.array(content["forward"]["change"][-1]) for content in (wide, narrow))
    assert (wide["dtype"], narrow["dtype"]) == ("float64", "float32")
    far = (last > 0) & (last < 1e-12)
    assert (last[far] > wide["rounding"]).any()
    assert rough[far].max() > 10 * last[far].max()  # rounding, and it says below which value
    assert rough[far].max() < narrow["rounding"]


def printed_by(capsys, *arguments):
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_example_command_names_criterion_and_typical_change(loaded, theirs, printed, monkeypatch):
    monkeypatch.setattr("mistral_core.analysis.cases.CANDIDATES", (SNOW, SWAPS[4][0]))
    monkeypatch.setattr(cli_example, "TYPICAL_TEXTS", 1)
    monkeypatch.setattr(cli_example, "TYPICAL_LENGTH", 32)
    monkeypatch.setattr(cli_example, "TYPICAL_SOURCES", 4)
    content = printed("influence-example", "--seed", "3")
    assert (content["words"], content["candidates"]) == (["girl", "boy"], 2)
    assert content["best"]["first"] == pytest.approx(asked_of(theirs, loaded.tokenizer, SNOW)[0], abs=1e-5)
    assert "largest fall" in content["criterion"]
    typical = content["typical"]
    texts = cli_influence.written_texts(loaded, 1, 32, 3)
    profile = distance_profile(loaded.model, texts, 22, cli_example.TYPICAL_SOURCES, seed=3)
    assert (typical["distance"], typical["kl_median"]) == (22, profile.kl_median[22])
    assert typical["sources"] == profile.count[22] >= 2
