"""Writing a file whole or not at all, with one kind of error whatever goes wrong."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError


class WriteError(OSError):
    """A file that cannot be written; the message says which, why, and what to do."""


def write_whole(path: str | Path, write: Callable[[Path], None]) -> None:
    """Lets `write` make a file beside `path`, which takes its name when it is complete.

    Raises:
        WriteError: the target is full, missing or not writable; what was at `path` stays.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    except (SafetensorError, OSError) as error:
        with contextlib.suppress(OSError):  # the first reason counts
            unfinished.unlink(missing_ok=True)
        raise WriteError(f"{path} cannot be written ({error}); make room, or name another place") from error
