"""The command `experiment`: measures a claim of the paper and says what follows.

Torch is imported by the experiment, where it needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mistral_core.cli.flags import CHECK, Json
from mistral_core.cli.run import print_json, status

if TYPE_CHECKING:
    from mistral_core.experiments.finding import Finding


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("experiment", rich_help_panel=CHECK)(experiment)


def experiment(
    name: Annotated[str, typer.Argument(help="efficiency, sharing, compression, window, stacking, or all.")] = "all",
    quick: Annotated[bool, typer.Option(help="The small form, as the page runs it.")] = False,
    record: Annotated[
        Path | None,
        typer.Option(help="Store the findings in this folder, as assets/experiments has them.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Try the annotated claims of the paper: what is measured, the threshold, the verdict and its limits."""
    from mistral_core.experiments.claims import MODULES, run

    names = list(MODULES) if name == "all" else [name]
    findings, failed = [], []
    for one in names:
        try:
            finding = run(one, quick=quick, report=_tell)
        except ValueError as error:  # one that cannot be measured here does not stop the others
            if len(names) == 1:
                raise
            failed.append(f"{one}: {error}")
            continue
        findings.append(finding)
        if record is not None:
            _store(finding, record)
        if not as_json:
            typer.echo(_in_words(finding))
    if as_json:
        print_json([finding.to_json() for finding in findings])
    if failed:
        raise ValueError("; ".join(failed))


def _tell(done: int, total: int, what: str) -> None:
    status(f"{done} of {total}: {what}")


def _store(finding: Finding, folder: Path) -> None:
    import torch

    from mistral_core.experiments.record import write_record
    from mistral_core.training.hardware import describe_machine

    write_record(finding, describe_machine(torch.device("cpu")), folder)


def _in_words(finding: Finding) -> str:
    """The verdict, every criterion in a line, and the limits."""
    from mistral_core.experiments.words import bound, spread

    lines = [f"{finding.claim}: {finding.verdict} ({finding.seconds:.1f} s)"]
    for one in finding.criteria:
        lines.append(
            f"  {'yes' if one.met else 'no '} {one.threshold.name}: {spread(one)}, {bound(one.threshold)} was needed"
            f"{f', {one.repeats}' if one.repeats else ''} [{one.threshold.role}, {one.source}]"
        )
    return "\n".join([*lines, *(f"  limit: {limit}" for limit in finding.limits)])
