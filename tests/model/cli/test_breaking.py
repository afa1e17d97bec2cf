"""The command knock-out, and names of models that say what is broken: the same numbers as the core, bad input refused."""

import json

import numpy as np
import pytest
import torch

from mistral_core.analysis.intervening import effect
from mistral_core.analysis.interventions import KnockOut, Shorten
from mistral_core.analysis.knock_out_map import knock_out_map
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.trace.trace import Trace

TEXT = "Once upon a time there was a girl who lived in a little house"


@pytest.fixture(scope="module")
def loaded():
    return load_model(bundled_root() / "storyteller", dtype=torch.float64)


def test_without_a_change_it_is_the_map_of_all_parts(cli, loaded):
    code, out, _ = cli("knock-out", "--text", TEXT, "--target", 12, "--json")
    content = json.loads(out)
    expected = knock_out_map(loaded.model, loaded.tokenizer.encode(TEXT), 12)
    assert code == 0 and content["log_prob"] == pytest.approx(expected.log_prob)
    for name, part in (("head", expected.heads), ("group", expected.groups), ("mlp", expected.mlps)):
        assert np.allclose(content["change"][name], part.change) and np.allclose(content["kl"][name], part.kl)
    code, out, _ = cli("knock-out", "--text", TEXT, "--target", 12)
    least = min((v, f"head:{i + 1}:{j + 1}") for i, row in enumerate(expected.heads.change) for j, v in enumerate(row))
    assert code == 0 and f"{least[0]:+.3f}  {least[1]} " in out


def test_with_changes_it_is_their_effect_along_the_text(cli, loaded):
    changes = ("head:5:3", "near:4")
    code, out, _ = cli("knock-out", "--text", TEXT, *(f"--change={one}" for one in changes), "--json")
    content, ids = json.loads(out), loaded.tokenizer.encode(TEXT)
    expected = effect(loaded.model, ids, [KnockOut(part="head", layer=4, index=2), Shorten(distance=4)])
    assert code == 0 and content["target"] == len(ids) - 2
    assert np.allclose(content["kl"], expected.kl) and np.allclose(content["after"], expected.after[:-1])
    assert content["cannot_change"] == 0
    code, out, _ = cli("knock-out", "--text", TEXT, "--change", "near:4")
    assert code == 0 and "no layer looks back more than 4 tokens" in out and "first 5 predictions cannot change" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--change", "head:9"], "write head:LAYER:HEAD"),
        (["--change", "head:9:1"], "layer 8 is not in this model; it has layers 0 to 7"),
        (["--target", 400], "positions that have a next token are 0 to"),
        (["--target", -1], "positions that have a next token are 0 to"),
        (["--model", "storyteller~mlp:9"], "layer 8 is not in this model"),
        (["--model", "storyteller~mlp"], "neither a model nor a folder"),
    ],
)
def test_what_cannot_be_is_one_sentence(cli, arguments, why):
    code, out, error = cli("knock-out", "--text", TEXT, *arguments)
    assert code == 2 and why in error and not out and "Traceback" not in error


def test_a_model_can_be_named_with_a_window_and_what_is_broken(cli, loaded, tmp_path):
    path = tmp_path / "broken.safetensors"
    code, _, _ = cli("trace", "--model", "storyteller@8~near:2", "--prompt", TEXT, "--max-new-tokens", 4, "--out", path)
    trace = Trace.load(path)
    assert code == 0 and trace.model_name == "storyteller@8~near:2" and trace.config.sliding_window == 8
    assert trace.model_hash == loaded.model_hash
    assert trace.pattern(3).shape[-1] == 8 and trace.pattern(3)[:, :, 3:].max() == 0 < trace.pattern(3)[-1, :, 2].max()
