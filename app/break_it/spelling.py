"""Changes as a URL spells them, one by one: those of a network (`spelled_changes`), and what another text lends.

Positions and rows count from 0; a row is one of the state grid: 0 = embedding, 1 = after the first layer.

    patch:4:12:7:boy  patch:4:7-12:7:boy         row 4 at 12, or from 7 to 12, is that of the same text with "boy" at 7
    add:4:12:1.5:7:boy                           1.5 times the way from this text to that one, in row 4 at 7, is added
                                                 to row 4 at 12

The word is percent-encoded, so that it may hold a colon, a comma and a space.

Source: the interventions are those of `mistral_core.analysis.interventions`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from app.break_it.messages import Level
from app.session.numbers import short
from mistral_core.analysis import spelled_changes
from mistral_core.analysis.interventions import Column, Edge, Intervention, Slot, Span
from mistral_core.config import MistralConfig

FORMS = (*spelled_changes.FORMS, "patch:ROW:POSITIONS:SOURCE:WORD", "add:ROW:POSITIONS:TIMES:SOURCE:WORD")
"""POSITIONS are one, or a first and a last: 7-12."""
MOST_TIMES = 100
"""How often a direction can be added: far more than leaves anything of a text."""
LONGEST_WORD = 40
_N = "([0-9]{1,8})"
_LENT = rf"{_N}:([^%,:\s]|%[0-9A-Fa-f]{{2}})+"
_SPELLED = {
    "patch": rf"{_N}:{_N}(-{_N})?:{_LENT}",
    "add": rf"{_N}:{_N}(-{_N})?:-?[0-9]{{1,3}}(\.[0-9]{{1,3}})?:{_LENT}",
}


@dataclass(frozen=True, kw_only=True)
class Lent:
    """What the same text with another word in it lends to this one; only its model can read it.

    Attributes:
        row: of the state grid. positions: of this text, where it goes.
        source: position of the word that is replaced. word: what takes its place.
        times: how often the way from this text's state to that one's, at the last token of the word, is added;
            `None` = nothing is added: that text's states take the place of this one's.
    """

    row: int
    positions: Span
    source: int
    word: str
    times: float | None = None


Asked = Intervention | Lent


def asked_of(change: str, level: Level) -> Asked:
    """One change as it is spelled.

    Raises:
        ValueError: it is spelled otherwise.
    """
    kind, _, rest = change.partition(":")
    if kind not in _SPELLED:
        return spelled_changes.intervention_of(change, level, FORMS)
    if not re.fullmatch(_SPELLED[kind], rest):
        raise ValueError(f"a change is {short(change)}; write {spelled_changes.one_of(FORMS)}")
    parts = rest.split(":")
    return _lent(change, parts, float(parts[2]) if kind == "add" else None)


def check(asked: Asked, change: str, config: MistralConfig, length: int) -> None:
    """Refuses a change that a model, or a text of so many tokens, does not have.

    Raises:
        ValueError: it names the value, the bound and what would do.
    """
    if isinstance(asked, Lent):
        _check_lent(asked, change, config, length)
        return
    if isinstance(asked, Slot):
        _check_slot(asked, change, config, length)
    elif isinstance(asked, Edge):
        _check_edge(asked, change, config, length)
    elif isinstance(asked, Column) and asked.position >= length - 1:
        raise ValueError(f"nothing comes after position {asked.position} ({change}); choose one before {length - 1}")
    else:
        asked.check(config)


def _lent(change: str, parts: list[str], times: float | None) -> Lent:
    first, _, last = parts[1].partition("-")
    try:
        word = unquote(parts[-1], errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"the word of {short(change)} is no UTF-8; write it as encodeURIComponent does") from None
    return Lent(
        row=int(parts[0]), positions=(int(first), int(last or first) + 1), source=int(parts[-2]), word=word, times=times
    )


def _check_lent(lent: Lent, change: str, config: MistralConfig, length: int) -> None:
    first, end = lent.positions
    if lent.row > config.n_layers:
        raise ValueError(f"row {lent.row} is not in the grid; rows are 0 (embedding) to {config.n_layers}")
    if first >= end:
        raise ValueError(f"positions {first} to {end - 1} are none ({short(change)}); write the first one first")
    for position in (lent.source, end - 1):
        if position >= length:
            raise ValueError(
                f"position {position} is not in the text ({short(change)}); positions are 0 to {length - 1}"
            )
    if not lent.word.strip() or len(lent.word) > LONGEST_WORD:
        raise ValueError(f"the word that is put in has {len(lent.word.strip())} characters; write 1 to {LONGEST_WORD}")
    if lent.times is not None and abs(lent.times) > MOST_TIMES:
        raise ValueError(f"a direction is to be added {lent.times:g} times; that can be -{MOST_TIMES} to {MOST_TIMES}")


def ring_of(config: MistralConfig) -> int | None:
    """Slots of the smallest ring; `None` where no layer has a window."""
    windows = [window for window in config.windows if window is not None]
    return min(windows) + config.sinks if windows else None


def _check_slot(slot: Slot, change: str, config: MistralConfig, length: int) -> None:
    slots = ring_of(config)
    if slots is None:
        raise ValueError(
            f"{change} names a slot of the ring, and no layer of this model has a window, so nothing is ever "
            f"overwritten; hide a word (hide:POSITION), or choose a model with a window"
        )
    if slot.slot >= slots:
        raise ValueError(f"slot {slot.slot} is not in every ring of this model; choose one of 0 to {slots - 1}")
    if slot.step >= length:
        raise ValueError(f"step {slot.step} is not in the text ({change}); steps are 0 to {length - 1}")


def _check_edge(edge: Edge, change: str, config: MistralConfig, length: int) -> None:
    if edge.target >= length:
        raise ValueError(f"position {edge.target} is not in the text ({change}); positions are 0 to {length - 1}")
    layers = range(config.n_layers) if edge.layers is None else edge.layers
    if max(layers) >= config.n_layers:
        raise ValueError(f"layer {max(layers) + 1} is not in this model ({change}); layers are 1 to {config.n_layers}")
    windows = [config.windows[layer] for layer in layers]
    if edge.source < config.sinks or None in windows:
        return
    widest = max(window for window in windows if window is not None)
    if edge.target - edge.source >= widest:
        nearest = edge.target - widest + 1
        remedy = f"choose one of {nearest} to {edge.target - 1}" if widest > 1 else "no edge can be cut there"
        raise ValueError(
            f"there is no edge from position {edge.source} to {edge.target}: a window of {widest} reaches back to "
            f"{nearest}; {remedy}"
        )
