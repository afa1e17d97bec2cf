"""The desk of one visitor: what follows from page to page, and room for what each page remembers.

Widgets of a page are forgotten when another page is opened, so everything that should follow the visitor
(model, text, settings, runs, the place in a run) lies on the desk. What one page alone remembers is a
`PageState` of its own, written down in `app/<page>/state.py` and made when the page first asks for it.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

from app.session.rate import Rate
from app.session.runs import DEFAULT_NEW_TOKENS, DEFAULT_SAMPLING, PACE, Record
from app.session.work import Workshop
from app.shared.messages import Place
from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.sampling import SamplingSettings

MAX_RECORDS = 8
"""Runs kept in a session; the oldest finished one makes room."""
DEFAULT_PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."


class PageState:
    """What one page remembers. A subclass says whose it is: `class RingState(PageState, page="ring")`."""

    kinds: ClassVar[dict[str, type[PageState]]] = {}
    """By page, what remembers it."""
    page: ClassVar[str]

    def __init_subclass__(cls, page: str) -> None:
        cls.page = page
        if PageState.kinds.setdefault(page, cls) is not cls:
            raise ValueError(
                f"{PageState.kinds[page].__name__} remembers the page {page} already; give it the new fields"
            )

    def forget(self, run: str) -> None:
        """Lets go of all that is remembered of a run: another one may come under its name."""

    def end(self) -> None:
        """The visitor has left: ends the work that is under way."""
        for value in vars(self).values():
            if isinstance(value, Workshop):
                value.cancel()


State = TypeVar("State", bound=PageState)


@dataclass
class Desk:
    """A session's runs and settings.

    Attributes:
        session: names the session to the engine.
        model: chosen for new runs.
        records: by name, oldest first. current: the one that is shown.
        chat: what is typed is said to the model, if that has a template for it; else it goes on with it.
        sampling: what the sliders say; new runs use it.
        at: by run, where the playhead settled.
        opened: the URL parameters that were acted on, so that they are acted on once.
        notice: a sentence to show once.
        follow: grows when the eye should go to the end of the text.
        filled: how often a link or a button has filled fields of a page, see `state.field`.
        wanted: what an address wants beside the shown run, until that is written.
        rate: how often texts may be begun.
    """

    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    model: str = DEFAULT_MODEL
    prompt: str = DEFAULT_PROMPT
    chat: bool = False
    length: int = DEFAULT_NEW_TOKENS
    seed: int = 0
    pace: float = PACE
    records: OrderedDict[str, Record] = field(default_factory=OrderedDict)
    current: str | None = None
    sampling: SamplingSettings = DEFAULT_SAMPLING
    at: dict[str, Place] = field(default_factory=dict)
    opened: dict[str, str] | None = None
    notice: str = ""
    follow: int = 0
    filled: int = 0
    wanted: str = ""
    rate: Rate = field(default_factory=Rate)
    _pages: dict[str, PageState] = field(default_factory=dict)
    _beside: Desk | None = None

    @property
    def record(self) -> Record | None:
        """The run that is shown."""
        return self.records.get(self.current) if self.current else None

    @property
    def beside(self) -> Desk | None:
        """Another run that is compared with the shown one: the same runs and places, and what pages remember of it."""
        other = self._beside
        return None if other is None or other.record is None or other.current == self.current else other

    def lay_beside(self, run: str | None) -> None:
        """Compares another run with the shown one; `None` = none."""
        if self._beside is not None:
            self._beside.end()
        self._beside = None if run is None else replace(self, current=run, notice="", _pages={}, _beside=None)

    def page_state(self, kind: type[State]) -> State:
        """What a page remembers; made when it is first asked for."""
        if kind.page not in self._pages:
            self._pages[kind.page] = kind()
        state = self._pages[kind.page]
        if not isinstance(state, kind):
            raise ValueError(f"the page {kind.page} is remembered by {type(state).__name__}, not by {kind.__name__}")
        return state

    def add(self, record: Record, *, show: bool = True) -> None:
        """Shows a run, and lets the oldest one go that is neither on screen nor being written."""
        if self.records.get(record.name, record) is not record:
            self.forget(record.name)
        self.records[record.name] = record
        self.records.move_to_end(record.name)
        if show:
            self.current = record.name
        on_screen = {record.name, self.current, self._beside.current if self._beside is not None else None}
        for name, old in list(self.records.items()):
            if len(self.records) <= MAX_RECORDS:
                break
            writing = old.job is not None and old.job.status not in ("done", "failed", "expired")
            if name not in on_screen and not writing:
                self.forget(name)

    def clear(self) -> None:
        """The visitor has left: nothing is held any more, and what is under way ends."""
        for name, record in list(self.records.items()):
            self.forget(name)
            record.job = record.trace = None  # Streamlit holds the record still, for the button that saves it
        self.end()
        self.lay_beside(None)

    def end(self) -> None:
        """Ends the work of all pages, and what they remember."""
        for state in self._pages.values():
            state.end()
        self._pages.clear()

    def forget(self, run: str) -> None:
        """Lets a run go, with all that the pages remember of it: another one may come under its name."""
        record = self.records.pop(run, None)
        if record is not None and record.job is not None:
            record.job.leave()
        self.at.pop(run, None)
        for state in (*self._pages.values(), *(self._beside._pages.values() if self._beside is not None else ())):
            state.forget(run)
