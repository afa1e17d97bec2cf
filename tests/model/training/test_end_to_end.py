"""From a text to a model folder: it learns, the folder is complete, the command says what it did."""

import json
import math
import re
import shlex
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.evaluation import evaluate
from mistral_core.checkpoint import registry
from mistral_core.checkpoint.golden import load_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.cli.main import main
from mistral_core.training import trainer as trainer_module
from mistral_core.training.export import export_model
from mistral_core.training.run_log import read_log
from mistral_core.unsaid import STEMS
from mistral_core.verification.verify import verify

from .conftest import SMALL, stories

LEARNS = replace(SMALL, dim=32, tokens=60 * 256, batch=8, dropout=0.0, warmup=5, validations=3, muon_rate=0.02)
FLAGS = [
    "--dim",
    "16",
    "--layers",
    "1",
    "--heads",
    "2",
    "--kv-heads",
    "1",
    "--window",
    "4",
    "--vocab",
    "300",
    "--context",
    "16",
    "--batch",
    "2",
    "--warmup",
    "1",
    "--validations",
    "1",
    "--threads",
    "1",
    "--precision",
    "float32",
    "--compile",
    "off",
]


@pytest.fixture(scope="module", autouse=True)
def short_samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mistral_core.training.export.SAMPLE_TOKENS", 12)
        yield


def unigram_bits_per_byte(corpus):
    """Entropy of the tokens of the held-out text itself: no model that ignores the order does better."""
    tokens = [t for text in corpus.valid for t in corpus.tokenizer.encode(text, bos=False, eos=True)]
    total = sum(len(text.encode()) for text in corpus.valid)
    return -sum(n * math.log2(n / len(tokens)) for n in Counter(tokens).values()) / total


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    from mistral_core.training.trainer import Trainer

    from .conftest import FIXED

    trainer = Trainer(LEARNS, corpus, tmp_path_factory.mktemp("trained"), habits=FIXED)
    assert trainer.train() == "finished"
    return trainer


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export_model(trained, tmp_path_factory.mktemp("models") / "tales", licence="written for a test")


def test_a_tiny_training_learns_more_than_the_frequencies(trained, corpus):
    held_out = evaluate(trained.best_model(), corpus.tokenizer, corpus.valid).bits_per_byte
    assert held_out < 0.8 * unigram_bits_per_byte(corpus)
    losses = [event["loss"] for event in read_log(trained.folder) if event["event"] == "step"]
    assert losses == sorted(losses, reverse=True)
    logged = [event for event in read_log(trained.folder) if event["event"] == "validation"]
    assert logged[-1]["bits_per_byte"] == pytest.approx(held_out, abs=1e-9)


def test_the_folder_is_a_model_that_verifies(exported, trained, corpus):
    assert sorted(path.name for path in exported.folder.iterdir()) == [
        "MODEL_CARD.md",
        "config.json",
        "golden.safetensors",
        "loss-curve.svg",
        "model.safetensors",
        "tokenizer.model",
        "training.json",
    ]
    assert not (exported.folder.parent / ".unfinished").exists()
    loaded = load_model(exported.folder)
    for name, tensor in trained.best_model().state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor.to(torch.bfloat16).float()), name
    again = evaluate(loaded.model, loaded.tokenizer, corpus.valid)
    assert exported.evaluation.bits_per_byte == pytest.approx(again.bits_per_byte, rel=1e-6)
    assert load_golden(exported.folder).model_hash == loaded.model_hash
    # After so few steps it predicts nothing, and then the order of its rows is not proven.
    lines = verify(loaded)
    assert [line.check for line in lines if not line.ok and line.proven] == []
    assert {line.check for line in lines if not line.proven} <= {"rotary order"}


