"""What is answered to a look at one token: its numbers, one of them worked out, a score taken apart, the next word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.inside_a_block.codes import codes
from app.inside_a_block.ending import ending_of
from app.inside_a_block.messages import Look, SeenHeader
from app.inside_a_block.payload import NUMBERS_BUDGET, Answer, Box, SplitLike, WorkedLike, empty_header
from app.inside_a_block.reading import Reading, gap
from app.session.sentence import sentence
from mistral_core.analysis.spelled_changes import change_in_words
from mistral_core.checkpoint import registry
from mistral_core.trace.shapes import key_positions
from mistral_core.trace.trace import KEYS, LOGITS, PATTERN, VALUES, Trace, layer_hook

if TYPE_CHECKING:
    from mistral_core.analysis.inside import Inside

KEPT = "What this run kept, and no more: the text was not read again, since "


def answer_from(reading: Reading, trace: Trace, look: Look) -> Answer:
    """Everything that a look asks for, from a reading that has its token."""
    inside, position, layer = reading.inside, look["t"], look["layer"]
    worked, note = _worked(reading, look)
    split, split_note = _split(reading, look)
    changes = [change_in_words(change) for change in registry.parts_of(trace.model_name).changes]
    header = empty_header(
        trace.config,
        n=look["n"],
        t=position,
        head=max(look["head"], 0),
        status="done",
        text=note,
        changes=changes,
        gap=gap(inside, trace, position),
        split_note=split_note,
        ending=ending_of(reading, trace, position),
        codes=codes() if look["numbers"] else [],
    )
    layers = layers_to_send(inside, position, layer) if look["numbers"] else []
    return Answer(
        header=header,
        boxes=boxes_of(inside, position, layers),
        seen=[_seen(layer, inside.seen(layer, position)) for layer in layers],
        layer=layer,
        worked=worked,
        split=None if split is None else (layer, max(look["head"], 0), look["key"], split),
    )


def layers_to_send(inside: Inside, position: int, layer: int) -> list[int]:
    """All, or the asked one where they are too many."""
    layers = list(range(inside.config.n_layers))
    size = sum(box.values.size for box in boxes_of(inside, position, layers)) * 4
    return layers if size <= NUMBERS_BUDGET else [layer]


def boxes_of(inside: Inside, position: int, layers: Sequence[int]) -> list[Box]:
    """The numbers of these layers, and of what is behind the last one but the logits, which `ending` has."""
    from mistral_core.analysis.worked_cell import BY_KEY, OF_MODEL, STORED

    boxes = []
    for layer in layers:
        for box, hook in STORED.items():
            if box in OF_MODEL or box in ("ring", "mask"):
                continue  # the same numbers as the turned key; and whether a score is finite
            by_key = box in BY_KEY
            values = inside.by_key(layer, hook, position) if by_key else inside.of(layer, hook, position)
            boxes.append(Box(layer=layer, box=box, values=values))
    if layers:
        boxes.append(Box(layer=-1, box="final_norm", values=inside.at(STORED["final_norm"], position)))
    return boxes


def _worked(reading: Reading, look: Look) -> tuple[list[tuple[WorkedLike, bool]], str]:
    """The first number of every box, and the one that was asked for; a sentence where there is none like that."""
    from mistral_core.analysis.worked import default_cell, worked
    from mistral_core.analysis.worked_cell import STORED

    model, inside = reading.loaded.model, reading.inside
    place, head = (look["layer"], look["t"]), max(look["head"], 0)
    cells: list[tuple[WorkedLike, bool]] = [
        (worked(model, inside, *place, box, default_cell(inside, *place, box, head)), True) for box in STORED
    ]
    if not look["cell"]:
        return cells, ""
    try:
        return [*cells, (worked(model, inside, *place, look["box"], tuple(look["cell"])), False)], ""
    except ValueError as error:
        return cells, sentence(error)


def _split(reading: Reading, look: Look) -> tuple[SplitLike | None, str]:
    from mistral_core.analysis.score_split import split_score

    if look["key"] < 0:
        return None, ""
    place = (look["layer"], look["t"], max(look["head"], 0), look["key"])
    try:
        return split_score(reading.loaded.model, reading.inside, *place), ""
    except ValueError as error:
        return None, sentence(error)


def answer_from_trace(trace: Trace, look: Look, why: str) -> Answer:
    """What a run kept of a token, where its text cannot be read again: perhaps keys, values and attention."""
    boxes, seen, position = list[Box](), list[SeenHeader](), look["t"]
    for layer in range(trace.config.n_layers):
        for box, hook in (("rot_k", KEYS), ("v", VALUES)):
            if layer_hook(layer, hook) in trace.arrays:
                boxes.append(Box(layer=layer, box=box, values=trace[layer_hook(layer, hook)][position]))
        if layer_hook(layer, PATTERN) in trace.arrays:
            weights = trace.pattern(layer)[position]
            keys = key_positions(np.array([position]), weights.shape[-1], trace.config.windows[layer])[0]
            order = np.argsort(keys)[np.count_nonzero(keys < 0) :]
            boxes.append(Box(layer=layer, box="pattern", values=weights[:, order]))
            seen.append(_seen(layer, keys[order]))
    begin = KEPT if boxes or LOGITS in trace.arrays else "This run kept nothing of its inside, and "
    header = empty_header(
        trace.config,
        n=look["n"],
        t=position,
        status="recorded" if boxes else "failed",
        codes=codes(),
        text=f"{begin}{why[:1].lower()}{why[1:]}",
    )
    return Answer(header=header, boxes=boxes, seen=seen, layer=look["layer"])


def _seen(layer: int, positions: np.ndarray) -> SeenHeader:
    return {"layer": layer, "positions": [int(position) for position in positions]}
