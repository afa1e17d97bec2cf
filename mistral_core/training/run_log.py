"""The diary of a run: one JSON value a line, in `log.jsonl`.

Every line has an `event` and a `step`: "start", "step" (loss in nats per token, rate, tokens/s),
"validation" (bits per byte), "sample", "note". A run that goes on from a checkpoint drops the lines of
the steps that it repeats, so the diary reads as if it had not been interrupted. A full disk
stops the diary, not the run: lines are held and written when there is room.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LOG_FILE = "log.jsonl"
Event = dict[str, Any]


class RunLog:
    """Writes and reads the diary of one run.

    Args:
        folder: of the run.
        last_step: of the checkpoint that the run goes on from; later lines are dropped.
    """

    def __init__(self, folder: Path, last_step: int = 0) -> None:
        self._path = folder / LOG_FILE
        self._waiting: list[str] = []
        earlier = [event for event in read_log(folder) if event["step"] <= last_step]
        if self._path.exists():
            unfinished = self._path.with_name(LOG_FILE + ".part")
            unfinished.write_text("".join(json.dumps(event) + "\n" for event in earlier), encoding="utf-8")
            os.replace(unfinished, self._path)

    def write(self, event: Event) -> None:
        """Adds a line, or holds it while the disk takes none; half a line is taken back."""
        self._waiting.append(json.dumps(event, allow_nan=False) + "\n")
        content = "".join(self._waiting).encode()
        try:
            with self._path.open("ab", buffering=0) as file:  # without a buffer a full disk shows as a short count
                before = file.seek(0, os.SEEK_END)
                if file.write(content) < len(content):
                    file.truncate(before)
                    return
        except OSError:
            return
        self._waiting.clear()


def read_log(folder: Path) -> list[Event]:
    """All whole lines; one that a killed run left unfinished is passed over."""
    path, events = folder / LOG_FILE, []
    if not path.is_file():
        return []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("step"), int) and "event" in event:
            events.append(event)
    return events
