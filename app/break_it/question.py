"""What is asked of the page break_it: which prediction, what is changed, and to what.

A change is spelled in a few letters, so that it can stand in a URL; layers, heads and groups count from 1, as on
screen, positions and distances from 0, as everywhere:

    head:5:3  group:5:1  mlp:5  attention:5      that part of that layer is knocked out
    near:4                                       no layer looks further back than 4 tokens
    hide:17                                      no later token sees position 17

Source: the interventions are those of `mistral_core.analysis.interventions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from app.break_it.messages import Level, Writing
from app.session.numbers import short, whole
from mistral_core.analysis.interventions import Column, Intervention, KnockOut, Part, Shorten
from mistral_core.config import MistralConfig

MOST_CHANGES = 16
"""At one time: more is a slip of the hand, and no picture of anything."""
PARTS = get_args(Part)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked.

    Attributes:
        target: position whose prediction is meant.
        level: what parts are knocked out to: "zero", or "mean" over the text.
        changes: as spelled above; `None` = nothing was chosen: the head that matters most, once that is known.
        writing: how the text is gone on with: "greedy" = always the likeliest, "seeded" = drawn as the run was.
    """

    target: int = 0
    level: str = "zero"
    changes: tuple[str, ...] | None = None
    writing: str = "greedy"

    def inside(self, config: MistralConfig, length: int) -> Choice:
        """The same for a text of `length` tokens.

        Raises:
            ValueError: a position, level or change that does not exist; it says which there are.
        """
        if not 0 <= self.target < length:
            raise ValueError(f"position {self.target} is not in the text; positions are 0 to {length - 1}")
        for name, value, known in (("level", self.level, Level), ("write", self.writing, Writing)):
            if value not in get_args(known):
                raise ValueError(f"{name} is {short(value)}; it must be one of {', '.join(get_args(known))}")
        if len(self.changes or ()) > MOST_CHANGES:
            raise ValueError(
                f"{len(self.changes or ())} changes are asked for; at most {MOST_CHANGES} are made at once"
            )
        for change, one in zip(self.changes or (), self.interventions(), strict=True):
            one.check(config)
            if isinstance(one, Column) and one.position >= length - 1:
                raise ValueError(
                    f"nothing comes after position {one.position} ({change}); choose one before {length - 1}"
                )
        return self

    def interventions(self) -> tuple[Intervention, ...]:
        """The changes, for the core.

        Raises:
            ValueError: a change that is spelled otherwise.
        """
        return tuple(intervention_of(change, cast(Level, self.level)) for change in self.changes or ())

    def query(self) -> dict[str, str]:
        """As the parameters of a URL; what has its default is left out."""
        query = {"at": str(self.target)}
        if self.changes is not None:
            query["change"] = ",".join(self.changes)
        if self.level != "zero":
            query["level"] = self.level
        return query | ({"write": self.writing} if self.writing != "greedy" else {})


def intervention_of(change: str, level: Level) -> Intervention:
    """One change as it is spelled.

    Raises:
        ValueError: it is spelled otherwise.
    """
    kind, *numbers = change.split(":")
    wanted = 2 if kind in ("head", "group") else 1
    fine = all(number.isascii() and number.isdigit() and len(number) < 9 for number in numbers)
    if kind not in (*PARTS, "near", "hide") or len(numbers) != wanted or not fine:
        raise ValueError(
            f"a change is {short(change)}; write head:LAYER:HEAD, group:LAYER:GROUP, mlp:LAYER, attention:LAYER, "
            f"near:DISTANCE or hide:POSITION"
        )
    if kind == "near":
        return Shorten(distance=int(numbers[0]))
    if kind == "hide":
        return Column(position=int(numbers[0]))
    layer, *index = (int(number) - 1 for number in numbers)
    if min(layer, *index, 0) < 0:
        raise ValueError(f"a change is {short(change)}; layers, heads and groups count from 1")
    return KnockOut(part=cast(Part, kind), layer=layer, index=index[0] if index else None, to=level)


def spelled(part: Literal["head", "group", "mlp"], layer: int, index: int = 0) -> str:
    """A knock-out as a URL has it; layer and index from 0."""
    return f"{part}:{layer + 1}" + (f":{index + 1}" if part != "mlp" else "")


def choice_from_query(query: Mapping[str, str]) -> Choice | None:
    """Reads what `Choice.query` wrote; `None` where the URL names neither a prediction nor a change.

    Raises:
        ValueError: a position that is no whole number.
    """
    if not {"at", "change"} & query.keys():
        return None
    changes = tuple(part for part in query["change"].split(",") if part) if "change" in query else None
    return Choice(
        target=whole(query, "at") if "at" in query else 0,
        level=query.get("level", "zero"),
        changes=changes,
        writing=query.get("write", "greedy"),
    )


def first_choice(length: int, n_prompt: int, at: int | None) -> Choice:
    """Where a visitor starts: where he was; else a few words after the prompt, where something follows."""
    if at is None or not 0 <= at < length:
        at = max(0, min(n_prompt + 4, length - 2))
    return Choice(target=at)
