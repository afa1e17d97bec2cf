"""Interventions in a few letters, as they stand in names of models, in addresses and on the command line.

Layers, heads and groups count from 1, as on screen; positions and distances from 0, as everywhere:

    head:5:3  group:5:1  mlp:5  attention:5      that part of that layer is knocked out
    near:4                                       no layer looks further back than 4 tokens
    hide:17                                      no later token sees position 17

Asks for no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast, get_args

from mistral_core.analysis.interventions import Column, Intervention, KnockOut, Part, Shorten
from mistral_core.config import brief

PARTS = get_args(Part)
MOST_CHANGES = 16
"""At one time: more is a slip of the hand, and no picture of anything."""
FORMS = "head:LAYER:HEAD, group:LAYER:GROUP, mlp:LAYER, attention:LAYER, near:DISTANCE or hide:POSITION"


def intervention_of(change: str, level: Literal["zero", "mean"] = "zero") -> Intervention:
    """One change as it is spelled.

    Args:
        level: what parts are knocked out to.

    Raises:
        ValueError: it is spelled otherwise.
    """
    kind, *numbers = change.split(":")
    wanted = 2 if kind in ("head", "group") else 1
    fine = all(number.isascii() and number.isdigit() and len(number) < 9 for number in numbers)
    if kind not in (*PARTS, "near", "hide") or len(numbers) != wanted or not fine:
        raise ValueError(f"a change is {brief(change)}; write {FORMS}")
    if kind == "near":
        return Shorten(distance=int(numbers[0]))
    if kind == "hide":
        return Column(position=int(numbers[0]))
    layer, *index = (int(number) - 1 for number in numbers)
    if min(layer, *index, 0) < 0:
        raise ValueError(f"a change is {brief(change)}; layers, heads and groups count from 1")
    return KnockOut(part=cast(Part, kind), layer=layer, index=index[0] if index else None, to=level)


def interventions_of(changes: Sequence[str], level: Literal["zero", "mean"] = "zero") -> tuple[Intervention, ...]:
    """All changes as they are spelled.

    Raises:
        ValueError: one is spelled otherwise, or there are too many.
    """
    if len(changes) > MOST_CHANGES:
        raise ValueError(f"{len(changes)} changes are asked for; at most {MOST_CHANGES} are made at once")
    return tuple(intervention_of(change, level) for change in changes)


def change_in_words(change: str) -> str:
    """How a change is said.

    >>> change_in_words("head:5:3"), change_in_words("near:1"), change_in_words("hide:17")
    ('head 3 of layer 5 is silent', 'no layer looks back more than 1 token', 'no later token sees position 17')
    """
    kind, first, *second = change.split(":")
    if kind == "near":
        if first == "0":
            return "every token sees itself alone"
        return f"no layer looks back more than {first} token{'' if first == '1' else 's'}"
    if kind == "hide":
        return f"no later token sees position {first}"
    part = {"head": "head", "group": "K/V head", "mlp": "the MLP", "attention": "all attention"}[kind]
    return f"{part}{f' {second[0]}' if second else ''} of layer {first} is silent"
