"""What could reach what: the theory of the state grid, from windows alone, and what a cut takes away.

The grid has `L + 1` rows, 0 = embedding, `l` = the residual stream after `l` layers, and one
column for each position. A layer with window W lets a state look at itself and at the `W - 1`
columns before it, so

    forward    a change at (0, s) can be at (l, p)   iff   0 <= p - s <= sum of W - 1 of layers 1..l
    backward   (L, t) can depend on (l, p)           iff   0 <= t - p <= sum of W - 1 of layers l+1..L
    corridor   of a pair (s, t): both

Sinks, where a configuration has any, are seen by every later query: what happens at one of the first S positions can
be everywhere after one layer, and nothing that comes later can be carried by them.

All of it is a formula. `reachable` and `reaching` do not use it: they walk edge by edge, so they
also know what is left when edges are cut. Nothing here needs torch; a picture of the theory can
be drawn without it.

Source: "Mistral 7B" section 2 (there k x W; the exact edge is k(W - 1), see `MistralConfig.exact_reach`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from mistral_core.config import MistralConfig, Window

QUERIES_AT_ONCE = 256
"""Rows of a layer's visibility that exist at one time; its square never does."""

Grid = Bool[np.ndarray, "rows pos"]
"""`rows = n_layers + 1`."""


def forward_edge(config: MistralConfig, row: int) -> int | None:
    """How many columns after its token a change can be felt in `row`; `None` = all of them.

    >>> from mistral_core.config import MISTRAL_7B
    >>> [forward_edge(MISTRAL_7B, row) for row in (0, 1, 32)]
    [0, 4095, 131040]

    Raises:
        ValueError: there is no such row.
    """
    return config.exact_reach(_row(config, row))


def backward_edge(config: MistralConfig, row: int) -> int | None:
    """How many columns before a target the states of `row` can still matter to it; `None` = all.

    Raises:
        ValueError: there is no such row.
    """
    return _total(config.windows[_row(config, row) :])


def forward_cone(config: MistralConfig, source: int, length: int) -> Grid:
    """Cells that a change of the token at `source` can touch.

    Raises:
        ValueError: `source` is not one of the `length` positions.
    """
    check_position("source", source, length)
    after = np.arange(length) - source
    edges = [forward_edge(config, row) for row in range(config.n_layers + 1)]
    if source < config.sinks:  # in sight of everything from the first layer on
        edges[1:] = [None] * config.n_layers
    return np.array([_within(after, edge) for edge in edges])


def backward_cone(config: MistralConfig, target: int, length: int) -> Grid:
    """Cells on which the state of the last row at `target`, and so its prediction, can depend.

    Raises:
        ValueError: `target` is not one of the `length` positions.
    """
    check_position("target", target, length)
    before = target - np.arange(length)
    cone = np.array([_within(before, backward_edge(config, row)) for row in range(config.n_layers + 1)])
    cone[:-1, : min(config.sinks, target + 1)] = True  # every layer above a sink's state sees it
    return cone


def corridor(config: MistralConfig, source: int, target: int, length: int | None = None) -> Grid:
    """Cells through which the token at `source` can reach the prediction at `target`.

    Empty beyond the exact reach; a single staircase where the distance is exactly the reach.

    Args:
        config: gives the windows.
        source: position of the token.
        target: position whose prediction is meant.
        length: columns of the grid; default: up to the target.
    """
    length = max(source, target) + 1 if length is None else length
    return forward_cone(config, source, length) & backward_cone(config, target, length)


def hops(distance: int, config: MistralConfig) -> int | None:
    """The least number of layers that must carry something sideways for it to travel `distance` columns.

    With one window, `ceil(distance / (W - 1))`; with several, the widest are used first. `None` =
    too far for all layers together.

    >>> from mistral_core.config import MISTRAL_7B
    >>> [hops(distance, MISTRAL_7B) for distance in (0, 4095, 4096, 131040, 131041)]
    [0, 1, 2, 32, None]

    Raises:
        ValueError: a negative distance: nothing travels backwards.
    """
    return _layers_for(distance, sorted(config.windows, key=_width, reverse=True))


