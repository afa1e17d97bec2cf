"""Whether the weights that a record measured are those that are here: hashes of files, read beside everything else.

A hash costs torch and a pass over all weights, so it is computed in the background, once for each version of the
files (which they are, their size, when they were written). Nothing here imports torch before that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mistral_core.analysis.progress import Report
from mistral_core.checkpoint.folder import Version, detect_layout, versions_of, weight_files
from mistral_core.checkpoint.registry import available_models
from mistral_core.serving.task import Task

Versions = tuple[tuple[Path, Version | None], ...]
UNREADABLE = ""
"""In place of a hash: whatever was measured, it was not this."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The models of a record beside those that are here.

    Attributes:
        same, other: names of those whose weights are the same, or not. absent: that are not here.
        pending: that are being read.
    """

    same: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


class WeightsHere:
    """Hashes of the models that are here.

    Args:
        folders: by name. hash_of: of a folder's weights; `checkpoint.stored.weights_hash`.
    """

    def __init__(
        self, folders: Callable[[], Mapping[str, Path]] = available_models, hash_of: Callable[[Path], str] | None = None
    ) -> None:
        self._folders, self._hash_of = folders, hash_of or _weights_hash
        self._tasks: dict[str, tuple[Versions, Task[str]]] = {}
        self._changing, self._one_at_a_time = threading.Lock(), threading.Lock()

    def compared(self, measured: Mapping[str, str]) -> Compared:
        """Holds hashes against those of now; returns at once, and what is not known yet is on its way.

        Args:
            measured: hash by name, as a finding has them.
        """
        folders = self._folders()
        kinds: dict[str, list[str]] = {"same": [], "other": [], "absent": [], "pending": []}
        for name, then in measured.items():
            now = self._now(name, folders[name]) if name in folders else "absent"
            kind = "pending" if now is None else "same" if now == then else "absent" if now == "absent" else "other"
            kinds[kind].append(name)
        return Compared(**{kind: tuple(names) for kind, names in kinds.items()})

    def _now(self, name: str, folder: Path) -> str | None:
        """The hash of a folder's weights; `None` = it is being computed."""
        versions = version_of(folder)
        with self._changing:
            begun, task = self._tasks.get(name, (None, None))
            if task is None or begun != versions:
                task = Task(lambda report: self._read(folder, report))
                self._tasks[name] = versions, task
        if task.running:
            return None
        return UNREADABLE if task.result is None else task.result

    def _read(self, folder: Path, report: Report) -> str:
        with self._one_at_a_time:
            report(0, 1, f"reading the weights of {folder.name}")
            return self._hash_of(folder)


def version_of(folder: Path) -> Versions:
    """Which files the weights and the configuration are; others differ in one of these. () = they cannot be found."""
    try:
        files = [*weight_files(folder, detect_layout(folder)), *folder.glob("*.json")]
        return tuple(versions_of(sorted(files)).items())
    except (OSError, ValueError):
        return ()


def _weights_hash(folder: Path) -> str:
    from mistral_core.checkpoint.stored import weights_hash

    return weights_hash(folder)