def test_the_card_states_what_was_measured(exported, trained):
    card = (exported.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    evaluation = exported.evaluation
    for fact in (
        "# tales",
        f"{evaluation.bits_per_byte:.4f} bits per byte",
        f"{evaluation.bytes:,} bytes",
        "written for a test",
        f"{trained.tokens_seen:,} in 60 steps of 256",
        trained.choice.machine,
        "- `dim`: 32",
        "- `muon_rate`: 0.02",
        "| tales | 285 |",
        "| rhymes | 95 |",
        "exact reach: 6 positions back",
    ):
        assert fact in card
    assert "`adamw_rate`" not in card
    for seed, text in exported.samples:
        assert f"**seed {seed}**" in card and text.splitlines()[0] in card
    assert [seed for seed, _ in exported.samples] == [0, 1, 2, 3, 4]
    record = json.loads((exported.folder / "training.json").read_text(encoding="utf-8"))
    assert record["tokens"] == trained.tokens_seen
    assert record["validations"] == trained.progress.validations
    assert sum(record["passes"][name] * trained.corpus.sources[name].tokens for name in record["passes"]) == (
        pytest.approx(trained.tokens_seen)
    )


def test_the_application_offers_the_model_without_a_restart(exported, tmp_path, monkeypatch):
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path))
    assert "tales" not in registry.browser_models()
    shutil.copytree(exported.folder, tmp_path / "tales")
    assert registry.browser_models()["tales"] == tmp_path / "tales"
    assert registry.resolve_browser("tales") == tmp_path / "tales"


def test_an_export_replaces_its_own_result_and_nothing_else(trained, exported, tmp_path):
    target = tmp_path / "tales"
    target.mkdir()
    (target / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="was not made by this run; choose another --name"):
        export_model(trained, target)
    assert [path.name for path in target.iterdir()] == ["config.json"]
    shutil.rmtree(target)
    shutil.copytree(exported.folder, target)
    (target / "MODEL_CARD.md").write_text("old")
    assert export_model(trained, target).folder == target
    assert (target / "MODEL_CARD.md").read_text(encoding="utf-8").startswith("# tales")


