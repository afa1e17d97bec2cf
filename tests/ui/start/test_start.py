"""The first minute: what is recorded is what the bundled model computes, and it belongs to the recorded text."""

import json

import numpy as np
import pytest

from app import compute
from app.start.example import COMMAND, load_example
from app.start.going_on import going_on
from app.wire import unpack
from mistral_core.analysis.cases import CANDIDATES
from mistral_core.analysis.example import find_example
from mistral_core.analysis.influence import corridor_influence
from mistral_core.checkpoint.registry import DEFAULT_MODEL


@pytest.fixture(scope="module")
def recorded():
    return json.loads(compute.EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model():
    return compute.exact_model(DEFAULT_MODEL)


def test_the_example_is_the_one_that_the_search_finds(recorded, model):
    found = find_example(model, compute.tokenizer(DEFAULT_MODEL), CANDIDATES)
    assert recorded["best"]["text"] == found.best.text
    assert list(found.case.words) == recorded["words"] and len(CANDIDATES) == recorded["candidates"]
    for name in ("first", "swapped"):
        assert recorded["best"][name] == pytest.approx(getattr(found.best, name), rel=1e-6)
    assert recorded["best"]["kl"] == pytest.approx(found.best.kl, rel=1e-6)


def test_the_recorded_corridor_is_computed_from_the_weights(recorded, model):
    kept = recorded["corridor"]
    pair = corridor_influence(
        model, kept["token_ids"], kept["source"], kept["target"], kept["replacement_id"], kept["token_id"]
    )
    through = np.array(kept["through"])
    assert np.abs(through - pair.through).max() < 1e-6 * np.abs(through).max()
    assert through.sum(1) == pytest.approx(pair.log_prob_after - pair.log_prob_before, rel=0.01)
    assert np.exp(kept["log_prob_before"]) == pytest.approx(recorded["best"]["first"][0], rel=1e-9)


def test_it_belongs_to_the_recorded_text_and_the_word_has_left_every_ring(recorded):
    trace = compute.recording()
    story = load_example(compute.EXAMPLE, trace)
    assert story is not None and recorded["model_hash"] == trace.model_hash
    assert "".join(trace.token_texts[: trace.n_prompt]).strip() == recorded["best"]["text"]
    assert story["word"] in trace.token_labels[story["position"]]
    assert story["position"] + max(trace.config.windows) == story["leaves"] < story["target"] == trace.n_prompt - 1
    assert COMMAND.split()[-1] == "influence-example"
    header, _ = unpack(compute.recording_payload())
    assert header["story"]["first"] == recorded["best"]["first"]


def test_what_does_not_belong_or_cannot_be_read_is_left_out(tmp_path, recorded):
    trace = compute.recording()
    for number, broken in enumerate(
        (
            "no json",
            "{}",
            "[1]",
            json.dumps({**recorded, "model_hash": "another"}),
            json.dumps({**recorded, "corridor": {**recorded["corridor"], "token_ids": [1, 2]}}),
        )
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(broken, encoding="utf-8")
        assert load_example(path, trace) is None
    assert load_example(tmp_path / "missing.json", trace) is None


def test_it_leads_on_to_the_same_text_and_place(recorded):
    ring, reach = going_on("ring"), going_on("reach")
    asked = ring.pop("ask"), ring.pop("put")
    assert asked == (str(recorded["best"]["position"]), recorded["words"][1]), (
        "the rings are asked about the story's swap"
    )
    assert ring["text"].strip() == recorded["best"]["text"] and ring["t"] == str(recorded["corridor"]["target"])
    assert (
        {**ring, **reach} == reach
        and reach["reading"] == "corridor"
        and reach["from"] == str(recorded["best"]["position"])
    )