def first_row(distance: int, config: MistralConfig) -> int | None:
    """The first row of the grid in which a change can be felt `distance` columns on; `None` = in none.

    The same as `hops` if all windows are equal; later if narrow layers come first.

    Raises:
        ValueError: a negative distance.
    """
    return _layers_for(distance, config.windows)


def rings_left(config: MistralConfig, position: int, step: int) -> tuple[bool, ...]:
    """For each layer whether the key and value made at `position` are overwritten once `step` is read.

    Raises:
        ValueError: `position` comes after `step`.
    """
    if not 0 <= position <= step:
        raise ValueError(f"position {position} is not among the 0 to {step} read by then; choose an earlier token")
    kept = position < config.sinks
    return tuple(window is not None and not kept and step - position >= window for window in config.windows)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Attention edges that are taken away: every query of a range loses every key of a range.

    A query always keeps its own key: a query that sees nothing has no attention (0/0).

    Attributes:
        queries: positions from `queries[0]` up to but without `queries[1]`.
        keys: likewise.
        layer: in this layer alone; `None` = in all.
        spare_own: leave each query its own key where the ranges overlap. Without it such ranges are refused.

    Raises:
        ValueError: an empty range, or ranges that share a position without `spare_own`.
    """

    queries: tuple[int, int]
    keys: tuple[int, int]
    layer: int | None = None
    spare_own: bool = False

    def __post_init__(self) -> None:
        for name, (start, stop) in (("queries", self.queries), ("keys", self.keys)):
            if not 0 <= start < stop:
                raise ValueError(f"{name} are {start} up to {stop}; a range starts at 0 or later and is not empty")
        first, last = max(self.queries[0], self.keys[0]), min(self.queries[1], self.keys[1]) - 1
        if first <= last and not self.spare_own:
            raise ValueError(
                f"position {first} would lose its own key, and a query that sees no key has no attention (0/0); "
                f"choose keys before the queries, or spare the own key (spare_own)"
            )

    def severs(self, queries: Any, keys: Any) -> Any:
        """True where the edge is cut, for arrays of positions (numpy or torch) that broadcast."""
        inside = (queries >= self.queries[0]) & (queries < self.queries[1])
        inside = inside & (keys >= self.keys[0]) & (keys < self.keys[1])
        return inside & (queries != keys) if self.spare_own else inside


def cut_edge(key: int, query: int, layer: int | None = None) -> Cut:
    """The one edge over which `query` looks at `key`.

    Raises:
        ValueError: `key` is `query` itself.
    """
    return Cut(queries=(query, query + 1), keys=(key, key + 1), layer=layer)


def cut_wall(column: int, length: int, layer: int | None = None) -> Cut:
    """Every edge that crosses the line between `column` and the next one.

    Raises:
        ValueError: no column comes after it.
    """
    return Cut(queries=(column + 1, length), keys=(0, column + 1), layer=layer)


def cut_layer(layer: int, length: int) -> Cut:
    """Every edge of a layer between different columns: nothing moves sideways there."""
    return Cut(queries=(0, length), keys=(0, length), layer=layer, spare_own=True)


def check_cuts(config: MistralConfig, length: int, cuts: Sequence[Cut]) -> None:
    """Refuses cuts that lie outside the grid.

    Raises:
        ValueError: a layer or a position that does not exist.
    """
    for cut in cuts:
        if cut.layer is not None and not 0 <= cut.layer < config.n_layers:
            raise ValueError(f"layer {cut.layer} cannot be cut; this model has layers 0 to {config.n_layers - 1}")
        if (last := max(cut.queries[1], cut.keys[1])) > length:
            raise ValueError(f"a cut reaches to position {last - 1}; this text has positions 0 to {length - 1}")


class CutEdges:
    """A sink (see `hooks`) that takes attention edges away: their scores become -inf before the softmax.

    The weights of the keys that are left grow in proportion, as if the others had never been seen.

    Raises:
        ValueError: a cut outside the model or the text.
    """

    def __init__(self, config: MistralConfig, length: int, cuts: Sequence[Cut]) -> None:
        check_cuts(config, length, cuts)
        self.cuts = {
            f"layers.{layer}.attention.hook_attn_scores": [cut for cut in cuts if cut.layer in (None, layer)]
            for layer in range(config.n_layers)
        }

    def wants(self, name: str) -> bool:
        return bool(self.cuts.get(name))

    def visit(self, name: str, value: Any, query_positions: Any, key_positions: Any) -> Any:
        if query_positions is None or key_positions is None:
            return value
        queries, keys = query_positions[:, None, :, None], key_positions[:, None, None, :]
        for cut in self.cuts[name]:
            value = value.masked_fill(cut.severs(queries, keys), float("-inf"))
        return value


def check_position(name: str, position: int, length: int) -> None:
    """Refuses a position that is not in a text of `length` tokens.

    Raises:
        ValueError: it is not; `name` says what it is of.
    """
    if not 0 <= position < length:
        raise ValueError(f"{name} {position} is not in the text; positions are 0 to {length - 1}")


def reachable(config: MistralConfig, length: int, source: int, cuts: Sequence[Cut] = ()) -> Grid:
    """Cells that a change of the token at `source` can still touch, found by walking along every edge.

    Raises:
        ValueError: a source or a cut outside the grid.
    """
    check_position("source", source, length)
    starts = np.zeros((config.n_layers + 1, length), bool)
    starts[0, source] = True
    return spread(config, starts, cuts)


def spread(config: MistralConfig, starts: Grid, cuts: Sequence[Cut] = ()) -> Grid:
    """Cells that changes of the cells `starts` can touch, themselves included, by walking along every edge.

    Raises:
        ValueError: a cut outside the grid.
    """
    length = starts.shape[1]
    check_cuts(config, length, cuts)
    reached = starts.copy()
    for layer in range(config.n_layers):
        for block, edges in visible_keys(config, layer, length, cuts):
            reached[layer + 1, block] |= (edges & reached[layer]).any(1)
    return reached


def reaching(config: MistralConfig, length: int, target: int, cuts: Sequence[Cut] = ()) -> Grid:
    """Cells from which something can still arrive at the last row of `target`, by walking back along every edge.

    Raises:
        ValueError: a target or a cut outside the grid.
    """
    check_position("target", target, length)
    check_cuts(config, length, cuts)
    reached = np.zeros((config.n_layers + 1, length), bool)
    reached[-1, target] = True
    for layer in reversed(range(config.n_layers)):
        for block, edges in visible_keys(config, layer, length, cuts):
            reached[layer] |= (edges & reached[layer + 1, block][:, None]).any(0)
    return reached


def visible_keys(
    config: MistralConfig, layer: int, length: int, cuts: Sequence[Cut] = ()
) -> Iterator[tuple[slice, Bool[np.ndarray, "queries pos"]]]:
    """Who looks at whom in a layer, block by block: the rule of `mask.allowed`, without torch, less the cuts."""
    window, keys = config.windows[layer], np.arange(length)
    for start in range(0, length, QUERIES_AT_ONCE):
        block = slice(start, min(start + QUERIES_AT_ONCE, length))
        queries = np.arange(block.start, block.stop)[:, None]
        visible = keys <= queries
        if window is not None:
            visible &= (queries - keys < window) | (keys < config.sinks)
        for cut in cuts:
            if cut.layer in (None, layer):
                visible &= ~cut.severs(queries, keys)
        yield block, visible


def _layers_for(distance: int, windows: Sequence[Window]) -> int | None:
    if distance < 0:
        raise ValueError(f"distance is {distance}; nothing travels backwards, so it must be 0 or more")
    travelled = 0
    for used, window in enumerate(windows):
        if travelled >= distance:
            return used
        if window is None:
            return used + 1
        travelled += window - 1
    return len(windows) if travelled >= distance else None


def _width(window: Window) -> int | float:
    return float("inf") if window is None else window


def _total(windows: Sequence[Window]) -> int | None:
    return None if None in windows else sum(window - 1 for window in windows if window is not None)


def _within(distance: np.ndarray, edge: int | None) -> np.ndarray:
    return distance >= 0 if edge is None else (distance >= 0) & (distance <= edge)


def _row(config: MistralConfig, row: int) -> int:
    if not 0 <= row <= config.n_layers:
        raise ValueError(f"row {row} is not in the grid; rows are 0 (embedding) to {config.n_layers}")
    return row
