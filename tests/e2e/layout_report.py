"""How many faults the layout of each page has, as a table: `python -m tests.e2e.layout_report [--url URL] [--page NAME]`."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections import Counter
from pathlib import Path

from tests.e2e.browser import browser, server
from tests.e2e.layout import KINDS, SCENES, Fault, sizes, survey


def row(name: str, faults: list[Fault], places: int) -> str:
    """One line of the table: how many faults of each kind, and at how many of the sizes there is one."""
    count = Counter(fault.kind for fault in faults)
    bad = len({(fault.width, fault.height, fault.larger) for fault in faults if fault.kind != "contrast"})
    return f"| {name} | " + " | ".join(str(count[kind]) for kind in KINDS) + f" | {bad} of {places} |"


def main() -> None:
    """Prints the table, and the faults themselves to a file if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a server that runs already, for example of another version")
    parser.add_argument("--page", action="append", help="only scenes whose name begins so (may be repeated)")
    parser.add_argument("--faults", type=Path, help="a file for the faults, a sentence each")
    options = parser.parse_args()
    chosen = [scene for scene in SCENES if not options.page or scene.name.startswith(tuple(options.page))]
    log = Path(tempfile.mkdtemp()) / "server.log"
    started = contextlib.nullcontext() if options.url else server(log)
    print("| page | " + " | ".join(KINDS) + " | sizes with a fault |\n|" + " --- |" * (len(KINDS) + 2))
    sentences = []
    with started as running, browser() as launched:
        for scene in chosen:
            faults = survey(launched, options.url or running.url, scene)
            print(
                row(scene.name, faults, sum(len(list(sizes(scene, larger=larger))) for larger in (False, True))),
                flush=True,
            )
            sentences += [str(fault) for fault in faults]
    if options.faults:
        options.faults.write_text("\n".join(sentences) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
