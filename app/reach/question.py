"""What is asked of the state grid: one of three readings, the tokens it is about, a replacement, an edge that is cut.

A question can stand in a URL. It is made for one text: `inside` says what is wrong with it there.

Source: the edges are those of `mistral_core.analysis.reach`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from app.reach.messages import Reading
from app.session.numbers import whole
from mistral_core.analysis.reach import Cut, cut_layer, cut_wall
from mistral_core.checkpoint.registry import MOST_SINKS, WIDEST_IMPOSED
from mistral_core.config import MistralConfig

READINGS: tuple[Reading, ...] = get_args(Reading)
WIDEST = WIDEST_IMPOSED
"""The widest window that a text can be read again with."""


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
        sinks: first tokens that stay visible beside that window.
    """

    reading: str = "forward"
    source: int = 0
    target: int = 0
    replacement: int | None = None
    cut: str = ""
    window: int | None = None
    sinks: int = 0

    @property
    def anchor(self) -> int:
        """The token that the page calls the current one."""
        return self.source if self.reading == "forward" else self.target

    def shape(self, config: MistralConfig) -> MistralConfig:
        """The network that reads: the model's, or the same with another window."""
        return config if self.window is None else replace(config, sliding_window=self.window, sinks=self.sinks)

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
        if self.window is not None and not 1 <= self.window <= WIDEST:
            raise ValueError(f"the window is {self.window}; a text can be read with 1 to {WIDEST:,}")
        if not 0 <= self.sinks <= MOST_SINKS or (self.sinks and self.window is None):
            raise ValueError(
                f"{self.sinks} first tokens are to stay visible; that can be 0 to {MOST_SINKS}, beside a window"
            )
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
        if kind not in ("wall", "layer") or not number.isascii() or not number.isdigit() or len(number) > 9:
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
        query = {"reading": self.reading, "from": str(self.source), "to": str(self.target)}
        if self.replacement is not None:
            query["swap"] = str(self.replacement)
        if self.window is not None:
            query["window"] = str(self.window)
        if self.sinks:
            query["sinks"] = str(self.sinks)
        return query | ({"cut": self.cut} if self.cut else {})


def choice_from_query(query: Mapping[str, str]) -> Choice | None:
    """Reads what `Choice.query` wrote; `None` where the URL names no reading.

    Raises:
        ValueError: a value that is no whole number, in a sentence that names it.
    """
    if "reading" not in query:
        return None
    numbers = {name: whole(query, name) if name in query else 0 for name in ("from", "to", "swap", "window", "sinks")}
    return Choice(
        reading=query["reading"],
        source=numbers["from"],
        target=numbers["to"],
        replacement=numbers["swap"] if "swap" in query else None,
        cut=query.get("cut", ""),
        window=numbers["window"] if "window" in query else None,
        sinks=numbers["sinks"],
    )


def first_choice(config: MistralConfig, length: int, n_prompt: int, at: int | None) -> Choice:
    """Where a visitor starts: back from the token where he was; else on from the middle of the prompt."""
    source = max(0, min(n_prompt // 2 - 1, length - 1))
    if at is None or not 0 <= at < length:
        reach = config.exact_reach()
        far = length - 1 if reach is None else min(length - 1, source + max(1, reach // 3))
        return Choice(reading="forward", source=source, target=far)
    return Choice(reading="backward", source=min(source, at), target=at)
