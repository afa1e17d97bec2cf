"""What a session may hold, and what all of them together: bytes of texts, with all that was recorded of them.

A text of 4,900 tokens holds 130 MB. So of a session that holds too much the texts looked at longest ago keep their
address alone (they are written again when they are chosen, to the same letters), and a server that holds too much
takes no new text until somebody has left.
"""

from __future__ import annotations

from app import compute
from app.session import visitors
from app.session.desk import Desk
from app.session.runs import Record, RunSpec
from app.theme import size
from mistral_core.memory import machine_bytes

SESSION_BYTES = 768 * 2**20
"""Five of the longest texts that may be asked for, or a class's hour of short ones."""
SERVER_BYTES = min(8 * 2**30, machine_bytes() // 3)
"""A third of the machine, on a large one no more than this; the models and the rest need under 2 GiB."""


def bytes_of(record: Record) -> int:
    """Bytes that a text holds; the recording that all sessions share counts for none."""
    if record.job is not None:
        return compute.engine().held(record.job)
    return 0 if record.trace is None or record.trace is compute.recording() else record.trace.nbytes


def held(desk: Desk) -> int:
    """Bytes of all texts of a session; its own visitor may add some meanwhile."""
    return sum(map(bytes_of, [*desk.records.values()]))


def make_room(desk: Desk, wanted: int) -> None:
    """Lets texts of a session go, the oldest first, until there is room for `wanted` more bytes.

    What is shown or being written stays, and so does a file that the visitor opened: it has no address.
    """
    for record in list(desk.records.values()):
        if held(desk) + wanted <= SESSION_BYTES:
            return
        if record.name != desk.current and record.spec is not None and record.job is not None and _ended(record):
            compute.engine().cancel(record.job)
            record.job = None


def refusal(desk: Desk, spec: RunSpec, n_prompt: int) -> str:
    """Why the server takes no such text now, as a sentence; "" if it does.

    Raises:
        ValueError: no such model.
    """
    wanted = compute.engine().price(compute.config(spec.model), n_prompt + spec.new_tokens)
    make_room(desk, wanted)
    mine, all_of_them = held(desk), sum(map(held, visitors.desks()))
    if mine + wanted > SESSION_BYTES:
        return (
            f"This text would hold {size(wanted)}, and your other texts hold {size(mine)} of at most "
            f"{size(SESSION_BYTES)}; ask for fewer tokens, or reload the page to let them go."
        )
    if all_of_them + wanted > SERVER_BYTES:
        return (
            f"The server holds {size(all_of_them)} of texts of all visitors, at most {size(SERVER_BYTES)}; ask for "
            "fewer tokens, or try again when somebody has left."
        )
    return ""


def _ended(record: Record) -> bool:
    return record.job is not None and record.job.status in ("done", "failed", "expired")
