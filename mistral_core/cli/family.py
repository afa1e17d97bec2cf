"""The command `family`: trains the models that differ in one thing, and prints what each reached.

Torch is imported by the command.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mistral_core.cli.flags import WRITE, Json
from mistral_core.cli.run import print_json, use_threads

if TYPE_CHECKING:
    from mistral_core.training.family import Member
    from mistral_core.training.run_log import Event


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("family", rich_help_panel=WRITE)(family)


def family(
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of the trainings; those that are there are gone on with.", show_default=False),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Tokens made by train --prepare-only.", show_default=False)
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="twins, ladder, optimiser (repeat).", show_default="twins, ladder")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each twin.")] = 3,
    precision: Annotated[Literal["auto", "float32", "bfloat16"], typer.Option(help="auto times both.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Processor threads.", show_default="torch's")] = None,
    licence: Annotated[str, typer.Option(help="Of the texts, for the cards.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Train the family that the claims are tested with; without --out, print what was recorded of it."""
    from mistral_core.training.family_results import recorded_results, table

    if out is None:
        rows = recorded_results()
    else:
        from mistral_core.training.family import collect, plan

        trainings = plan(group or ["twins", "ladder"], seeds)
        if corpus is None:
            raise ValueError(
                "name the tokens with --corpus; `train --data TEXTS --corpus FOLDER --prepare-only` makes them"
            )
        _train_all(out, corpus, trainings, precision, threads, licence)
        rows = collect(out)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        typer.echo(table(rows))


def _train_all(
    out: Path,
    corpus: Path,
    trainings: list[tuple[Member, int]],
    precision: Literal["auto", "float32", "bfloat16"],
    threads: int | None,
    licence: str,
) -> None:
    import torch

    from mistral_core.training.corpus import open_corpus
    from mistral_core.training.family import train_member, write_results
    from mistral_core.training.trainer import Habits

    use_threads(threads)
    read = open_corpus(corpus)
    habits = Habits(precision=precision, compile_mode="on", sample_tokens=0)
    for number, (member, seed) in enumerate(trainings, start=1):
        torch.compiler.reset()  # else the eighth network is the last that is compiled
        typer.echo(f"{number} of {len(trainings)}: {member.name}, seed {seed}: {member.says}", err=True)
        result = train_member(member, seed, read, out, habits=habits, licence=licence, watch=_tell)
        if result is not None:
            typer.echo(f"  {result.bits_per_byte:.4f} bits per byte, {result.seconds:.0f} s", err=True)
            write_results(out)


def _tell(event: Event) -> None:
    if event["event"] == "validation":
        typer.echo(f"  after {event['tokens'] / 1e6:.2f} M tokens: {event['bits_per_byte']:.3f}", err=True)
