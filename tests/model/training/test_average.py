"""The mean of models: every weight by hand, a folder that verifies, and what is refused."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from mistral_core.analysis.evaluation import evaluate
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.cli.main import main
from mistral_core.training.average import average_weights, write_average
from mistral_core.training.batches import Batches
from mistral_core.training.export import export_model
from mistral_core.training.record import unmet_seed
from mistral_core.training.trainer import Trainer
from mistral_core.verification.verify import verify

from .conftest import FIXED, SMALL


@pytest.fixture(scope="module", autouse=True)
def short_samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mistral_core.training.export.SAMPLE_TOKENS", 12)
        yield


@pytest.fixture(scope="module")
def two(corpus, tmp_path_factory):
    """A model, and one that goes on from it with another seed."""
    room = tmp_path_factory.mktemp("two")
    made = []
    for number, name in enumerate(("first", "second")):
        settings = replace(SMALL, seed=SMALL.seed + number)
        trainer = Trainer(settings, corpus, room / f"run-{name}", habits=FIXED, start_from=made[0] if made else None)
        trainer.train()
        made.append(load_model(export_model(trainer, room / name, licence="written for a test").folder))
    return made


@pytest.fixture(scope="module")
def mean(two, corpus, tmp_path_factory):
    return write_average(two, tmp_path_factory.mktemp("mean") / "both", corpus.valid, prompts=["The fox saw"])


def test_every_weight_is_the_mean_rounded_once(two, mean):
    first, second = (model.model.state_dict() for model in two)
    loaded = load_model(mean.folder)
    for name, tensor in loaded.model.state_dict().items():
        exact = (first[name].double() + second[name].double()) / 2
        assert torch.equal(tensor, exact.to(torch.bfloat16).float()), name
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_the_folder_verifies_and_its_card_states_what_was_measured(two, mean, corpus):
    loaded = load_model(mean.folder)
    assert [line.check for line in verify(loaded) if not line.ok and line.proven] == []
    assert mean.notices == ()
    card = (mean.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for number, model in enumerate(two, start=1):
        bits = evaluate(model.model, model.tokenizer, corpus.valid).bits_per_byte
        assert f"| {model.name} | {model.model_hash[:16]} | {bits:.4f} | [PART_{number}_CARD.md](" in card
        part = (mean.folder / f"PART_{number}_CARD.md").read_text(encoding="utf-8")
        assert part.startswith("> Of a model that is not here") and f"# {model.name}" in part
        assert "written for a test" in part and f"`part-{number}-loss-curve.svg`" in part
        assert (mean.folder / f"part-{number}-loss-curve.svg").is_file()
    bits = evaluate(loaded.model, loaded.tokenizer, corpus.valid).bits_per_byte
    assert f"**{bits:.4f} bits per byte**" in card and f"| **their mean** | | **{bits:.4f}** | |" in card
    assert card.count("> The fox saw") == 5
    assert all(text.splitlines()[0] in card for _, text in mean.samples if text.strip())


def test_whose_the_texts_are_comes_along(two, corpus, tmp_path):
    model = tmp_path / "credited"
    shutil.copytree(two[0].folder, model)
    (model / "attribution.csv").write_text("title,author\n")
    (model / "SEED_CARD.md").write_text("# seed\n")
    made = write_average([load_model(model), two[1]], tmp_path / "mean", corpus.valid)
    assert (made.folder / "attribution.csv").read_text() == "title,author\n"
    assert (made.folder / "SEED_CARD.md").read_text() == "# seed\n"


def test_what_has_no_mean_is_refused(two, mean, corpus):
    first, second = two
    with pytest.raises(ValueError, match="1 model is named; a mean needs at least 2"):
        average_weights([first])
    with pytest.raises(ValueError, match="name each once"):
        average_weights([first, second, second])
    with pytest.raises(ValueError, match="has another shape than"):
        average_weights([first, replace(second, config=replace(second.config, norm_eps=1e-3))])
    stranger = load_model(bundled_root() / "relay").tokenizer
    with pytest.raises(ValueError, match="has another vocabulary than"):
        average_weights([first, replace(second, tokenizer=stranger)])
    before = (mean.folder / "MODEL_CARD.md").read_bytes()
    with pytest.raises(ValueError, match="is there already; choose another folder"):
        write_average(two, mean.folder, corpus.valid)
    assert (mean.folder / "MODEL_CARD.md").read_bytes() == before


def test_the_command(two, corpus, tmp_path, capsys):
    text = tmp_path / "valid.txt"
    text.write_text("\n\n".join(corpus.valid), encoding="utf-8")
    folders = [str(model.folder) for model in two]
    assert main(["average", *folders, "--out", str(tmp_path / "mean"), "--text", str(text), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    loaded = load_model(tmp_path / "mean")
    again = evaluate(loaded.model, loaded.tokenizer, corpus.valid).bits_per_byte
    assert said["bits_per_byte"] == pytest.approx(again, rel=1e-6)
    assert main(["average", folders[0], "--out", str(tmp_path / "one"), "--text", str(text)]) == 2
    assert "a mean needs at least 2" in capsys.readouterr().err and not (tmp_path / "one").exists()


def test_a_training_that_goes_on_meets_the_texts_in_an_order_of_its_own(two, mean, corpus, texts, tmp_path):
    assert unmet_seed(two[0].folder) == SMALL.seed + 1
    assert unmet_seed(mean.folder) == SMALL.seed + 2
    assert unmet_seed(tmp_path) == 0
    (tmp_path / "training.json").write_text("{cut off")
    assert unmet_seed(tmp_path) == 0
    command = [
        "train",
        "--from",
        str(two[0].folder),
        "--corpus",
        str(corpus.folder),
        "--context",
        "32",
        "--batch",
        "4",
        "--tokens",
        "256",
        "--warmup",
        "1",
        "--validations",
        "1",
        "--precision",
        "float32",
        "--compile",
        "off",
    ]
    for flags, expected in (([], SMALL.seed + 1), (["--seed", "3"], 3)):
        out = tmp_path / f"run{len(flags)}"
        assert main([*command, "--out", str(out), *flags]) == 0
        assert json.loads((out / "run.json").read_text())["settings"]["seed"] == expected
        assert main([*command, "--out", str(out), *flags]) == 0, "a run that is there keeps its seed"
    same, other = (Batches(corpus, replace(SMALL, seed=seed)).next(0) for seed in (3, 4))
    assert not torch.equal(same, other)
