"""What the page reach sends: one reading of the state grid, theory and measurement.

What is asked is a `Choice`: one of three readings, the tokens it is about, the replacement and an
edge that is cut. It can stand in a URL. The grid goes as float32, row by row, 0 = embedding, with NaN
where nothing was measured, so that an exact 0 stays an exact 0. Nothing here imports torch or Streamlit.

Source: the readings are those of `mistral_core.analysis.influence`, the edges those of `analysis.reach`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import numpy as np

from app.reach.messages import Facts, NoFacts, ReachHeader, Reading
from app.shared.run_payload import RunLike
from app.wire import Parts
from mistral_core.analysis.reach import (
    Cut,
    backward_cone,
    backward_edge,
    cut_layer,
    cut_wall,
    forward_cone,
    forward_edge,
    reachable,
    reaching,
)
from mistral_core.config import MistralConfig

READINGS: tuple[Reading, ...] = get_args(Reading)
WINDOWS = (2, 4, 8, 16, 32, 64, 256, 1024, 4096)
"""That a text can be read again with; those wider than 64 only for models that have wider ones."""
WRITE_ON = 2000
"""Tokens that a visitor is offered to have written, at most."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked of the state grid.

    Attributes:
        reading: one of `READINGS`.
        source: position of the token that is replaced. target: position whose prediction is meant.
        replacement: token id in the place of the source; `None` = drawn from the text.
        cut: "", "wall:40" (nothing crosses from positions up to 40 to later ones), or "layer:3"
            (nothing moves sideways in the third layer; counted from 1, as on screen).
        window: of every layer, for reading the text again; `None` = the model's own.
    """

    reading: str = "forward"
    source: int = 0
    target: int = 0
    replacement: int | None = None
    cut: str = ""
    window: int | None = None

    @property
    def anchor(self) -> int:
        """The token that the page calls the current one."""
        return self.source if self.reading == "forward" else self.target

    def shape(self, config: MistralConfig) -> MistralConfig:
        """The network that reads: the model's, or the same with another window."""
        return config if self.window is None else replace(config, sliding_window=self.window)

    def inside(self, config: MistralConfig, length: int) -> Choice:
        """The same for a text of `length` tokens; the pair of a corridor in its order.

        Raises:
            ValueError: a reading, a position or a cut that does not exist; it says which there are.
        """
        if self.reading not in READINGS:
            raise ValueError(f"there is no reading {self.reading!r}; readings are {', '.join(READINGS)}")
        for name, position in (("source", self.source), ("target", self.target)):
            if not 0 <= position < length:
                raise ValueError(f"{name} {position} is not in the text; positions are 0 to {length - 1}")
        if self.reading == "corridor" and self.source > self.target:
            raise ValueError(f"source {self.source} comes after target {self.target}; nothing travels backwards")
        if self.window is not None and not 1 <= self.window <= WINDOWS[-1]:
            raise ValueError(f"the window is {self.window}; a text can be read with 1 to {WINDOWS[-1]:,}")
        self.cuts(config, length)
        return self

    def cuts(self, config: MistralConfig, length: int) -> tuple[Cut, ...]:
        """The edges that are taken away.

        Raises:
            ValueError: a cut that does not exist in this model or text.
        """
        if not self.cut:
            return ()
        kind, _, number = self.cut.partition(":")
        if kind not in ("wall", "layer") or not number.isascii() or not number.isdigit():
            raise ValueError(f"the cut is {self.cut[:40]!r}; write wall:POSITION or layer:NUMBER")
        place = int(number)
        if kind == "wall":
            if place > length - 2:
                raise ValueError(f"no wall can stand after position {place}; choose one of 0 to {length - 2}")
            return (cut_wall(place, length),)
        if not 1 <= place <= config.n_layers:
            raise ValueError(f"layer {place} cannot be cut; this model has layers 1 to {config.n_layers}")
        return (cut_layer(place - 1, length),)

    def query(self) -> dict[str, str]:
        """As the parameters of a URL."""
        found = {"reading": self.reading, "from": str(self.source), "to": str(self.target)}
        if self.replacement is not None:
            found["swap"] = str(self.replacement)
        if self.window is not None:
            found["window"] = str(self.window)
        return found | ({"cut": self.cut} if self.cut else {})