def test_a_full_disk_at_the_end_leaves_no_half_model(trained, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mistral_core.training.export._put_in_place", full)
    with pytest.raises(ValueError, match=r"No space left on device.*the training is kept"):
        export_model(trained, tmp_path / "tales")
    assert list(tmp_path.iterdir()) == []


def test_a_run_can_start_from_a_models_weights(exported, start, corpus, tmp_path):
    loaded = load_model(exported.folder)
    settings = replace(LEARNS, seed=9, warmup=0, tokens=256, schedule=((0, 1e-6), (256, 0.0)))
    trainer = start(tmp_path / "run", settings=settings, start_from=loaded)
    assert torch.equal(trainer.model.output.weight, loaded.model.output.weight)
    trainer.train()
    assert trainer.progress.best_bits == pytest.approx(exported.evaluation.bits_per_byte, abs=1e-3)
    assert start(tmp_path / "run", settings=settings).config == loaded.config  # going on needs the model no more
    with pytest.raises(ValueError, match="another started from"):
        other = replace(loaded, model_hash="0")
        start(tmp_path / "run", settings=settings, start_from=other)


@pytest.mark.parametrize("killed", ["while it timed the machine", "before the first checkpoint"])
def test_a_run_from_a_model_that_was_killed_early_never_goes_on_from_drawn_weights(
    exported, start, tmp_path, killed, monkeypatch
):
    loaded, folder = load_model(exported.folder), tmp_path / "run"

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if killed == "while it timed the machine":
            patch.setattr("mistral_core.training.trainer.choose", die)
            with pytest.raises(KeyboardInterrupt):
                start(folder, settings=LEARNS, start_from=loaded)
        else:
            start(folder, settings=LEARNS, start_from=loaded)
    if killed == "while it timed the machine":
        with pytest.raises(ValueError, match=r"began with the weights of tales and has no checkpoint yet.*--from"):
            start(folder, settings=LEARNS)
        start(folder, settings=LEARNS, start_from=loaded)
    again = start(folder, settings=LEARNS)
    assert again.progress.step == 0
    assert torch.equal(again.model.output.weight, loaded.model.output.weight)


def test_card_and_record_name_the_step_whose_weights_are_shipped(start, tmp_path, monkeypatch, no_golden):
    """The best validation is that of step 10 of 20; once its weights are there, once they were lost."""
    bits, real = iter([5.0, 3.0, 4.0, 4.5]), trainer_module.validate_excerpts
    monkeypatch.setattr(
        trainer_module, "validate_excerpts", lambda *given: replace(real(*given), bits_per_byte=next(bits))
    )
    start(tmp_path / "run").train()
    for shipped in (10, 20):
        made = export_model(start(tmp_path / "run"), tmp_path / f"of-{shipped}").folder
        card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert re.findall(r"the weights are those of step (\d+)", card) == (["10"] if shipped == 10 else [])
        assert json.loads((made / "training.json").read_text(encoding="utf-8"))["weights_step"] == shipped
        (tmp_path / "run" / trainer_module.BEST_FILE).unlink(missing_ok=True)


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv(registry.MODELS_VARIABLE, raising=False)

    def run(*arguments):
        code = main(["train", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def no_golden(monkeypatch):
    """Importing transformers takes seconds."""

    def missing(folder):
        raise ValueError("transformers is not installed")

    monkeypatch.setattr("mistral_core.training.export.make_golden", missing)


def test_one_command_from_texts_to_a_model_and_again_from_where_it_paused(cli, texts, tmp_path, no_golden):
    run = ["--out", tmp_path / "mine", "--tokens", "640"]
    code, out, err = cli("--data", texts, *run, *FLAGS, "--minutes", "0")
    assert code == 0 and "paused after step 0 of 20" in out
    code, out, err = cli("--out", tmp_path / "mine", "--threads", "1", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["ending"] == "finished" and told["tokens_seen"] == 640 and told["steps"] == 20
    assert told["model"] == str(tmp_path / "mine" / "mine")
    assert "held out after" in err and "expect of a sample:" in err and "no golden logits" in err
    loaded = load_model(told["model"])
    assert loaded.config.sliding_window == 4
    code, out, err = cli("--out", tmp_path / "mine", "--threads", "1")
    assert code == 0 and "finished" in out and "MISTRAL_MODELS_DIR=" in out
    code, out, err = cli("--out", tmp_path / "mine", "--dropout", "0.5")
    assert code == 2 and "dropout was 0.05 and is now 0.5" in err


def test_a_paused_run_keeps_its_tokens_whatever_becomes_of_the_texts(cli, tmp_path):
    folder, run, shared = tmp_path / "texts", tmp_path / "mine", tmp_path / "shared"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(stories(120)), encoding="utf-8")
    begin = ["--data", folder, *FLAGS, "--tokens", "640", "--minutes", "0"]
    for where in (["--out", run], ["--out", tmp_path / "other", "--corpus", shared]):
        assert cli(*begin, *where)[0] == 0
    held = {path: path.read_bytes() for made in (run / "corpus", shared) for path in made.iterdir()}
    (folder / "a.txt").touch()
    assert cli(*begin, "--out", run)[0] == 0
    (folder / "a.txt").write_text("\n\n".join(stories(120, seed=5)), encoding="utf-8")
    code, _, err = cli(*begin, "--out", run)
    assert code == 2 and "not those that this run was begun with; leave --data" in err
    code, _, err = cli(*begin, "--out", tmp_path / "third", "--corpus", shared)
    assert code == 2 and "made from other texts" in err
    assert {path: path.read_bytes() for path in held} == held
    assert cli("--out", run, "--minutes", "0")[0] == 0
    shutil.rmtree(run / "corpus")
    assert cli(*begin, "--out", run)[0] == 2
    assert not (run / "corpus").exists()


def test_the_command_leaves_lines_with_slurs_out_says_how_many_and_goes_on_as_it_began(cli, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    rude = f"The {next(iter(STEMS))} came."
    (folder / "a.txt").write_text("\n\n".join([rude, *stories(120)]), encoding="utf-8")
    begin = ["--data", folder, *FLAGS]
    code, out, err = cli(*begin, "--out", tmp_path / "a", "--prepare-only")
    assert code == 0 and "; 1 lines left out" in out and "a: 1 lines left out that hold a word" in err
    code, out, _ = cli(*begin, "--out", tmp_path / "b", "--prepare-only", "--no-clean")
    assert code == 0 and "; 0 lines left out" in out
    for name, flag in (("a", "--no-clean"), ("b", "--clean")):
        own = {"a": [], "b": ["--no-clean"]}[name]
        run = [*begin, "--tokens", "640", "--minutes", "0", "--out", tmp_path / name]
        assert cli(*run, *own)[0] == 0
        assert cli(*run)[0] == 0  # a run that is begun goes on with what it read
        code, _, err = cli(*run, flag)
        assert code == 2 and "what --clean leaves out are not those that this run was begun with" in err


def test_the_command_that_is_printed_goes_on_to_the_same_model(cli, texts, tmp_path, no_golden):
    run, shared = tmp_path / "my run", tmp_path / "the tokens"
    wishes = ["--name", "fable", "--licence", "mine alone", "--prompt", "The fox", "--device", "cpu"]
    code, out, _ = cli(
        "--data", texts, "--out", run, "--corpus", shared, "--tokens", "64", *FLAGS, *wishes, "--minutes", "0"
    )
    words = shlex.split(out.split("to go on: ")[1])
    assert code == 0 and words[:4] == ["python", "-m", "mistral_core", "train"]
    flags = dict(zip(words[4::2], words[5::2], strict=True))
    assert flags == {"--out": str(run), "--corpus": str(shared), "--device": "cpu", "--threads": "1"}
    code, out, _ = cli(*words[4:], "--json")
    assert code == 0 and json.loads(out)["model"] == str(run / "fable")
    card = (run / "fable" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# fable" in card and "Licence of the texts: mine alone" in card and card.count("> The fox") == 5


def test_the_list_of_works_travels_with_the_model_and_the_card_names_it(cli, tmp_path, no_golden):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(stories(60)), encoding="utf-8")
    works = json.dumps([{"title": "The Fox", "author": "Anna", "set": "a", "licence": "CC0"}])
    (folder / "manifest.json").write_text(works, encoding="utf-8")
    assert cli("--data", folder, "--out", tmp_path / "run", "--tokens", "64", *FLAGS)[0] == 0
    made = tmp_path / "run" / "run"
    assert (made / "manifest.json").read_text(encoding="utf-8") == works
    card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "- CC0: 1 works" in card and "authors of the works are listed in [`manifest.json`]" in card
    assert "attribution.csv" not in card


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--dim", "15", "--heads", "2"], "dim is 15"),
        (["--tokens", "many"], "'many' is not a number of tokens"),
        (["--mix", "tales"], "'tales' is not a mix"),
        (["--mix", "wide=1"], "this corpus has rhymes, tales"),
        (["--mix", "50%:tales=1"], "the first must begin at 0"),
        (["--schedule", "up"], "not a schedule"),
        (["--schedule", "100%:1,50%:0"], "each must come after the one before"),
        (["--dropout", "1"], "dropout is 1.0"),
        (["--name", "../x"], "must be a plain name"),
        (["--device", "tpu"], "'tpu' is not a device"),
        (["--threads", "0"], "--threads is 0"),
        (["--from", "storyteller", "--dim", "16"], "dim is 16, but storyteller has 256"),
        (["--context", "100000"], "fewer than the 100,001"),
    ],
)
def test_what_is_wrong_is_one_sentence(cli, texts, tmp_path, flags, reason):
    rest = [] if "--from" in flags else ["--vocab", "300"]
    code, _, err = cli("--data", texts, "--out", tmp_path / "run", *rest, *flags)
    assert code == 2 and reason in err.splitlines()[-1] and err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_run_without_texts_is_refused(cli, tmp_path):
    code, _, err = cli("--out", tmp_path / "run")
    assert code == 2 and "name your folder of texts with --data" in err


def test_unigram_entropy_of_a_known_text(corpus):
    """The bound of the learning test, computed another way."""
    tokens = np.array([t for text in corpus.valid for t in corpus.tokenizer.encode(text, bos=False, eos=True)])
    shares = np.bincount(tokens) / len(tokens)
    surprise = -np.log2(shares[tokens]).sum() / sum(len(text.encode()) for text in corpus.valid)
    assert unigram_bits_per_byte(corpus) == pytest.approx(surprise)
    assert len(corpus.valid) == len(stories(20))
