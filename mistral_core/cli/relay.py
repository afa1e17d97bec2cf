"""The command `relay`: trains the model that hands a symbol on hop by hop, or measures how often one arrives.

Torch is imported by the command.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mistral_core.cli.flags import WRITE, Json, Model
from mistral_core.cli.run import load, print_json, status

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.training.run_log import Event

BEYOND = 2
"""Distances measured beyond the exact reach, from where nothing can arrive."""


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("relay", rich_help_panel=WRITE)(relay)


def relay(
    model: Model = "relay",
    train: Annotated[
        Path | None,
        typer.Option(help="Train one in this folder first; one that is there is gone on with.", show_default=False),
    ] = None,
    tokens: Annotated[str, typer.Option(help="How many to train on.")] = "4M",
    rounds: Annotated[int, typer.Option(help="Sequences asked of each key and distance.")] = 1,
    as_json: Json = False,
) -> None:
    """How often a symbol arrives that has to be handed on through the windows, by number of hops."""
    from mistral_core.analysis.relay import measure_relay
    from mistral_core.training.relay import relay_table, write_relay_results

    if rounds < 1:
        raise ValueError(f"--rounds is {rounds}; it must be at least 1")
    loaded = _train(train, tokens) if train is not None else load(model, "float32", "cpu")
    results = measure_relay(loaded.model, loaded.tokenizer, _distances(loaded), rounds=rounds)
    if train is not None:
        write_relay_results(train / "relay", results)
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        typer.echo(relay_table(results))


def _distances(loaded: LoadedModel) -> range:
    reach = loaded.config.exact_reach()
    if not reach:
        raise ValueError(
            f"{loaded.name} has a layer without a window, so nothing has to be handed on; name another model"
        )
    return range(1, reach + 1 + BEYOND)


def _train(folder: Path, tokens: str) -> LoadedModel:
    from mistral_core.checkpoint.load import load_model
    from mistral_core.training.export import export_model
    from mistral_core.training.relay import relay_corpus, relay_settings
    from mistral_core.training.settings import parse_count
    from mistral_core.training.trainer import Habits, Trainer

    settings = relay_settings(parse_count(tokens))
    habits = Habits(sample_tokens=0, compile_mode="on")  # it is off by itself where no compiler is found
    trainer = Trainer(settings, relay_corpus(folder, settings), folder / "run", habits=habits, watch=_tell)
    trainer.train()
    licence = "sequences drawn by a program (mistral_core/training/relay.py), in which nobody holds rights"
    exported = export_model(trainer, folder / "relay", prompts=["Kdabacab?"], licence=licence, progress=status)
    return load_model(exported.folder)


def _tell(event: Event) -> None:
    if event["event"] == "validation":
        typer.echo(f"  after {event['tokens'] / 1e6:.2f} M tokens: {event['loss']:.4f} nats a symbol", err=True)
