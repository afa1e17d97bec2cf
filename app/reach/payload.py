"""What the page reach sends: one reading of the state grid, theory and measurement.

The grid goes as float32, row by row, 0 = embedding, with NaN where nothing was measured, so that an exact
0 stays an exact 0. Nothing here imports torch or Streamlit.

Source: the readings are those of `mistral_core.analysis.influence`, the edges those of `analysis.reach`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np

from app.reach.messages import Facts, NoFacts, ReachHeader, Reading
from app.reach.question import Choice
from app.reach.room import too_short
from app.shared.run_payload import RunLike, tokens_of
from app.shared.windows import window_options
from app.wire import Parts
from mistral_core.analysis.reach import backward_cone, backward_edge, forward_cone, forward_edge, reachable, reaching
from mistral_core.checkpoint.registry import parts_of
from mistral_core.config import MistralConfig


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
            "imposed": parts_of(trace.model_name).window is not None,
            "trained_sinks": trace.config.sinks,
            "options": window_options(trace.config),
        },
        "short": short,
        "doing": doing,
        "stopped": stopped,
        "tokens": tokens_of(trace, 0, length),
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
            "sinks": choice.sinks,
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
