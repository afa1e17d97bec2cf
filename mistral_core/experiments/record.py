"""A finding on disk: when and where it was measured, of which models, and the command that does it again."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mistral_core.experiments.claims import restated
from mistral_core.experiments.finding import Finding
from mistral_core.writing import write_whole

FORMAT = "mistral-explorer-experiment"
VARIABLE = "MISTRAL_HELD_OUT"
RECORDED = Path(__file__).resolve().parents[2] / "assets" / "experiments"
"""The folder of the findings that come with the repository."""
BUNDLED = RECORDED / "stories.txt"
"""The text that is read where the variable names none."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finding that was stored.

    Attributes:
        finding: what was found. day: ISO date. machine: its class in words. command: that measures it again.
    """

    finding: Finding
    day: str
    machine: str
    command: str


def command_of(finding: Finding) -> str:
    """What measures it again; where another text than the bundled one was read, that has to be there."""
    read = next((str(table.rows[0][0]) for table in finding.tables if table.name == "text"), BUNDLED.name)
    text = "" if read == BUNDLED.name else f"{VARIABLE}={read} "
    return f"{text}python -m mistral_core experiment {finding.claim}{' --quick' if finding.quick else ''}"


def write_record(finding: Finding, machine: str, folder: Path | None = None) -> Path:
    """Stores a finding under the name of its claim.

    Args:
        machine: its class in words (`hardware.machine_name`).

    Raises:
        WriteError: the folder is full, missing or not writable.
    """
    target = (folder or RECORDED) / f"{finding.claim}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "day": date.today().isoformat(),
        "machine": machine,
        "python": platform.python_version(),
        "command": command_of(finding),
        "finding": finding.to_json(),
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    write_whole(target, write)
    return target


def read_record(name: str, folder: Path | None = None) -> Record | None:
    """The stored finding of a claim, in the words of today (`restated`); `None` = there is none.

    Raises:
        ValueError: the file is damaged.
    """
    path = (folder or RECORDED) / f"{name}.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format is {content['format']!r}, not {FORMAT!r}")
        finding = restated(Finding.from_json(content["finding"]))
        return Record(finding=finding, day=content["day"], machine=content["machine"], command=content["command"])
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path.name} is no record of an experiment ({error}); measure it again with "
            f"`python -m mistral_core experiment {name} --record`"
        ) from error
