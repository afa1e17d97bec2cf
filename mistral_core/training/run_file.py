"""`run.json`: what a run is, written when it begins and compared whenever it goes on.

`result.json` beside it: what was asked of the finished model (name, licence, prompts). It decides no weight, so it
may change between two starts; it is kept so that going on asks for nothing again.

`run.lock` is held while a run goes on: two at once would write each other's checkpoints. The system lets go of it
when the program ends, however it ends.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from mistral_core.training.settings import Settings

RUN_FILE, RESULT_FILE, LOCK_FILE = "run.json", "result.json", "run.lock"


def lock_run(folder: Path) -> BaseFileLock:
    """Takes the folder of a run for this program; `release` gives it back.

    Raises:
        ValueError: another program has it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"a training is going on in {folder}; wait until it ends, stop it, or name another folder with --out"
        ) from error
    except OSError as error:
        raise ValueError(f"the run cannot be written to {folder}: {error.strerror or error}") from error
    return lock


def write_run(folder: Path, record: dict[str, Any]) -> None:
    """Writes down what a run is; the folder is made if need be.

    Raises:
        ValueError: it cannot be written.
    """
    _write(folder, RUN_FILE, record)


def keep_result(folder: Path, *, name: str | None, licence: str, prompts: list[str]) -> dict[str, Any]:
    """What is asked of the finished model: what is given now, else what an earlier start was given.

    Nothing is written where the run has no folder yet.

    Raises:
        ValueError: the file is damaged or cannot be written.
    """
    path = folder / RESULT_FILE
    held: dict[str, Any] = {"name": None, "licence": "", "prompts": []}
    if path.is_file():
        try:
            held |= json.loads(path.read_text(encoding="utf-8"))
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged ({error}); remove it and name the model again") from error
    given = {"name": name, "licence": licence, "prompts": prompts}
    asked: dict[str, Any] = {key: given[key] or held[key] for key in given}
    if (folder / RUN_FILE).is_file() and (asked != held or not path.is_file()):
        _write(folder, RESULT_FILE, asked)
    return asked


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / (name + ".part")
        unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(unfinished, folder / name)
    except OSError as error:
        raise ValueError(f"the run cannot be written to {folder}: {error.strerror or error}") from error


def read_run(folder: Path) -> dict[str, Any] | None:
    """What a run folder says of its run: settings, network, start and corpus; `None` where there is none.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: content[key] for key in ("settings", "network", "started_from", "corpus")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); copy it again, or name another folder") from error


def compare_runs(stored: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    """Refuses to go on with a run under other settings, naming each difference.

    A setting that the run was written down without had its default.
    """
    before = json.loads(json.dumps(Settings.from_json(stored["settings"]).to_json()))
    differences = [
        f"{key} was {before[key]!r} and is now {value!r}"
        for key, value in wanted["settings"].items()
        if before[key] != value
    ]
    others = [key for key in wanted if key != "settings" and stored.get(key) != wanted[key]]
    differences += [f"another {key.replace('_', ' ')}" for key in others]
    if differences:
        raise ValueError(
            f"{folder} holds a run of other settings: {'; '.join(differences)}. Go on with the same ones (leave the "
            f"flags out), or name another folder with --out"
        )
