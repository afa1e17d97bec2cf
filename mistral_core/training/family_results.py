"""What the family reached: the recorded results, and the seeds of one model taken together.

Without torch, so that a page can show it.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mistral_core.checkpoint.registry import bundled_root

RESULTS_FILE = "family.json"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One training of a member, measured on the file that it wrote.

    Attributes:
        name, group, seed: which.
        changes: against the baseline.
        parameters: of the network, embedding and output included.
        cache_bytes: of all keys and values kept after a training sequence, in float32.
        tokens: seen. seconds: of training steps.
        bits_per_byte: of all held-out text, each document read from its beginning to its end.
        short_bits_per_byte: the same text in pieces that are no longer than a training sequence.
    """

    name: str
    group: str
    seed: int
    changes: dict[str, Any]
    parameters: int
    cache_bytes: int
    tokens: int
    seconds: float
    bits_per_byte: float
    short_bits_per_byte: float


@dataclass(frozen=True)
class Reached:
    """The trainings of one model together.

    Attributes:
        first: one of them, for what they have in common.
        seeds: how many they are.
        mean, short: bits per byte of whole documents and of short pieces.
        spread, short_spread: how far the seeds lie apart; `None` of one seed.
    """

    first: Result
    seeds: int
    mean: float
    spread: float | None
    short: float
    short_spread: float | None


def recorded_results() -> list[Result]:
    """Those that come with the repository.

    Raises:
        OSError: there are none.
    """
    content = json.loads((bundled_root() / RESULTS_FILE).read_text(encoding="utf-8"))
    return [Result(**row) for row in content["results"]]


def reached(results: Sequence[Result]) -> list[Reached]:
    """A line a model, in the order in which they first come."""
    lines = []
    for name in dict.fromkeys(result.name for result in results):
        rows = [result for result in results if result.name == name]
        whole, short = [row.bits_per_byte for row in rows], [row.short_bits_per_byte for row in rows]
        lines.append(
            Reached(
                first=rows[0],
                seeds=len(rows),
                mean=statistics.mean(whole),
                spread=_spread(whole),
                short=statistics.mean(short),
                short_spread=_spread(short),
            )
        )
    return lines


def _spread(bits: list[float]) -> float | None:
    return max(bits) - min(bits) if len(bits) > 1 else None


def table(results: Sequence[Result]) -> str:
    """The results as Markdown: a line a member, the mean of its seeds and how far they lie apart."""
    lines = [
        "| model | differs in | parameters | K/V kept, kB | tokens seen | seeds | bits per byte | spread | short |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in reached(results):
        first, spread = row.first, "" if row.spread is None else f"{row.spread:.4f}"
        differs = ", ".join(f"{key} {'none' if value is None else value}" for key, value in first.changes.items())
        lines.append(
            f"| {first.name} | {differs} | {first.parameters:,} | {first.cache_bytes / 1000:,.0f} | "
            f"{first.tokens:,} | {row.seeds} | {row.mean:.4f} | {spread} | {row.short:.4f} |"
        )
    return "\n".join(lines)