def choice_from_query(query: Mapping[str, str]) -> Choice | None:
    """Reads what `Choice.query` wrote; `None` where the URL names no reading.

    Raises:
        ValueError: a value that is no whole number, in a sentence that names it.
    """
    if "reading" not in query:
        return None
    numbers = {}
    for name in ("from", "to", "swap", "window"):
        text = query.get(name, "0")
        if not text.isascii() or not text.isdigit():
            raise ValueError(f"The address says {name}={text[:40]}, but that must be a whole number, 0 or more.")
        numbers[name] = int(text)
    return Choice(
        reading=query["reading"],
        source=numbers["from"],
        target=numbers["to"],
        replacement=numbers["swap"] if "swap" in query else None,
        cut=query.get("cut", ""),
        window=numbers["window"] if "window" in query else None,
    )


def first_choice(config: MistralConfig, length: int, n_prompt: int, at: int | None) -> Choice:
    """Where a visitor starts: back from the token where he was; else on from the middle of the prompt."""
    source = max(0, min(n_prompt // 2 - 1, length - 1))
    if at is None or not 0 <= at < length:
        reach = config.exact_reach()
        far = length - 1 if reach is None else min(length - 1, source + max(1, reach // 3))
        return Choice(reading="forward", source=source, target=far)
    return Choice(reading="backward", source=min(source, at), target=at)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What the model gave for a choice.

    Attributes:
        grid: forward relative change, backward and corridor nats; `[rows, measured]`.
        kl, before, after: along the positions; empty where the reading has none.
        uncut: `kl` without the cut, if there is one.
        explained: the token whose prediction is meant, printable; "" in the forward reading.
        facts: numbers for the sentences beside the picture.
    """

    grid: np.ndarray
    kl: np.ndarray = field(default_factory=lambda: np.empty(0))
    before: np.ndarray = field(default_factory=lambda: np.empty(0))
    after: np.ndarray = field(default_factory=lambda: np.empty(0))
    uncut: np.ndarray = field(default_factory=lambda: np.empty(0))
    explained: str = ""
    facts: Facts = field(default_factory=NoFacts)


@dataclass(frozen=True, kw_only=True)
class Short:
    """A text in which the edge cannot be seen.

    Attributes:
        leaves: whether anything has left a window in it.
        more: tokens to write on; 0 = it cannot be had so. narrower: a window with which the edge lies inside the text;
            0 = there is none.
    """

    leaves: bool
    more: int
    narrower: int


def window_options(config: MistralConfig) -> list[int]:
    """Windows to choose from, the model's own left out if all its layers have the same."""
    widest = max((window for window in config.windows if window is not None), default=0)
    own = set(config.windows)
    return [window for window in WINDOWS if window <= max(64, widest) and own != {window}]


def too_short(config: MistralConfig, choice: Choice, length: int, *, goes_on: bool = True) -> Short | None:
    """What could be done about a text in which no change can pass the edge; `None` = there is room for one.

    Args:
        config: of the model. length: of the text. goes_on: more of it can be written.
    """
    shape = choice.shape(config)
    reach = shape.exact_reach()
    if reach is None or length > reach + 1:
        return None
    widest = max(window for window in shape.windows if window is not None)
    wanted = choice.source + reach + 1 + widest - length
    narrower = [w for w in window_options(config) if w < widest and config.n_layers * (w - 1) < length // 2]
    return Short(
        leaves=length > widest, more=wanted if goes_on and wanted <= WRITE_ON else 0, narrower=max(narrower, default=0)
    )


def allowed_cells(config: MistralConfig, choice: Choice, length: int) -> np.ndarray:
    """Cells that the reading can touch, with what is cut taken away: `[rows, length]` bool.

    Without a cut by formula, else by walking along the edges that are left.

    Args:
        config: of the network that reads (`Choice.shape`).

    Raises:
        ValueError: a position or a cut outside the grid.
    """
    cuts = choice.cuts(config, length)
    cells = np.ones((config.n_layers + 1, length), bool)
    if choice.reading != "backward":
        ahead = reachable(config, length, choice.source, cuts) if cuts else forward_cone(config, choice.source, length)
        cells &= ahead
    if choice.reading != "forward":
        cells &= reaching(config, length, choice.target, cuts) if cuts else backward_cone(config, choice.target, length)
    return cells


def reach_parts(
    trace: RunLike,
    choice: Choice,
    measured: Measured | None,
    *,
    run: str,
    asked: int = 0,
    total: int | None = None,
    status: Literal["running", "done"] = "done",
    message: str = "",
    layer: int | None = None,
    replacement: str = "",
    options: Sequence[tuple[int, str]] = (),
    can_measure: bool = True,
    goes_on: bool = False,
    doing: tuple[int, int, str] | None = None,
    stopped: bool = False,
) -> Parts:
    """The whole text so far and one reading of it.

    Args:
        trace: the run. choice: what was asked; `inside` the run. measured: `None` = theory alone.
        asked: number of the question, so that the browser knows its answer.
        total: tokens expected in the end. layer: where the visitor was.
        replacement: printable form of the token put in. options: others to choose from.
        can_measure: whether the model that wrote the run is here. goes_on: whether more of it can be written.
        doing: of a measurement that takes long: steps done, in all, and what is done. stopped: the visitor ended it.

    Raises:
        ValueError: the choice lies outside the run.
    """
    length = len(trace)
    choice = choice.inside(trace.config, length)
    config = choice.shape(trace.config)
    short = too_short(trace.config, choice, length, goes_on=goes_on) if status != "running" else None
    rows = range(config.n_layers + 1)
    header: ReachHeader = {
        "picture": "reach",
        "run": run,
        "asked": asked,
        "total": max(total or 0, length),
        "status": status,
        "message": message,
        "n_prompt": trace.n_prompt,
        "layer": layer,
        "can_measure": can_measure,
        "model": {
            "name": trace.model_name,
            "n_layers": config.n_layers,
            "windows": list(config.windows),
            "trained": list(trace.config.windows),
            "options": window_options(trace.config),
        },
        "short": None if short is None else {"leaves": short.leaves, "more": short.more, "narrower": short.narrower},
        "doing": doing,
        "stopped": stopped,
        "tokens": [(trace.token_texts[i], trace.token_labels[i], int(trace.token_ids[i])) for i in range(length)],
        "forward_edges": [forward_edge(config, row) for row in rows],
        "backward_edges": [backward_edge(config, row) for row in rows],
        "reach": config.exact_reach(),
        "choice": {
            "reading": cast(Reading, choice.reading),  # `inside` refuses all others
            "source": choice.source,
            "target": choice.target,
            "replacement": choice.replacement,
            "cut": choice.cut,
            "window": choice.window,
        },
        "replacement": replacement,
        "options": list(options),
        "explained": measured.explained if measured else "",
        "facts": measured.facts if measured else {},
        "measured": measured.grid.shape[1] if measured else 0,
    }
    arrays = {"allowed": allowed_cells(config, choice, length).astype(np.uint8)}
    if measured is not None:
        named = {name: getattr(measured, name) for name in ("grid", "kl", "before", "after", "uncut")}
        arrays |= {name: _float32(array) for name, array in named.items()}
    return Parts(header, arrays)


def _float32(array: np.ndarray) -> np.ndarray:
    """As float32; what is not 0 stays not 0, however small."""
    small = np.asarray(array, np.float32)
    lost = (small == 0) & (np.asarray(array) != 0)
    tiny = np.float32(np.finfo(np.float32).tiny)
    return np.where(lost, np.copysign(tiny, array).astype(np.float32), small)
