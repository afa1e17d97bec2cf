"""The command museum: the list, one mistake with its numbers, and refusals."""

import json

import pytest

from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.museum.exhibits import EXHIBITS, exhibit
from mistral_core.museum.reading import compare

TEXT = "Once upon a time there was a girl who lived in a little house by the sea, and every day she went out"


def test_without_a_name_all_are_listed(cli):
    code, out, _ = cli("museum", "--json")
    assert code == 0 and [one["name"] for one in json.loads(out)] == [one.name for one in EXHIBITS]
    code, out, _ = cli("museum")
    assert code == 0 and len(out.splitlines()) == len(EXHIBITS)


def test_one_mistake_has_the_numbers_of_the_core(cli):
    code, out, _ = cli("museum", "window-plus-one", "--text", TEXT, "--no-verify", "--json")
    content, loaded = json.loads(out), load_model(bundled_root() / "storyteller")
    expected = compare(loaded.model, exhibit("window-plus-one"), loaded.tokenizer.encode(TEXT), stop=2)
    assert code == 0 and content["errs_from"] == content["expected_from"] == 16
    assert content["error"] == pytest.approx(expected.error.tolist())
    assert content["written_with_it"] == loaded.tokenizer.decode(list(expected.wrong))
    assert "verify" not in content


def test_what_cannot_be_shown_is_refused(cli):
    for arguments, reason in (
        (("museum", "no-such"), "there is no mistake"),
        (("museum", "wrong-end", "--text", "Hi", "--no-verify"), "this one has"),
        (("museum", "wrong-end", "--model", "full-attention", "--no-verify"), "needs a layer with a window"),
    ):
        code, _, err = cli(*arguments)
        assert code != 0 and reason in " ".join(err.split())
