"""The arithmetic of a comparison on a machine that is never idle.

The contestants take turns (A B C, C B A, B C A, ...), a short block each, so that a busy moment hits all of
them. Each round gives one ratio; what is reported is the median of these ratios and their spread.

Three clocks, named in every result:

* `wall`: `time.perf_counter` over the block; what a user waits, other processes included;
* `cpu`: `time.thread_time` over the block; the time this thread was running. Right only because one
  thread computes; it leaves out waiting for a core, but not what neighbours do to caches and memory;
* `median_step`: the median `perf_counter` time of one token in the block; steps that were interrupted
  fall out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CLOCKS = ("wall", "cpu", "median_step")
CLOCK_NAMES = {
    "wall": "time.perf_counter over a block of tokens",
    "cpu": "time.thread_time of the one computing thread over a block of tokens",
    "median_step": "median time.perf_counter of the tokens of a block",
}


@dataclass(frozen=True)
class Block:
    """Milliseconds per token of one block by the two clocks, of each of its tokens, and the tokens themselves."""

    wall: float
    cpu: float
    steps: tuple[float, ...]
    tokens: tuple[int, ...]

    @property
    def median_step(self) -> float:
        """Milliseconds of the middle one of its tokens."""
        return float(np.median(self.steps))


def write_block(step: Callable[[], int], length: int) -> Block:
    """Times `length` calls of `step`, each of which writes one token and returns its id.

    Raises:
        ValueError: a block without tokens.
    """
    if length < 1:
        raise ValueError(f"length is {length}; a block needs at least 1 token to be timed")
    tokens, ends = [], []
    cpu, start = time.thread_time(), time.perf_counter()
    for _ in range(length):
        tokens.append(step())
        ends.append(time.perf_counter())
    spent = time.thread_time() - cpu
    steps = tuple((np.diff([start, *ends]) * 1000).tolist())
    each = 1000 / length
    return Block((ends[-1] - start) * each, spent * each, steps, tuple(tokens))


def joined(slices: Sequence[Block]) -> Block:
    """Equally long blocks of one contestant as one."""
    return Block(
        sum(part.wall for part in slices) / len(slices),
        sum(part.cpu for part in slices) / len(slices),
        tuple(step for part in slices for step in part.steps),
        tuple(token for part in slices for token in part.tokens),
    )


def in_turn(
    steps: Mapping[str, Callable[[], int]], rounds: int, length: int, *, slices: int = 1
) -> dict[str, list[Block]]:
    """Lets the contestants write a block each, `rounds` times, in changing order.

    Args:
        slices: equal parts in which they alternate inside a round: what is counted is the block, what the
            machine does meanwhile is shared more finely.

    Raises:
        ValueError: the slices do not divide the length.
    """
    if length % slices:
        raise ValueError(f"a block of {length} tokens has no {slices} equal slices; choose a divisor")
    blocks: dict[str, list[Block]] = {name: [] for name in steps}
    for turn in range(rounds):
        parts: dict[str, list[Block]] = {name: [] for name in steps}
        for part in range(slices):
            for name in order(list(steps), turn * slices + part):
                parts[name].append(write_block(steps[name], length // slices))
        for name in steps:
            blocks[name].append(joined(parts[name]))
    return blocks


def order(names: Sequence[str], turn: int) -> list[str]:
    """Each time another one first, every second time backwards: nobody always follows the same other one."""
    first = turn // 2 % len(names)
    rotated = [*names[first:], *names[:first]]
    return rotated[::-1] if turn % 2 else rotated


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Median and spread of some values; quantiles are interpolated.

    Raises:
        ValueError: there are none.
    """
    if not len(values):
        raise ValueError("there are no values; a spread needs at least one")
    names = {"median": 0.5, "min": 0.0, "p10": 0.1, "p90": 0.9, "max": 1.0}
    found: dict[str, float | int] = {name: round(float(np.quantile(values, q)), 4) for name, q in names.items()}
    return {**found, "n": len(values)}


def compare(over: Sequence[Block], under: Sequence[Block]) -> dict[str, dict[str, float | int]]:
    """Ratios `over / under` of the time per token, round by round, for each clock.

    Raises:
        ValueError: the two did not write the same number of rounds.
    """
    if len(over) != len(under):
        raise ValueError(f"{len(over)} rounds stand against {len(under)}; a ratio needs both sides of each round")
    return {
        clock: spread([getattr(a, clock) / getattr(b, clock) for a, b in zip(over, under, strict=True)])
        for clock in CLOCKS
    }


def per_token(blocks: Sequence[Block]) -> dict[str, dict[str, float | int]]:
    """Milliseconds per token over the rounds, for each clock."""
    return {clock: spread([getattr(block, clock) for block in blocks]) for clock in CLOCKS}


def written(blocks: Sequence[Block]) -> list[int]:
    """The tokens of all rounds in order."""
    return [token for block in blocks for token in block.tokens]


def agreement(a: Sequence[int], b: Sequence[int]) -> dict[str, Any]:
    """Whether two contestants wrote the same tokens, and where they part if not."""
    differ = [i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y]
    equal = not differ and len(a) == len(b)
    first = None if equal else (differ[0] if differ else min(len(a), len(b)))
    return {"equal": equal, "compared": min(len(a), len(b)), "first_difference": first}
