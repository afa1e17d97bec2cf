"""Interventions in a few letters, as they stand in names of models, in addresses and on the command line.

Layers, heads and groups count from 1, as on screen; positions, steps, slots and distances from 0, as everywhere:

    head:5:3  group:5:1  mlp:5  attention:5      that part of that layer is knocked out
    near:4                                       no layer looks further back than 4 tokens
    hide:17                                      no later token sees position 17
    edge:12:20  edge:12:20:3                     position 20 does not see position 12, in any layer or in the third
    slot:3:20  slot:3:20:zero                    from step 20 on, slot 3 of every ring is not seen, or is zero

Those that take something from another text are no property of a network: `app/break_it/spelling.py` has them.
Asks for no torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

from mistral_core.analysis.interventions import Column, Edge, Intervention, KnockOut, Part, Shorten, Slot
from mistral_core.config import MistralConfig, brief

MOST_CHANGES = 16
"""At one time: more is a slip of the hand, and no picture of anything."""
FORMS = (
    "head:LAYER:HEAD",
    "group:LAYER:GROUP",
    "mlp:LAYER",
    "attention:LAYER",
    "near:DISTANCE",
    "hide:POSITION",
    "edge:SOURCE:TARGET",
    "edge:SOURCE:TARGET:LAYER",
    "slot:SLOT:STEP",
    "slot:SLOT:STEP:zero",
)
_N = "([0-9]{1,8})"
_SPELLED = {
    **dict.fromkeys(("head", "group"), rf"{_N}:{_N}"),
    **dict.fromkeys(("mlp", "attention", "near", "hide"), _N),
    "edge": rf"{_N}:{_N}(:{_N})?",
    "slot": rf"{_N}:{_N}(:zero)?",
}


def intervention_of(change: str, level: Literal["zero", "mean"] = "zero", forms: Sequence[str] = FORMS) -> Intervention:
    """One change as it is spelled.

    Args:
        level: what parts are knocked out to. forms: that a refusal offers.

    Raises:
        ValueError: it is spelled otherwise.
    """
    kind, _, rest = change.partition(":")
    if kind not in _SPELLED or not re.fullmatch(_SPELLED[kind], rest):
        raise ValueError(f"a change is {brief(change)}; write {one_of(forms)}")
    parts = rest.split(":")
    if kind == "near":
        return Shorten(distance=int(rest))
    if kind == "hide":
        return Column(position=int(rest))
    if kind == "slot":
        return Slot(slot=int(parts[0]), step=int(parts[1]), to="zero" if parts[2:] else "unseen")
    if kind == "edge":
        layers = (_from_1(change, parts[2]),) if parts[2:] else None
        return Edge(source=int(parts[0]), target=int(parts[1]), layers=layers)
    layer, *index = (_from_1(change, number) for number in parts)
    return KnockOut(part=cast(Part, kind), layer=layer, index=index[0] if index else None, to=level)


def one_of(forms: Sequence[str]) -> str:
    """Forms as a sentence offers them.

    >>> one_of(["mlp:LAYER", "near:DISTANCE", "hide:POSITION"])
    'mlp:LAYER, near:DISTANCE or hide:POSITION'
    """
    return f"{', '.join(forms[:-1])} or {forms[-1]}"


def spelled(part: Part, layer: int, index: int | None = None) -> str:
    """A knock-out as it is spelled; layer and index from 0.

    >>> spelled("head", 4, 2), spelled("mlp", 0)
    ('head:5:3', 'mlp:1')
    """
    return f"{part}:{layer + 1}" + ("" if index is None else f":{index + 1}")


def in_rings(one: Intervention, config: MistralConfig) -> Intervention:
    """The same for a network: of layers without a window, which have no ring, no slot is broken."""
    if not isinstance(one, Slot) or one.layers is not None:
        return one
    rings = tuple(layer for layer, window in enumerate(config.windows) if window is not None)
    return one if len(rings) in (0, config.n_layers) else replace(one, layers=rings)


def _from_1(change: str, number: str) -> int:
    if int(number) < 1:
        raise ValueError(f"a change is {brief(change)}; layers, heads and groups count from 1")
    return int(number) - 1


def check_count(changes: Sequence[str]) -> None:
    """Refuses more changes than anybody means.

    Raises:
        ValueError: too many.
    """
    if len(changes) > MOST_CHANGES:
        raise ValueError(f"{len(changes)} changes are asked for; at most {MOST_CHANGES} are made at once")


def interventions_of(changes: Sequence[str], level: Literal["zero", "mean"] = "zero") -> tuple[Intervention, ...]:
    """All changes as they are spelled.

    Raises:
        ValueError: one is spelled otherwise, or there are too many.
    """
    check_count(changes)
    return tuple(intervention_of(change, level) for change in changes)


def change_in_words(change: str) -> str:
    """How a change is said.

    >>> change_in_words("head:5:3"), change_in_words("near:1"), change_in_words("edge:12:20:3")
    ('head 3 of layer 5 is silent', 'no layer looks back more than 1 token', 'position 20 does not see 12 in layer 3')
    >>> change_in_words("slot:3:20"), change_in_words("group:2:1")
    ('slot 3 of every ring is not seen from step 20 on', 'K/V head 1 of layer 2 is silent')
    """
    kind, first, *more = change.split(":")
    if kind == "near":
        if first == "0":
            return "every token sees itself alone"
        return f"no layer looks back more than {first} token{'' if first == '1' else 's'}"
    if kind == "hide":
        return f"no later token sees position {first}"
    if kind == "edge":
        return f"position {more[0]} does not see {first}{f' in layer {more[1]}' if more[1:] else ''}"
    if kind == "slot":
        return f"slot {first} of every ring is {'zero' if more[1:] else 'not seen'} from step {more[0]} on"
    part = {"head": "head", "group": "K/V head", "mlp": "the MLP", "attention": "all attention"}[kind]
    return f"{part}{f' {more[0]}' if more else ''} of layer {first} is silent"
