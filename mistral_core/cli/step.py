"""The command `step`: how the application reads one token of a text on this machine."""

from __future__ import annotations

from typing import Any

import typer

from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.cli.flags import CHECK, Json, Model
from mistral_core.cli.run import load, print_json


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("step", rich_help_panel=CHECK)(step)


def step(model: Model = DEFAULT_MODEL, as_json: Json = False) -> None:
    """Compile the fast step if need be, once for a machine, and say whether the application uses it, and why."""
    from mistral_core.compiled.choice import choose_step

    chosen = choose_step(load(model, "float32", "cpu").model)
    content: dict[str, Any] = {"model": model, "compiled": chosen.reader is not None, "said": chosen.said}
    print_json(content) if as_json else typer.echo(f"{model}: {chosen.said}.")
