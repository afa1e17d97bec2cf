"""Information-flow routes: over which edges of the state grid a prediction is made, by measured contribution.

The graph has the cells of the grid as nodes. Its edges lead from (l, j) to (l + 1, i) and weigh what
`contributions.edges` says; an edge with j = i stays in its column (stream and own key), all others are attention. Edges
that arrive at a node sum to 1, so the weight of a path is the product of its edges, and

    flow(l, j) = sum over all paths from (l, j) to the prediction of their weights,    sums to 1 in every row

which is rollout with measured contributions in the place of attention and a fixed half for the stream.

`above` keeps what a threshold leaves, from the prediction downwards, as the authors do; `route` what of it lies on a
path from one token.

Source: Ferrando & Voita 2024 (arXiv 2403.00824), section 2; rollout: Abnar & Zuidema 2020 (arXiv 2005.00928).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from mistral_core.analysis.contributions import Contributions, contributions
from mistral_core.analysis.flow import beside_stream
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import check_position
from mistral_core.model import Transformer

Band = Float[np.ndarray, "pos _width"]


@dataclass(frozen=True, kw_only=True, order=True)
class RouteEdge:
    """From (layer, source) to (layer + 1, target); rows of the grid are counted from 0, the embedding.

    Attributes:
        share: its importance among the edges that arrive there.
    """

    layer: int
    source: int
    target: int
    share: float

    @property
    def sideways(self) -> bool:
        """Whether attention carries it from another position."""
        return self.source != self.target


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowGraph:
    """The graph of one prediction.

    Attributes:
        target: position of the prediction, in the text. first: position of column 0; nothing before it is read.
        edges: a band a layer, by offset. flow, rollout: of every cell to the prediction; rows sum to 1.
        contributions: what it was made from.
    """

    target: int
    first: int
    edges: tuple[Band, ...]
    flow: Float[np.ndarray, "rows pos"]
    rollout: Float[np.ndarray, "rows pos"]
    contributions: Contributions

    def above(self, threshold: float) -> tuple[RouteEdge, ...]:
        """Edges of at least the threshold over which the prediction can be walked back.

        Raises:
            ValueError: the threshold is no share above 0.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is {threshold}; it is a share and must be above 0, at most 1")
        kept, level = list[RouteEdge](), {self.target - self.first}
        for layer in reversed(range(len(self.edges))):
            below = set[int]()
            for query in sorted(level):
                for offset in np.flatnonzero(self.edges[layer][query] >= threshold).tolist():
                    kept.append(self._edge(layer, query, offset))
                    below.add(query - offset)
            level = below
        return tuple(sorted(kept))

    def route(self, source: int, threshold: float) -> tuple[RouteEdge, ...]:
        """What of `above` lies on a path from the token at `source`; nothing if no path is left.

        Raises:
            ValueError: as `above`, or a source that is not read.
        """
        self._check(source)
        reached, out = {source}, list[RouteEdge]()
        for edges in _by_layer(self.above(threshold), len(self.edges)):
            walked = [edge for edge in edges if edge.source in reached]
            out, reached = [*out, *walked], {edge.target for edge in walked}
            if not walked:
                return ()
        return _leading_to(out, self.target)

    def strongest(self, source: int) -> tuple[RouteEdge, ...]:
        """The path from a token to the prediction whose product of shares is largest; nothing if there is none.

        Raises:
            ValueError: a source that is not read.
        """
        self._check(source)
        weight = np.zeros(self.flow.shape[1])
        weight[source - self.first] = 1.0
        came = []
        for band in self.edges:
            candidates = band * _shifted(weight, band.shape[1])
            came.append(candidates.argmax(1))
            weight = candidates.max(1)
        query, path = self.target - self.first, []
        if weight[query] <= 0:
            return ()
        for layer in reversed(range(len(self.edges))):
            offset = int(came[layer][query])
            path.append(self._edge(layer, query, offset))
            query -= offset
        return tuple(reversed(path))

    @cached_property
    def last_thresholds(self) -> Float[np.ndarray, " pos"]:
        """For each token the highest threshold at which it has a route: the weakest edge of its widest path; or 0."""
        return walked_back(self.edges, self.target - self.first, np.minimum, np.maximum)[0]

    def last_threshold(self, source: int) -> float:
        """That of one token.

        Raises:
            ValueError: a source that is not read.
        """
        self._check(source)
        return float(self.last_thresholds[source - self.first])

    def _edge(self, layer: int, query: int, offset: int) -> RouteEdge:
        return RouteEdge(
            layer=layer,
            source=self.first + query - offset,
            target=self.first + query,
            share=float(self.edges[layer][query, offset]),
        )

    def _check(self, source: int) -> None:
        if not self.first <= source <= self.target:
            raise ValueError(
                f"source {source} cannot reach the prediction at {self.target}; choose one of the positions "
                f"{self.first} to {self.target}"
            )


def flow_graph(model: Transformer, token_ids: Sequence[int], target: int, report: Report = silent) -> FlowGraph:
    """Reads the text up to the target, as far as it can reach it, and measures what contributes to its prediction.

    Raises:
        ValueError: no such position, or as `contributions`.
    """
    check_position("target", target, len(token_ids))
    reach = None if model.config.sinks else model.config.exact_reach()
    first = 0 if reach is None else max(0, target - reach)
    parts = contributions(model, token_ids[first : target + 1], report, first)
    edges = tuple(parts.edges(layer) for layer in range(model.config.n_layers))
    mixed = [beside_stream(pattern) for pattern in parts.mean_pattern]
    return FlowGraph(
        target=target,
        first=first,
        edges=edges,
        flow=walked_back(edges, target - first),
        rollout=walked_back(mixed, target - first),
        contributions=parts,
    )


def walked_back(
    edges: Sequence[Band], target: int, join: np.ufunc = np.multiply, gather: np.ufunc = np.add
) -> Float[np.ndarray, "rows pos"]:
    """All paths from every cell to the last row at `target`: by default the sum of their weights.

    Args:
        join: what the weight of a path is of its edges. gather: what is taken of all paths.
    """
    length = len(edges[0])
    rows = [np.zeros(length)]
    rows[0][target] = 1.0
    for band in reversed(edges):
        below = np.zeros(length)
        for offset in range(min(band.shape[1], length)):
            arriving = join(band[offset:, offset], rows[-1][offset:])
            below[: length - offset] = gather(below[: length - offset], arriving)
        rows.append(below)
    return np.array(rows[::-1])


def _shifted(weight: np.ndarray, width: int) -> Band:
    """`[pos, width]`: the weight of the cell at each offset before each position; 0 where there is none."""
    out = np.zeros((len(weight), width))
    for offset in range(min(width, len(weight))):
        out[offset:, offset] = weight[: len(weight) - offset]
    return out


def _by_layer(edges: Sequence[RouteEdge], n_layers: int) -> list[list[RouteEdge]]:
    return [[edge for edge in edges if edge.layer == layer] for layer in range(n_layers)]


def _leading_to(edges: Sequence[RouteEdge], target: int) -> tuple[RouteEdge, ...]:
    """Those from which the target can still be walked to."""
    out, level = list[RouteEdge](), {target}
    for layer in sorted({edge.layer for edge in edges}, reverse=True):
        kept = [edge for edge in edges if edge.layer == layer and edge.target in level]
        out, level = out + kept, {edge.source for edge in kept}
    return tuple(sorted(out))
