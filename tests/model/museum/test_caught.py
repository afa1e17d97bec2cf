"""Which named check of verify fails with each mistake, and those that none can find."""

from pathlib import Path

import pytest

from mistral_core.checkpoint.golden import make_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.save import save_mistral
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from mistral_core.museum.caught import ASKED, LEFT_OUT, OTHERS_NUMBERS, as_it_is, caught_by
from mistral_core.museum.exhibits import EXHIBITS, exhibit
from mistral_core.verification.verify import CHECKS

SHAPE = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=6,
    n_kv_heads=2,
    head_dim=4,
    hidden_dim=24,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=100.0,
    sliding_window=3,
)
DENSE = {"independent forward", "golden logits"}
RING = {"cached decode", "chunked prefill", "ragged batch"}
EXPECTED = {
    "window-plus-one": DENSE | RING | {"ring contents", "reach"},
    "write-before-read": {"chunked prefill"},
    "full-too-early": RING | {"ring contents"},
    "not-unrotated": {"chunked prefill"},
    "other-order": set(),
    "rope-by-slot": RING | {"ring contents"},
    "rope-by-place": RING | {"ring contents"},
    "half-split": DENSE,
    "wrong-theta": DENSE,
    "repeat-order": DENSE | {"grouped queries", "explicit attention"},
    "no-causal-mask": DENSE | RING | {"ring contents", "reach"},
    "wrong-end": {"chunked prefill", "ragged batch"},
    "empty-slots": RING,
    "trim-after-wrap": set(),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("small")
    save_mistral(random_model(SHAPE, seed=3, std=0.4), folder, bundled_root() / "storyteller/tokenizer.model")
    make_golden(folder)
    return load_model(folder)


@pytest.fixture(scope="module")
def sound(loaded):
    return as_it_is(loaded)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_checks_that_find_a_mistake(loaded, sound, name):
    assert all(line.ok for line in sound) and {line.check for line in sound} == set(ASKED)
    caught = caught_by(loaded, exhibit(name), sound)
    assert set(caught.by) == EXPECTED[name]
    # by the comparison, not by an exception on the way
    assert all(line.max_abs_error is not None for line in caught.lines if not line.ok)
    assert caught.by_others_alone == (EXPECTED[name] == DENSE)


def test_every_mistake_and_every_check_has_its_place():
    assert list(EXPECTED) == [one.name for one in EXHIBITS]
    assert set(ASKED) | set(LEFT_OUT) == set(CHECKS) and not set(ASKED) & set(LEFT_OUT)
    assert set().union(*EXPECTED.values()) == set(ASKED), "each of these checks has a historical mistake that it finds"


def test_without_numbers_of_another_program_a_layout_goes_unnoticed(loaded, sound):
    caught = caught_by(loaded, exhibit("half-split"), sound)
    left = [line for line in caught.lines if line.check not in OTHERS_NUMBERS]
    assert len(left) > 10 and all(line.ok for line in left)


def test_a_check_that_fails_anyway_has_caught_nothing(tmp_path, loaded):
    (tmp_path / "golden.safetensors").write_bytes((loaded.folder / "golden.safetensors").read_bytes())
    tokenizer = bundled_root() / "storyteller/tokenizer.model"
    save_mistral(random_model(SHAPE, seed=4, std=0.4), tmp_path, tokenizer)
    caught = caught_by(load_model(tmp_path), exhibit("write-before-read"))
    verdicts = {line.check: verdict for line, verdict in zip(caught.lines, caught.verdicts, strict=True)}
    assert verdicts["golden logits"] == "fails anyway" and caught.by == ("chunked prefill",)


def test_it_is_refused_where_it_cannot_be_asked(loaded):
    narrow = load_model(loaded.folder, weights="int8")
    with pytest.raises(ValueError, match="kept in int8"):
        caught_by(narrow, exhibit("half-split"))
