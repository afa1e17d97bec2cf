"""The finished model: a folder that the application offers, with its card.

Written beside its place and moved there when it is whole, so that a page which lists models never
meets half of one. What the card states is measured on the file that is shipped: the weights are
rounded to bfloat16, loaded again and computed in float32.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mistral_core.analysis.evaluation import Evaluation
from mistral_core.checkpoint.golden import make_golden
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.model import Transformer
from mistral_core.training.card import CardFacts, model_card
from mistral_core.training.curve import CURVE_FILE, loss_curve
from mistral_core.training.measure import sample_text, validate
from mistral_core.training.record import read_record, write_record
from mistral_core.training.run_file import read_run
from mistral_core.training.run_log import read_log
from mistral_core.training.texts import CREDITS
from mistral_core.training.trainer import Trainer

CARD_FILE = "MODEL_CARD.md"
SAMPLES, SAMPLE_TOKENS = 5, 200


@dataclass(frozen=True)
class Exported:
    """A finished model folder.

    Attributes:
        folder: where it is.
        evaluation: of all held-out text.
        samples: (seed, text), not picked.
        notices: sentences on what could not be made.
    """

    folder: Path
    evaluation: Evaluation
    samples: tuple[tuple[int, str], ...]
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What was measured, for the record."""
        samples = [{"seed": seed, "text": text} for seed, text in self.samples]
        return {"evaluation": vars(self.evaluation), "samples": samples}


def check_target(target: Path, run_folder: Path) -> None:
    """Refuses a place that holds something else than an earlier result of the same run.

    Raises:
        ValueError: the folder is taken.
    """
    if not target.exists():
        return
    made_by = (read_record(target) or {}).get("run")
    if made_by is None or made_by != read_run(run_folder):
        raise ValueError(f"{target} is there already and was not made by this run; choose another --name")


def export_model(
    trainer: Trainer,
    target: Path,
    *,
    prompts: Sequence[str] = (),
    licence: str = "",
    progress: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Writes the best weights of a run as a model folder.

    Args:
        trainer: after its training.
        target: where the folder goes; its name is the model's.
        prompts: of the five samples; default: how five held-out documents begin.
        licence: of the texts, in the user's words.
        progress: told what is being done.

    Raises:
        ValueError: the place is taken, or the disk is full; the run itself is untouched.
    """
    check_target(target, trainer.folder)
    return write_whole(
        target,
        lambda staged: _fill(trainer, staged, target, list(prompts), licence, progress),
        "run the same command again, the training is kept",
    )


def write_whole(target: Path, fill: Callable[[Path], Exported], remedy: str) -> Exported:
    """Lets `fill` write a folder beside its place and moves it there when it is whole.

    Raises:
        ValueError: the disk is full; what stood at the place still does.
    """
    room = target.parent / ".unfinished"
    staged = room / target.name
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir(parents=True)
        exported = fill(staged)
        _put_in_place(staged, target)
    except OSError as error:
        raise ValueError(
            f"the model cannot be written to {target}: {error.strerror or error}; free space there and {remedy}"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if room.is_dir() and not any(room.iterdir()):
            room.rmdir()
    return exported


def write_measured(
    model: Transformer,
    tokenizer: Path,
    staged: Path,
    target: Path,
    valid: Sequence[str],
    prompts: Sequence[str],
    progress: Callable[[str], None],
) -> Exported:
    """Writes weights, tokenizer and golden logits; measures and samples what was written, loaded again."""
    _write_weights(model, staged, tokenizer)
    loaded = load_model(staged)
    progress(f"reading all held-out text ({len(valid)} documents)")
    evaluation = validate(loaded.model, loaded.tokenizer, valid)
    progress("writing samples")
    samples = []
    for seed, prompt in enumerate(_five(prompts, valid)):
        samples.append((seed, sample_text(loaded.model, loaded.tokenizer, prompt, seed=seed, tokens=SAMPLE_TOKENS)))
    notices = []
    try:
        progress("storing golden logits")
        make_golden(staged)
    except ValueError as error:
        notices.append(f"no golden logits: {error}")
    return Exported(target, evaluation, tuple(samples), tuple(notices))


def _fill(
    trainer: Trainer, staged: Path, target: Path, prompts: list[str], licence: str, progress: Callable[[str], None]
) -> Exported:
    corpus = trainer.corpus
    made = write_measured(trainer.best_model(), corpus.tokenizer.path, staged, target, corpus.valid, prompts, progress)
    events = read_log(trainer.folder)
    if any(event["event"] in ("step", "validation") for event in events):
        (staged / CURVE_FILE).write_text(loss_curve(events), encoding="utf-8")
    facts = CardFacts(
        name=target.name,
        trainer=trainer,
        evaluation=made.evaluation,
        samples=made.samples,
        licence=licence,
        credits=copy_credits(corpus.folder, staged),
        golden=not made.notices,
    )
    (staged / CARD_FILE).write_text(model_card(facts), encoding="utf-8")
    write_record(staged, _record(trainer, made))
    return made


def copy_credits(source: Path, target: Path) -> tuple[str, ...]:
    """Lets what says whose the texts are travel along; which files did."""
    names = tuple(name for name in CREDITS if (source / name).is_file())
    for name in names:
        shutil.copyfile(source / name, target / name)
    return names


def _write_weights(model: Transformer, folder: Path, tokenizer: Path) -> None:
    """Hugging Face's layout; Mistral's where layers have different windows, which the former cannot say."""
    uniform = len(set(model.config.windows)) == 1
    (save_hugging_face if uniform else save_mistral)(model, folder, tokenizer, torch.bfloat16)


def _five(prompts: Sequence[str], valid: Sequence[str]) -> Sequence[str]:
    """The prompts given, one after the other again if they are fewer; else the openings of five documents."""
    if not prompts:
        every = max(1, len(valid) // SAMPLES)
        prompts = [" ".join(document.split()[:5]) for document in valid[::every][:SAMPLES]]
    return [prompts[number % len(prompts)] for number in range(SAMPLES)]


def _record(trainer: Trainer, made: Exported) -> dict[str, Any]:
    """What the card says, for programs; `run` tells later exports whose folder this is."""
    progress = trainer.progress
    return {
        "run": read_run(trainer.folder),
        "steps": progress.step,
        "tokens": trainer.tokens_seen,
        "weights_step": trainer.weights_step,
        "ended": progress.ended,
        "seconds": progress.seconds,
        "passes": trainer.batches.passes(),
        "machine": trainer.choice.to_json(),
        "validations": progress.validations,
        **made.to_json(),
    }


def _put_in_place(staged: Path, target: Path) -> None:
    """Moves the whole folder to its name; an earlier result of the run makes room first."""
    old = staged.with_name(staged.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(staged, target)
    shutil.rmtree(old, ignore_errors=True)
