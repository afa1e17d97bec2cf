"""The command `experiment`: measures a claim of the paper and says what follows.

Torch is imported by the experiment, where it needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mistral_core.cli.flags import CHECK, Json
from mistral_core.cli.run import print_json, read_text, status

if TYPE_CHECKING:
    from mistral_core.experiments.finding import Finding
    from mistral_core.experiments.own_text import Compressed


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
    text: Annotated[
        str | None,
        typer.Option(
            help="compression: a file in UTF-8, or - for a pipe, that is compressed instead of the bundled stories.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Try the annotated claims of the paper: what is measured, the threshold, the verdict and its limits."""
    from mistral_core.experiments.claims import MODULES, run

    if text is not None:
        _own_text(name, text, quick, record, as_json)
        return
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


def _own_text(name: str, source: str, quick: bool, record: Path | None, as_json: bool) -> None:
    """Compresses a text that was given; the quick form is without the large model."""
    import torch

    from mistral_core.checkpoint.registry import available_models
    from mistral_core.experiments.models import load
    from mistral_core.experiments.own_text import LARGE, MOST, SMALL, checked
    from mistral_core.experiments.own_text_run import compress

    if name != "compression" or record is not None:
        raise ValueError(
            f"--text is given with {name!r}{' and --record' if record else ''}; only `experiment compression` "
            "compresses a text, and it records none"
        )
    text = checked(read_text(source, MOST))
    names = [SMALL] if quick or LARGE not in available_models() else [SMALL, LARGE]
    torch.set_num_threads(1)  # steps of one token: on a busy machine two threads wait for each other
    made = compress(load, text, names, _tell)
    if as_json:
        print_json(made.to_json())
    else:
        typer.echo(_codes_in_words(made))


def _codes_in_words(made: Compressed) -> str:
    from mistral_core.experiments.words import number

    lines = [f"{made.characters:,} characters, {made.size:,} bytes in UTF-8 ({made.seconds:.1f} s)"]
    for code in (*made.models, *made.programs):
        decoder = f", {code.nbytes + code.decoder:,} with the decoder's files" if code.decoder else ""
        bits = f"; {number(code.asked)} bits asked for, {code.bits:,} in the code" if code.bits else ""
        back = "came back letter for letter" if code.back else code.difference
        lines.append(
            f"  {code.by}: {code.nbytes:,} bytes ({number(8 * code.nbytes / made.size)} bits a byte)"
            f"{decoder}{bits}; {back}"
        )
    return "\n".join([*lines, *(f"  {notice}" for notice in made.notices)])


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
