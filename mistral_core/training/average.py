"""One model from several that came out of one another: the mean of their weights.

A training that ends and one that goes on from its end lie in one valley of the loss; the mean of their weights lies
nearer to its floor than either (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima"; Wortsman et al.
2022, "Model soups"). It costs a model of the same size, no training, and nothing when the model runs. Models that were
drawn apart lie in different valleys, and their mean is worth nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mistral_core.checkpoint.load import LoadedModel
from mistral_core.model import Transformer
from mistral_core.training.card import (
    counting_section,
    held_out_row,
    limits_section,
    samples_section,
    shape_rows,
    title_and_table,
)
from mistral_core.training.curve import CURVE_FILE
from mistral_core.training.export import CARD_FILE, Exported, copy_credits, write_measured, write_whole
from mistral_core.training.measure import validate
from mistral_core.training.record import read_record, write_record

LEAST = 2


def average_weights(models: Sequence[LoadedModel]) -> dict[str, Tensor]:
    """The mean of every weight, in float32, each model counting the same.

    Raises:
        ValueError: fewer than two models, two of the same weights, or another shape or vocabulary than the first.
    """
    if len(models) < LEAST:
        raise ValueError(f"{len(models)} model is named; a mean needs at least {LEAST}")
    first = models[0]
    for number, other in enumerate(models[1:], start=1):
        if other.config != first.config:
            raise ValueError(f"{other.folder} has another shape than {first.folder}; name models of one shape")
        if other.tokenizer_file.read_bytes() != first.tokenizer_file.read_bytes():
            raise ValueError(f"{other.folder} has another vocabulary than {first.folder}; name models of one")
        if other.model_hash in {model.model_hash for model in models[:number]}:
            raise ValueError(f"{other.folder} has the weights of a model named before it; name each once")
    states = [model.model.state_dict() for model in models]
    return {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}


def write_average(
    models: Sequence[LoadedModel],
    target: Path,
    valid: Sequence[str],
    *,
    prompts: Sequence[str] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Writes the mean of models as a model folder, with their cards and whose their texts are.

    Args:
        models: of one shape and vocabulary.
        target: where the folder goes; its name is the model's.
        valid: held-out documents; the models and their mean are measured on them.
        prompts: of the five samples; default: how five held-out documents begin.
        progress: told what is being done.

    Raises:
        ValueError: as `average_weights`; the place is taken, or the disk is full.
    """
    weights = average_weights(models)
    if target.exists():
        raise ValueError(f"{target} is there already; choose another folder")
    mean = Transformer(models[0].config)
    mean.load_state_dict(weights)
    bits = []
    for number, model in enumerate(models, start=1):
        progress(f"measuring model {number} of {len(models)}: {model.folder}")
        bits.append(validate(model.model, model.tokenizer, valid).bits_per_byte)

    def fill(staged: Path) -> Exported:
        made = write_measured(mean, models[0].tokenizer_file, staged, target, valid, prompts, progress)
        for model in models:
            copy_credits(model.folder, staged)
        cards = [_copy_card(model, number, staged) for number, model in enumerate(models, start=1)]
        card = _card(target.name, models, bits, cards, made)
        (staged / CARD_FILE).write_text(card, encoding="utf-8")
        parts = [
            {"name": model.name, "hash": model.model_hash, "training": read_record(model.folder)} for model in models
        ]
        write_record(staged, {"mean_of": parts, **made.to_json()})
        return made

    return write_whole(target, fill, "run the same command again")


def _copy_card(model: LoadedModel, number: int, staged: Path) -> str:
    """Lets a model's card come along, with its curve and the cards that it names; the card's new name, "" for none."""
    card, name = model.folder / CARD_FILE, f"PART_{number}_CARD.md"
    if not card.is_file():
        return ""
    for other in model.folder.glob("*_CARD.md"):
        if other.name != CARD_FILE:
            shutil.copyfile(other, staged / other.name)
    curve = f"part-{number}-{CURVE_FILE}"
    if (model.folder / CURVE_FILE).is_file():
        shutil.copyfile(model.folder / CURVE_FILE, staged / curve)
    text = card.read_text(encoding="utf-8").replace(f"`{CURVE_FILE}`", f"`{curve}`")
    text = f"> Of a model that is not here, but in the mean that [{CARD_FILE}]({CARD_FILE}) describes.\n\n{text}"
    (staged / name).write_text(text, encoding="utf-8")
    return name


def _card(name: str, models: Sequence[LoadedModel], bits: Sequence[float], cards: Sequence[str], made: Exported) -> str:
    held = made.evaluation
    rows = shape_rows(models[0].config, held) | held_out_row(held)
    sentence = "A small Mistral: the mean of the weights of others, made by `python -m mistral_core average`."
    lines = [
        "## What it is the mean of",
        "",
        "| model | weights (SHA-256) | bits per byte, same text | its card |",
        "| --- | --- | --- | --- |",
    ]
    for model, measured, card in zip(models, bits, cards, strict=True):
        link = f"[{card}]({card})" if card else "none"
        lines.append(f"| {model.name} | {model.model_hash[:16]} | {measured:.4f} | {link} |")
    lines += [f"| **their mean** | | **{held.bits_per_byte:.4f}** | |", ""]
    lines.append("Their cards say what they were trained on, how, and under which licence; all of it holds here.")
    parts = [
        title_and_table(name, sentence, rows),
        "\n".join(lines),
        limits_section(held.bits_per_byte),
        counting_section(not made.notices),
        samples_section(made.samples),
    ]
    return "\n\n".join(parts) + "\n"
