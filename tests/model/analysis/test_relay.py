"""The relay: sequences, what counts as arrived, and the bundled control model."""

import json
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from mistral_core.analysis.relay import FILLERS, GUESS, KEYS, measure_relay, relay_question
from mistral_core.checkpoint import registry
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.cli.main import main
from mistral_core.model import Transformer, random_model
from mistral_core.tokenizer import SentencePieceTokenizer
from tests.conftest import TINY, ByteTokenizer


@pytest.fixture(scope="module")
def control():
    return load_model(bundled_root() / "relay")


class Scripted(Transformer):
    """Puts nearly all probability on what `answer(tokens)` says."""

    def __init__(self, answer):
        nn.Module.__init__(self)
        self.config, self.answer = replace(TINY, n_layers=8, sliding_window=16), answer

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, 300)
        for row, text in enumerate(tokens.tolist()):
            logits[row, -1, self.answer(text)] = 20.0
        return logits


def test_a_sequence_is_key_fillers_and_question():
    text = relay_question("K", 40, random.Random(3))
    assert text[0] == "K" and text[40] == "?" and len(text) == 41
    assert set(text[1:40]) <= set(FILLERS)
    with pytest.raises(ValueError, match="'Z'; it must be one of"):
        relay_question("Z", 3, random.Random(0))
    with pytest.raises(ValueError, match="distance is 0"):
        relay_question("K", 0, random.Random(0))


def test_right_answers_are_counted_by_distance():
    tokenizer = ByteTokenizer()
    far = tokenizer.encode("a")[-1]

    def up_to_twenty(tokens):
        return next(t for t in tokens if t >= 3 and chr(t - 3) in KEYS) if len(tokens) <= 22 else far

    found = measure_relay(Scripted(up_to_twenty), tokenizer, [1, 15, 16, 20, 21, 120, 121], rounds=2)
    assert [row.right for row in found] == [32, 32, 32, 32, 0, 0, 0]
    assert {row.asked for row in found} == {32}
    assert [row.hops for row in found] == [1, 1, 2, 2, 2, 8, None]
    assert found[0].probability > 0.99 and found[-1].probability < 0.01


def test_a_model_that_learned_nothing_guesses(tiny_config):
    found = measure_relay(random_model(tiny_config, seed=1), ByteTokenizer(), range(1, 12), rounds=2)
    assert sum(row.right for row in found) / sum(row.asked for row in found) < 3 * GUESS


def test_a_tokenizer_that_joins_symbols_is_refused():
    tokenizer = SentencePieceTokenizer(bundled_root() / registry.DEFAULT_MODEL / "tokenizer.model")
    with pytest.raises(ValueError, match="joins or splits symbols"):
        measure_relay(Scripted(lambda tokens: 5), tokenizer, [30])


def test_the_control_carries_a_key_through_every_hop_and_not_one_token_further(control):
    """W = 16, 8 layers: 120 tokens and no more."""
    assert control.config.windows == (16,) * 8
    found = {row.distance: row for row in measure_relay(control.model, control.tokenizer, [15, 30, 60, 105, 120, 121])}
    recorded = json.loads((bundled_root() / "relay" / "relay.json").read_text())
    stated = {row["distance"]: row for row in recorded["results"]}
    for distance in (15, 30, 60, 105, 120):
        assert found[distance].right / found[distance].asked > 0.9
        assert found[distance].right / found[distance].asked == pytest.approx(
            stated[distance]["right"] / stated[distance]["asked"], abs=0.1
        )
    assert found[121].right / found[121].asked <= 2 * GUESS


def test_beyond_the_reach_the_key_changes_no_bit(control):
    """The edge is exact: the logits after the question are the same to the last bit for any key."""

    def after(distance, key):
        fillers = "".join(random.Random(5).choices(FILLERS, k=distance - 1))
        tokens = control.tokenizer.encode(key + fillers + "?")
        with torch.inference_mode():
            return control.model(torch.tensor([tokens]))[0, -1]

    assert torch.equal(after(121, "A"), after(121, "P"))
    assert not torch.equal(after(120, "A"), after(120, "P"))


def test_the_command_measures_a_model(capsys, monkeypatch):
    monkeypatch.setattr("mistral_core.cli.relay._distances", lambda loaded: [1, 16, 121])
    assert main(["relay", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["distance"] for row in rows] == [1, 16, 121]
    assert [row["hops"] for row in rows] == [1, 2, None]
    assert main(["relay"]) == 0
    assert "| beyond all | 121 |" in capsys.readouterr().out
    assert main(["relay", "--rounds", "0"]) == 2
    assert "--rounds is 0" in capsys.readouterr().err
