"""What the picture of the residual stream is asked by a hand on it.

A question that cannot be answered leaves the last picture and puts one sentence beside it.
"""

from __future__ import annotations

from app.residual.measure import other_text
from app.residual.messages import Ask, Cell, Held
from app.residual.state import ResidualState
from app.session.desk import Desk
from app.session.sentence import sentence
from app.session.visible import run_named
from mistral_core.trace.trace import Trace

MOST_PINS = 6


def ask(desk: Desk, event: Ask) -> None:
    """Takes a question of the browser; one that makes no sense changes nothing but the sentence."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    questions = desk.page_state(ResidualState).of(record.name)
    questions.number, questions.message = event["n"], ""
    try:
        _check(trace, event)
    except ValueError as error:
        questions.message = sentence(error)
        return
    questions.pins = tuple(dict.fromkeys(event["pins"]))
    questions.lender = event["lender"]
    questions.cell = event["cell"] if event["lender"] is not None else None


def held(desk: Desk, event: Held) -> None:
    """The browser says what it has."""
    desk.page_state(ResidualState).of(event["run"]).held = event


def _check(trace: Trace, event: Ask) -> None:
    pins, lender = event["pins"], event["lender"]
    if len(pins) > MOST_PINS:
        raise ValueError(f"{len(pins)} tokens are pinned; at most {MOST_PINS} can be, so let one go")
    if bad := [pin for pin in pins if not 0 <= pin < trace.config.vocab_size]:
        raise ValueError(f"token {bad[0]} is not in the vocabulary; ids are 0 to {trace.config.vocab_size - 1}")
    if lender is not None:
        check_cell(trace, len(other_text(trace, lender)), event["cell"])


def check_cell(trace: Trace, lent: int, cell: Cell | None) -> None:
    """Refuses a cell that is not in both grids.

    Raises:
        ValueError: it says which rows and positions there are.
    """
    if cell is None:
        return
    rows, length = trace.config.n_layers + 1, min(len(trace), lent)
    if not (0 <= cell["row"] < rows and 0 <= cell["position"] < length):
        raise ValueError(
            f"row {cell['row']} at position {cell['position']} is not in both texts; rows are 0 to {rows - 1}, "
            f"positions 0 to {length - 1}"
        )
