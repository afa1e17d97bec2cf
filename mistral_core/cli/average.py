"""The command `average`: one model from the mean of the weights of several.

Torch is imported by the command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mistral_core.cli.flags import WRITE, Json
from mistral_core.cli.run import load, print_json, status


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("average", rich_help_panel=WRITE)(average)


def average(
    models: Annotated[
        list[str], typer.Argument(help="Two or more names or folders, of one shape and vocabulary.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The new folder; its name is the model's.", show_default=False)],
    text: Annotated[
        Path, typer.Option(help="Held-out text that all are measured on, plain or .xz.", show_default=False)
    ],
    prompt: Annotated[
        list[str] | None, typer.Option(help="Of the samples (repeat).", show_default="openings of the text")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make one model from the mean of the weights of several that were trained one from the other."""
    loaded = [load(model, "float32", "cpu") for model in models]

    from mistral_core.analysis.evaluation import read_documents
    from mistral_core.training.average import write_average

    made = write_average(loaded, out, list(read_documents(text)), prompts=prompt or [], progress=status)
    status("")
    if as_json:
        print_json({"model": str(made.folder), **vars(made.evaluation), "notices": list(made.notices)})
        return
    for notice in made.notices:
        typer.echo(f"note: {notice}")
    typer.echo(f"{made.folder}: {made.evaluation.bits_per_byte:.4f} bits per byte")
