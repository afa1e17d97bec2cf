"""The options that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

WRITE, LOOK, CHECK = "Write", "Look inside", "Check"
"""Panels of the list of commands."""
_SAMPLING, _RUNNING, OUTPUT = "Sampling", "Running", "Output"

Model = Annotated[
    str,
    typer.Option(
        help="A folder, or the name of a bundled model or one in MISTRAL_MODELS_DIR; behind it @8 for a window of 8, "
        "~head:5:3,mlp:2 for what is broken."
    ),
]
Text = Annotated[str, typer.Option(help="What is read; its first token is the begin token.", show_default=False)]
Prompt = Annotated[str | None, typer.Option(help="The text to go on from.", show_default=False)]
PromptFile = Annotated[Path | None, typer.Option(help="A file with it, in UTF-8.", show_default=False)]
MaxNewTokens = Annotated[int, typer.Option(help="How many to write at most; 0 = only read.")]
Temperature = Annotated[float, typer.Option(help="0 = always the likeliest.", rich_help_panel=_SAMPLING)]
TopK = Annotated[int, typer.Option(help="Keep the k likeliest; 0 = off.", rich_help_panel=_SAMPLING)]
TopP = Annotated[float, typer.Option(help="Keep this much probability; 1 = off.", rich_help_panel=_SAMPLING)]
MinP = Annotated[float, typer.Option(help="Least share of the likeliest; 0 = off.", rich_help_panel=_SAMPLING)]
Penalty = Annotated[float, typer.Option(help="Above 1 avoids tokens of the text; 1 = off.", rich_help_panel=_SAMPLING)]
Unsaid = Annotated[
    bool | None,
    typer.Option(
        "--unsaid/--no-unsaid",
        help="Write no word of a short list of slurs.",
        show_default="--unsaid for bundled models",
        rich_help_panel=_SAMPLING,
    ),
]
TextSeed = Annotated[int, typer.Option(help="The same seed gives the same text.", rich_help_panel=_SAMPLING)]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Stop = Annotated[
    list[str] | None, typer.Option(help="End once this was written (can be repeated).", show_default=False)
]
ChunkSize = Annotated[int, typer.Option(help="Tokens of a text read at once.", rich_help_panel=_RUNNING)]
Dtype = Annotated[Literal["float32", "float64", "bfloat16"], typer.Option(rich_help_panel=_RUNNING)]
Weights = Annotated[
    Literal["float32", "bfloat16", "int8"],
    typer.Option(
        help="How weights are kept: as --dtype, or in 2 bytes or 1, and computed with in float32.",
        show_default="as --dtype",
        rich_help_panel=_RUNNING,
    ),
]
Against = Annotated[
    Literal["float32", "bfloat16", "int8"] | None,
    typer.Option(
        help="Other weights of the same model, to which the predictions are compared.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1.", rich_help_panel=_RUNNING)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.", rich_help_panel=OUTPUT)]
