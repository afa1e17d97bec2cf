"""Replaces every item of a saved trace's header in twenty ways, and prints what the reader should have refused.

    python -m tests.model.trace.mutations FILE

A file is refused with a `TraceError`, or what opens says just what the file says, in the type that was there
before: a page never meets a list for a name, or a NaN for a seed. The last line counts refused and opened files.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import tempfile
import warnings
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file

from mistral_core.trace.trace import Trace, TraceError

WRONG = (
    None, True, False, -1, 10**30, 10**400, 0.5, math.nan, math.inf, "", "x", "\ud800", [], {}, [None], [[[]]],
    [-1], ["x"], {"a": {"b": []}}, [[10**30, 10**30]],
)  # fmt: skip
"""Wrong types, negative, huge, no numbers, empty and nested; some are right in some places."""


GONE = object()
"""The item is left out."""
FREE = (("settings",), ("omitted",), ("config", "sliding_window"))
"""What may be left out: settings that were not made, lists of nothing, a window that is none."""


def opened_file(trace, path):
    """Header and tensors of the file that a trace is saved as."""
    trace.save(path)
    return content(path)


def content(path):
    """Header and tensors of a file."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["trace"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def reread(header, tensors, path):
    """What opens of a file with this header."""
    save_file(tensors, path, metadata={"trace": json.dumps(header)})
    return Trace.load(path)


def places(value, at=()):
    """The way to every item of a JSON value, containers included; of a long list its ends."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list):
        for index in dict.fromkeys((0, len(value) - 1)) if value else ():
            yield from places(value[index], (*at, index))


def changed(header, at, value):
    """The header with another value at one place."""
    header = copy.deepcopy(header)
    spot = header
    for key in at[:-1]:
        spot = spot[key]
    if value is GONE:
        del spot[at[-1]]
    else:
        spot[at[-1]] = value
    return header


def kind(value):
    """The type; whole numbers and fractions are one, as in JSON."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def at_place(value, at):
    """The item at a place."""
    for key in at:
        value = value[key]
    return value


def fault(header, tensors, at, value, folder):
    """What is wrong with how the reader takes the change; `None` where it refuses the file, "" where it may open it."""
    bad = changed(header, at, value)
    try:
        trace = reread(bad, tensors, folder / "bad")
    except TraceError as error:
        return f"a long message: {error}" if "\n" in str(error) or len(str(error)) > 1000 else None
    except Exception as error:
        return f"not a TraceError: {error!r}"
    again, _ = opened_file(trace, folder / "again")
    if value is GONE:
        free = any(at[: len(place)] == place and at != ("settings",) for place in FREE)
        same = again == {**bad, "config": {"sliding_window": None, **bad["config"]}}
        return "" if free and same else "opened without it"
    if again != bad or value != value:
        return "opened as something else"
    if kind(value) is not kind(at_place(header, at)) and at != ("config", "sliding_window"):
        return "opened with another type"
    return "opened with a huge number" if isinstance(value, int) and abs(value) >= 2**64 else ""


def main(path):
    """Prints a line for each fault, and the counts."""
    header, tensors = content(path)
    refused = opened = 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        for at in places(header):
            for value in (*WRONG, GONE) if at else ():
                found = fault(header, tensors, at, value, Path(folder))
                if found:
                    print(at, str(value)[:60].encode("unicode_escape"), found)
                refused, opened = refused + (found is None), opened + (found == "")
    print(refused, opened)


if __name__ == "__main__":
    main(sys.argv[1])
