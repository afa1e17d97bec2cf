"""What is asked of the page break_it: which prediction, what is changed (`spelling`), and to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, get_args

from app.break_it.messages import Level, Writing
from app.break_it.spelling import Asked, asked_of, check
from app.session.numbers import short, whole
from mistral_core.analysis.spelled_changes import check_count
from mistral_core.config import MistralConfig


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked.

    Attributes:
        target: position whose prediction is meant.
        level: what parts are knocked out to: "zero", or "mean" over the text.
        changes: as `spelling` says; `None` = nothing was chosen: the head that matters most, once that is known.
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
        check_count(self.changes or ())
        for change, asked in zip(self.changes or (), self.asked(), strict=True):
            check(asked, change, config, length)
        return self

    def asked(self) -> tuple[Asked, ...]:
        """The changes, as what they are.

        Raises:
            ValueError: a change that is spelled otherwise.
        """
        return tuple(asked_of(change, cast(Level, self.level)) for change in self.changes or ())

    def query(self) -> dict[str, str]:
        """As the parameters of a URL; what has its default is left out."""
        query = {"at": str(self.target)}
        if self.changes is not None:
            query["change"] = ",".join(self.changes)
        if self.level != "zero":
            query["level"] = self.level
        return query | ({"write": self.writing} if self.writing != "greedy" else {})


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
