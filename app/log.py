"""What happens on the server, one line of JSON for each event, for whoever runs it: `EXPLORER_LOG=json`.

A line says that something happened, never to whom or with what words. No text of a visitor, no name, no address and no
message of an exception is in it, since a message may quote what was typed: an exception is said by its type and by the
line of this repository in which it came up. Lines of Streamlit and of the server around it are cut down in the same
way. Without the variable nothing is said here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit.logger

from mistral_core.failure import place

if TYPE_CHECKING:
    from mistral_core.serving.job import Job

VARIABLE = "EXPLORER_LOG"
"""Of the environment: "json" = events go to the standard error output."""
NAME = "explorer"
"""Of the logger of our own events."""
OURS = ("app", "mistral_core", "pages")
Plain = str | int | float | bool | None
logging.getLogger(NAME).addHandler(logging.NullHandler())  # else warnings reach the error output unasked


class Lines(logging.Formatter):
    """One object of JSON for each record: ours with its fields, another one without its words."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Plain] = {"at": at, "level": record.levelname.lower()}
        if record.name == NAME:
            line |= {"event": record.getMessage()} | getattr(record, "fields", {})
        else:
            line |= {"event": "said", "by": record.name, "where": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"event": "failure"} | of_error(record.exc_info[1])
        return json.dumps(line)


def event(name: str, *, level: int = logging.INFO, **fields: Plain) -> None:
    """Writes one line, where lines are wanted.

    Args:
        fields: numbers, and words of our own choice; never what somebody typed.
    """
    logging.getLogger(NAME).log(level, name, extra={"fields": fields})


def failure(error: BaseException, **fields: Plain) -> None:
    """An exception, by its type and place."""
    event("failure", level=logging.ERROR, **of_error(error), **fields)


def of_error(error: BaseException) -> dict[str, Plain]:
    """Type of an exception, and the line of ours in which it came up."""
    return {"type": type(error).__name__, "place": place(error.__traceback__, OURS)}


def follow(job: Job) -> None:
    """Says that a run was asked for, and when it ends how it did."""
    request = job.request
    event(
        "run_submitted",
        run=job.number,
        model=job.model_name,
        prompt_tokens=len(request.prompt_ids),
        new_tokens=request.max_new_tokens,
    )
    job.listen(_ended)


def _ended(job: Job) -> None:
    run = job.run
    reason = job.status if job.status != "done" else (run.finish_reason if run is not None else "") or "cancelled"
    event(
        "run_ended",
        level=logging.ERROR if job.status == "failed" else logging.INFO,
        run=job.number,
        model=job.model_name,
        tokens=0 if run is None else max(0, run.n_read - run.n_prompt),
        seconds=round(job.seconds, 3),
        finish_reason=reason,
        **({"type": job.failed_as[0], "place": job.failed_as[1]} if job.failed_as else {}),
    )


def refused(limit: str) -> None:
    """A run was refused: by which limit."""
    event("refused", level=logging.WARNING, limit=limit)


def wanted() -> bool:
    """Whether the environment asks for lines."""
    return os.environ.get(VARIABLE) == "json"


def set_up() -> None:
    """Sends every record of this process to the standard error output as lines, if they are wanted."""
    if not wanted():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(NAME).setLevel(logging.INFO)
    logging.captureWarnings(True)
    # Streamlit gives each of its loggers, and the server's, a handler of its own, and does so again at times.
    vars(streamlit.logger)["setup_formatter"] = partial(_only, handler)
    for other in vars(streamlit.logger)["_loggers"].values():
        _only(handler, other)
    threading.excepthook = lambda failed: _uncaught(failed.exc_value)
    sys.excepthook = lambda kind, error, trace: _uncaught(error)


def _only(handler: logging.Handler, logger: logging.Logger) -> None:
    logger.handlers[:] = [handler]


def _uncaught(error: BaseException | None) -> None:
    if error is not None:
        failure(error, thread=threading.current_thread().name)
