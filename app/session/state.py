"""What one visitor's session remembers. The only file that spells a key of `st.session_state`.

Widgets of a page are forgotten when another page is opened, so everything that should follow the
visitor (model, text, settings, runs, the place in the run) lives here in one object.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.session.runs import DEFAULT_NEW_TOKENS, DEFAULT_SAMPLING, Record
from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.sampling import SamplingSettings

if TYPE_CHECKING:
    from app.attention.payload import Extras
    from app.ring.panel import Asking, Reading
    from mistral_core.serving.task import Task

DESK = "desk"
PLAYER = "player"
REACH = "reach"
PUSH_GUESS = "push_guess"
THEORY_WINDOW = "theory_window"
THEORY_LAYERS = "theory_layers"
START_PLAYER = "start_player"
THEATRE = "theatre"
ATLAS = "atlas"
PROMPT = "prompt"
LENGTH = "length"
SEED = "seed"
PACE = "pace"
MODEL = "model_choice"
UPLOAD = "upload"
CONTEXT = "ledger_context"
LEDGER_OF = "ledger_of"
MAX_RECORDS = 8
"""Runs kept in a session; the oldest finished one makes room."""

DEFAULT_PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."


@dataclass
class AttentionView:
    """What the attention page remembers.

    Attributes:
        held: by run, what the browser said it holds: to, extras.
        extras: what was derived last, of one run at one length.
        findings: searches for a disagreement with the length they took, by run and model.
        scores: passes that read a text again for its scores, by run, model and length.
    """

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    extras: Extras | None = None
    findings: dict[str, tuple[Task[Any], int]] = field(default_factory=dict)
    scores: dict[str, Task[Any]] = field(default_factory=dict)


@dataclass
class Desk:
    """A session's runs and settings.

    Attributes:
        session: names the session to the engine.
        model: chosen for new runs.
        records: by name, oldest first. current: the one that is shown.
        sampling: what the sliders say; new runs use it.
        acknowledged: by run, what the browser said it holds: to, stages_key, stages_to.
        sent: by run, the ends of the latest payloads: tokens, then alternatives with their key.
        at: by run, where the playhead settled: t, layer, head.
        opened: the URL parameters that were acted on, so that they are acted on once.
        notice: a sentence to show once. page: the page that is open.
        follow: grows when the eye should go to the end of the text.
        checks: the verification that runs or ran, by model.
        ring_held, ring_sent: by run, the tokens that the ring page's browser holds, and the ends of what it got.
        ring_slot: by run, layer and position of the slot whose numbers were asked for. reading: the work on them.
        asking: the last "is it forgotten?" of the ring page.
        reach: by run, what the page reach was asked and shows: choice, shown, asked, message.
        experiments: words pushed back and profiles of influence, by model and what was asked.
        attention: what the attention page remembers.
    """

    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    model: str = DEFAULT_MODEL
    prompt: str = DEFAULT_PROMPT
    length: int = DEFAULT_NEW_TOKENS
    seed: int = 0
    pace: float = 0.0
    records: OrderedDict[str, Record] = field(default_factory=OrderedDict)
    current: str | None = None
    sampling: SamplingSettings = DEFAULT_SAMPLING
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)
    at: dict[str, dict[str, Any]] = field(default_factory=dict)
    opened: dict[str, str] | None = None
    notice: str = ""
    follow: int = 0
    page: str = ""
    checks: dict[str, Task[Any]] = field(default_factory=dict)
    ring_held: dict[str, int] = field(default_factory=dict)
    ring_sent: dict[str, list[int]] = field(default_factory=dict)
    ring_slot: dict[str, tuple[int, int]] = field(default_factory=dict)
    reading: Reading | None = None
    asking: Asking | None = None
    reach: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, Task[Any]] = field(default_factory=dict)
    attention: AttentionView = field(default_factory=AttentionView)

    @property
    def record(self) -> Record | None:
        """The run that is shown."""
        return self.records.get(self.current) if self.current else None

    def add(self, record: Record) -> None:
        """Shows a run, and lets the oldest one go that is neither shown nor being written."""
        if self.records.get(record.name, record) is not record:
            self.forget(record.name)
        self.records[record.name] = record
        self.records.move_to_end(record.name)
        self.current = record.name
        for name, old in list(self.records.items()):
            if len(self.records) <= MAX_RECORDS:
                break
            writing = old.job is not None and old.job.status not in ("done", "failed", "expired")
            if name != self.current and not writing:
                self.forget(name)

    def forget(self, name: str) -> None:
        """Lets a run go, with all that the pages remember of it: another one may come under its name."""
        work = self.reach.get(name, {}).get("work")
        if work is not None:
            work.task.cancel()
        kept: tuple[dict[str, Any], ...] = (
            self.records,
            self.acknowledged,
            self.sent,
            self.at,
            self.ring_held,
            self.ring_sent,
            self.ring_slot,
            self.reach,
            self.attention.held,
        )
        for of_runs in kept:
            of_runs.pop(name, None)
        if self.reading is not None and self.reading.run == name:
            self.reading = None
        if self.asking is not None and self.asking.question.run == name:
            self.asking = None


def desk() -> Desk:
    """The desk of this session; made at the first visit."""
    if DESK not in st.session_state:
        st.session_state[DESK] = Desk()
    kept: Desk = st.session_state[DESK]
    return kept


def enter(page: str) -> None:
    """Notes which page is open."""
    kept = desk()
    kept.page = page


def component_state(key: str) -> dict[str, Any]:
    """What the component mounted under `key` last said, as a plain dictionary."""
    return dict(st.session_state.get(key) or {})
